"""The conformance kit catches each way in which a restorer can be wrong, by the right name."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import bfrbench
from bfrbench.errors import UnknownName
from bfrbench.plugins import PluginHost
from bfrbench.testing import CHECKS, check_restorer, conformance_test

Restore = Callable[[Any], torch.Tensor]


class Made:
    """Whatever restore function a test gives; a spec's target finds it here."""

    function: Restore

    def __init__(self, context: bfrbench.RestorerContext) -> None: ...

    def restore(self, batch: bfrbench.Batch) -> torch.Tensor:
        return type(self).function(batch)


class Network:
    """A network that darkens; its weight differs from object to object until it is loaded."""

    secret = False

    def __init__(self, context: bfrbench.RestorerContext) -> None:
        self.module = torch.nn.Linear(1, 1)
        self.hidden = random.random() if type(self).secret else 0.0

    def restore(self, batch: bfrbench.Batch) -> torch.Tensor:
        return (batch.lq * self.module.weight.item() + self.hidden).clamp(0, 1)


class Forgetful(Network):
    """Part of what it is lies outside its state_dict."""

    secret = True


def host_of(restore: Restore | None = None, target: str = "Made", **spec: Any) -> PluginHost:
    if restore:
        Made.function = staticmethod(restore)
    fields = {"licence": "MIT", "trained_on": (), **spec}
    made = bfrbench.RestorerSpec(id="made", target=f"{__name__}:{target}", summary="s", **fields)
    plugin = SimpleNamespace(bfrbench_restorers=bfrbench.hookimpl(lambda: [made]), __name__="made")
    return PluginHost({"made": plugin})


def verdicts(restore: Restore | None = None, **spec: Any) -> dict[str, str]:
    return {outcome.check: outcome.verdict for outcome in check_restorer("made", host=host_of(restore, **spec))}


def writes_into(batch: Any) -> torch.Tensor:
    out = batch.lq.clone()
    batch.lq.zero_()
    return out


def cropped(batch: Any) -> torch.Tensor:
    return batch.lq[..., 1:].clone()


WRONG: dict[str, Restore] = {
    "keeps-shape": cropped,
    "keeps-range": lambda batch: batch.lq * 2 - 1,
    "keeps-dtype": lambda batch: batch.lq.double().clone(),
    "leaves-input-alone": writes_into,
    "batch-equals-singles": lambda batch: (batch.lq - batch.lq.mean() + 0.5).clamp(0, 1),
    "deterministic": lambda batch: (batch.lq + 0.1 * torch.rand_like(batch.lq)).clamp(0, 1),
}


@pytest.mark.parametrize("check", WRONG)
def test_each_fault_fails_the_check_of_its_name(check: str) -> None:
    assert verdicts(WRONG[check])[check] == "failed"


def test_a_right_restorer_fails_nothing() -> None:
    assert set(verdicts(lambda batch: batch.lq.clone()).values()) <= {"passed", "not applicable"}


def test_nan_is_out_of_range() -> None:
    assert verdicts(lambda batch: batch.lq * float("nan"))["keeps-range"] == "failed"


def test_a_view_of_the_input_is_not_an_answer() -> None:
    assert verdicts(lambda batch: batch.lq[:])["leaves-input-alone"] == "failed"


def test_an_answer_that_depends_on_order_fails() -> None:
    def by_place(batch: Any) -> torch.Tensor:
        places = torch.arange(len(batch.ids)).view(-1, 1, 1, 1)
        return (batch.lq * 0.5 + 0.1 * places).clamp(0, 1)

    assert verdicts(by_place)["batch-equals-singles"] == "failed"


def test_a_size_that_is_not_honoured_fails() -> None:
    def only_64(batch: Any) -> torch.Tensor:
        return torch.nn.functional.interpolate(batch.lq, size=64)

    assert verdicts(only_64)["honours-sizes"] == "failed"


def test_randomness_is_allowed_when_declared() -> None:
    random_one = WRONG["deterministic"]
    assert verdicts(random_one, deterministic=False)["deterministic"] == "not applicable"


def test_weights_without_a_training_set_and_a_vague_licence_fail() -> None:
    said = verdicts(lambda batch: batch.lq.clone(), weights=("gpen-bfr-512",), licence="unknown")
    assert (said["declared-training-sets"], said["declared-licence"]) == ("failed", "failed")


def test_an_expected_failure_is_reported_as_such_and_an_unexpected_pass_is_bad() -> None:
    excuse = {"deterministic": "samples by design"}
    assert verdicts(WRONG["deterministic"], known_failures=excuse)["deterministic"] == "expected failure"
    assert verdicts(lambda batch: batch.lq.clone(), known_failures=excuse)["deterministic"] == "unexpected pass"


def test_an_excuse_for_a_check_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(UnknownName, match="did you mean deterministic"):
        verdicts(lambda batch: batch.lq.clone(), known_failures={"determinstic": "typo"})


@pytest.mark.parametrize(("target", "verdict"), [("Network", "passed"), ("Forgetful", "failed")])
def test_state_that_is_not_all_of_the_state_fails(target: str, verdict: str) -> None:
    assert verdicts(target=target)["state-round-trip"] == verdict


def test_a_check_that_raises_is_a_failure_that_says_so() -> None:
    def broken(batch: Any) -> torch.Tensor:
        raise RuntimeError("out of cheese")

    outcomes = check_restorer("made", checks=["keeps-shape"], host=host_of(broken))
    assert outcomes[0].verdict == "failed" and "out of cheese" in outcomes[0].detail


@pytest.mark.parametrize("ref", ["input", "oracle", "bicubic"])
def test_the_cores_own_restorers_conform(ref: str) -> None:
    assert [outcome for outcome in check_restorer(ref) if not outcome.good] == []


test_one_line_runs_every_check = conformance_test("bicubic")


def test_the_one_line_has_a_case_for_every_check() -> None:
    (mark,) = test_one_line_runs_every_check.pytestmark  # type: ignore[attr-defined]
    assert mark.args[1] == list(CHECKS)
