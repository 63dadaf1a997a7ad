"""The core's own plugin: the restorers that need nothing, the kinds of metrics, the prior."""

from __future__ import annotations

from bfrbench.hookspecs import hookimpl
from bfrbench.metrics.catalogue import KINDS
from bfrbench.specs import MetricSpec, RestorerSpec, TrainingRecipeSpec
from bfrbench.training.library import recipe_specs


@hookimpl
def bfrbench_restorers() -> list[RestorerSpec]:
    return [
        RestorerSpec(
            id="input",
            target="bfrbench.restorers.floor:Input",
            summary="The low-quality image itself: what doing nothing scores.",
            licence="Apache-2.0",
            trained_on=(),
            ranked=False,
        ),
        RestorerSpec(
            id="oracle",
            target="bfrbench.restorers.floor:Oracle",
            summary="The ground truth itself: what a perfect restorer scores under the same protocol.",
            licence="Apache-2.0",
            trained_on=(),
            sees_ground_truth=True,
            ranked=False,
        ),
        RestorerSpec(
            id="bicubic",
            target="bfrbench.restorers.floor:Bicubic",
            summary="Bicubic down and up again: what smoothing alone is worth.",
            licence="Apache-2.0",
            trained_on=(),
            options={"factor": "how far to go down before coming up again (default 2)"},
        ),
    ]


@hookimpl
def bfrbench_metrics() -> list[MetricSpec]:
    return list(KINDS)


@hookimpl
def bfrbench_training_recipes() -> list[TrainingRecipeSpec]:
    prior = recipe_specs("bfrbench.training", "recipes", "bfrbench.training.prior:Prior", ("stylegan2-prior",))
    lite = "bfrbench.embedded.training:LiteMetrics"
    return [*prior, *recipe_specs("bfrbench.embedded", "recipes", lite, ("lite-metrics",))]
