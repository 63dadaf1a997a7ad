"""Metrics that fail lose the images on which they do; everything else is measured as if they had not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bfrbench.bench import rowtable
from bfrbench.bench.checking import read_rows
from bfrbench.bench.lenient import Lenient
from bfrbench.bench.plan import make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.scorecard import Scorecard
from bfrbench.bench.settings import Settings
from bfrbench.cli.run import _refuse_failed
from bfrbench.contracts import Row, Scored
from bfrbench.errors import BfrbenchError, InputError, TooLittleMeasured, WeightsError
from tests.bench.judges import protocol_file
from tests.bench.noise import noise_stage

COUNT = 20


def run(
    folder: Path, *, restorer: str = "bicubic", max_failures: float = 0.5, **judges: dict[str, object]
) -> Scorecard:
    folder.mkdir()
    stage = noise_stage(COUNT, protocol=str(protocol_file(folder, **judges)), max_failures=max_failures)
    plan = make_plan(restorer, stage, Settings(out=folder / "run", threads=1, in_process=True))
    card = execute(plan)
    _refuse_failed(card, plan)
    return card


def values(folder: Path, name: str) -> dict[str, float | None]:
    return {row.id: row.value for row in rowtable.rows_of(read_rows(folder / "run"), name)}


def test_a_metric_that_raises_loses_the_images_on_which_it_does(
    tmp_path: Path, faulty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = run(tmp_path / "sound", judge={})
    card = run(tmp_path / "hurt", judge={"raises": "hurt"})
    judge = card.results.metrics["judge"]
    assert (judge.n, judge.failed) == (COUNT - 2, {"error": 2})
    assert card.results.failures == {} and card.results.status == "complete"
    assert card.results.metrics["probe-level"] == sound.results.metrics["probe-level"]
    whole, kept = values(tmp_path / "sound", "judge"), values(tmp_path / "hurt", "judge")
    assert {name for name, value in kept.items() if value is None} == {"noise-000003", "noise-000013"}
    fine = {name: value for name, value in kept.items() if value is not None}
    assert fine == pytest.approx({name: whole[name] for name in fine}, rel=1e-6)
    alone = "metric judge raised on image 'noise-000003': IndexError: no such landmark"
    assert alone in card.observed.notes
    assert capsys.readouterr().err.count("count as `error` in it") == 1, "said once, when it happens first"


def test_a_metric_that_always_raises_fails_the_scorecard_and_leaves_the_others(tmp_path: Path, faulty: Path) -> None:
    sound = run(tmp_path / "sound", judge={})
    with pytest.raises(TooLittleMeasured, match=r"20 of 20 images failed \(judge raised on 20\).*mend the metric"):
        run(tmp_path / "run", judge={"raises": "always"})
    from bfrbench.bench import scorecard

    card = scorecard.read(tmp_path / "run" / "run")
    assert card.results.status == "failed"
    assert card.results.metrics["judge"].value is None
    assert card.results.metrics["probe-level"] == sound.results.metrics["probe-level"]


@pytest.mark.parametrize(
    ("raises", "said"),
    [
        ("always", r"20 of 20 images failed \(2 nan, judge raised on 18\).*; mend the metric \(metric judge raised"),
        ("never", r"2 of 20 images failed \(2 nan\) .*; mend the restorer \(noise-000003\)"),
    ],
)
def test_what_lost_more_images_is_what_is_to_be_mended(raises: str, said: str, tmp_path: Path, faulty: Path) -> None:
    with pytest.raises(TooLittleMeasured, match=said):
        run(tmp_path / "run", restorer="faulty-nan", max_failures=0.05, judge={"raises": raises})


def test_a_metric_that_raises_on_batches_only_loses_no_image(tmp_path: Path, faulty: Path) -> None:
    sound = run(tmp_path / "sound", judge={})
    card = run(tmp_path / "run", judge={"raises": "together"})
    assert card.results.metrics["judge"].n == COUNT
    assert card.results.metrics["judge"].value == pytest.approx(sound.results.metrics["judge"].value, rel=1e-6)
    assert any("4 images from" in note and "one by one" in note for note in card.observed.notes)


def test_scoring_that_does_not_fit_into_memory_is_halved_and_that_is_recorded(tmp_path: Path, faulty: Path) -> None:
    sound = run(tmp_path / "sound", judge={})
    card = run(tmp_path / "run", judge={"holds": 2})
    for name, result in card.results.metrics.items():
        assert result.n == COUNT and result.failed == {}
        assert result.value == pytest.approx(sound.results.metrics[name].value, rel=1e-5, abs=1e-7)
    assert [note for note in card.observed.notes if "memory" in note] == [
        "scoring 4 images at once does not fit into memory; halved"
    ]


def test_an_image_that_does_not_fit_alone_is_an_error_of_that_metric(tmp_path: Path, faulty: Path) -> None:
    with pytest.raises(TooLittleMeasured, match="judge raised on 20"):
        run(tmp_path / "run", judge={"holds": 0})


def test_a_gpu_that_is_lost_ends_the_run_with_a_sentence(tmp_path: Path, faulty: Path) -> None:
    with pytest.raises(BfrbenchError, match=r"the device failed \(.*illegal memory access.*; start the run again"):
        run(tmp_path / "run", judge={"raises": "lost"})
    assert not list((tmp_path / "run").rglob("shard-*")), "no image is at fault"


class Raising:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def rows(self, batch: Scored) -> list[Row]:
        raise self.error


@pytest.mark.parametrize("error", [WeightsError("no file", "get it"), torch.AcceleratorError("illegal access")])
def test_what_is_no_images_fault_ends_the_run(error: Exception) -> None:
    with pytest.raises(type(error)):
        Lenient("judge", Raising(error)).rows(Scored(("a", "b"), None, torch.zeros(2, 3, 4, 4)))


def test_an_input_error_is_one_of_its_image() -> None:
    measure = Lenient("judge", Raising(InputError("its points lie on one spot", "leave it out")))
    rows = measure.rows(Scored(("a", "b"), None, torch.zeros(2, 3, 4, 4)))
    assert [(row.id, row.status) for row in rows] == [("a", "error"), ("b", "error")]


def test_rows_of_other_images_are_not_believed() -> None:
    class Short:
        def rows(self, batch: Scored) -> list[Row]:
            return [Row(name, value=1.0) for name in batch.ids[:1]]

    rows = Lenient("judge", Short()).rows(Scored(("a", "b"), None, torch.zeros(2, 3, 4, 4)))
    assert [row.id for row in rows] == ["a", "b"], "a batch that comes back short is measured one by one"
