"""The plugin of MMRB-StyleGAN2: what it offers, as data."""

from __future__ import annotations

from bfrbench_gpen.plugin import CITATION as GPEN

from bfrbench.hookspecs import hookimpl
from bfrbench.restorers.alpha import POINTS, alpha_option
from bfrbench.specs import RestorerSpec, TrainingRecipeSpec
from bfrbench.training.library import recipe_specs

NOT_THE_PAPERS = "a reconstruction from the abstract: the paper's text could not be had"
CITATION = (
    "after Hu, Liu, Liu, Lu, Yu, Fu: Enhancing Quality of Pose-varied Face Restoration with Local Weak Feature "
    "Sensing and GAN Prior, arXiv 2205.14377"
)


@hookimpl
def bfrbench_restorers() -> list[RestorerSpec]:
    sizes = (None, 512, 256, 128)
    alone = [
        RestorerSpec(
            id=f"mmrb-{size}" if size else "mmrb",
            target="bfrbench_mmrb.restorers:MmrbRestorer",
            summary=f"MMRB-StyleGAN2 at {size or 'any'} px ({NOT_THE_PAPERS}).",
            licence="code Apache-2.0; weights as their training data allow",
            trained_on=("unknown",),
            size=size,
            argument="required",
            argument_help="the weights file of a training (result.safetensors)",
            options=alpha_option(),
            points=POINTS,
            precisions=("float32", "bfloat16"),
            citation=CITATION,
        )
        for size in sizes
    ]
    small = RestorerSpec(
        id="mmrb-lite",
        target="bfrbench_mmrb.restorers:MmrbLite",
        summary=f"A small MMRB-StyleGAN2 at 128 px, in the package: for demonstrations ({NOT_THE_PAPERS}).",
        licence="Apache-2.0; trained on LFW, whose photographs are for research",
        trained_on=("lfw128:train", "studio-train"),
        size=128,
        weights=("mmrb-lite",),
        options=alpha_option(0.6),
        points=POINTS,
        precisions=("float32", "bfloat16"),
        loss_networks=("squeezenet1.1-keras",),
        citation=CITATION,
    )
    gpen = RestorerSpec(
        id="gpen-mmrb",
        target="bfrbench_mmrb.restorers:GpenMmrbRestorer",
        summary=f"GPEN with an MMRB behind every level of its encoder ({NOT_THE_PAPERS}).",
        licence="code Apache-2.0; weights as their training data allow",
        trained_on=("unknown",),
        argument="required",
        argument_help="the weights file of a training of gpen-mmrb (result.safetensors)",
        options=alpha_option() | {"compile": "true to compile the network on first use (default false)"},
        points=POINTS,
        precisions=("float32", "bfloat16", "float16"),
        citation=f"{GPEN}; with the block {CITATION}",
    )
    return [*alone, small, gpen]


@hookimpl
def bfrbench_training_recipes() -> list[TrainingRecipeSpec]:
    mmrb = recipe_specs("bfrbench_mmrb", "recipes", "bfrbench_mmrb.training:MmrbTraining", ("mmrb",))
    gpen = recipe_specs("bfrbench_mmrb", "recipes", "bfrbench_mmrb.gpen_training:GpenMmrbTraining", ("gpen-mmrb",))
    return [*mmrb, *gpen]
