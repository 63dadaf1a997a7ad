"""The card of a result: what it rests on, its prior too, and that boards say what it says."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bfrbench import digests
from bfrbench.bench.plan import make_plan
from bfrbench.bench.settings import Settings
from bfrbench.bench.stage import open_stage
from bfrbench.errors import UsageError, WeightsError
from bfrbench.training import start
from bfrbench.training.card import read_card
from bfrbench.training.order import Order
from tests.training.conftest import TINY


@pytest.fixture(scope="module")
def stages(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Order]:
    """A prior that saw studio faces, and what is ordered from it on photographs."""
    prior = tmp_path_factory.mktemp("stages") / "prior"
    start.train(Order.of("gpen-prior@32", ["studio-train:64"], sets=[*TINY, "run.images=8"]), prior)
    more = ["run.images=16", "run.checkpoint_every=8", "degradation=vqfr-1@32", f"task.prior={prior}"]
    return prior, Order.of("gpen-finetune@32", [str(photographs)], sets=[*TINY, *more])


def told(weights: Path) -> dict[str, Any]:
    return tomllib.loads(weights.with_suffix(".toml").read_text())


def test_the_card_names_the_prior_its_data_and_their_licences(
    stages: tuple[Path, Order], photographs: Path, tmp_path: Path
) -> None:
    prior, what = stages
    result = start.train(what, tmp_path / "run")
    held = prior / "checkpoints" / "000000000008" / "weights.safetensors"
    assert told(result)["origin"] == {
        "kind": "prior",
        "recipe": "gpen-prior",
        "images": 8,
        "sha256": digests.of_file(held),
    }
    own, others = told(result)["data"]
    assert own["set"] == str(photographs) and "no card" in own["licence"] and "seen_by" not in own
    assert others == {"set": "studio-train:64", "licence": "Apache-2.0", "seen_by": "its origin alone"}


def test_a_resume_needs_no_prior_and_remembers_it(stages: tuple[Path, Order], tmp_path: Path) -> None:
    prior, what = stages
    moved = tmp_path / "prior"
    shutil.copytree(prior, moved)
    recipe = what.recipe.model_copy(update={"task": {**what.recipe.task, "prior": str(moved)}})
    what = Order(recipe, what.target, what.plugin, what.data, what.validation, what.device)
    first = start.train(what, tmp_path / "run")
    card = told(first)
    shutil.rmtree(moved)
    (tmp_path / "run" / "result.toml").unlink()
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "000000000016")
    again = told(start.train(what, tmp_path / "run", resume=True))
    assert again["origin"] == card["origin"] and again["data"] == card["data"]


def test_a_training_starts_from_the_result_of_another_and_says_so(
    stages: tuple[Path, Order], photographs: Path, tmp_path: Path
) -> None:
    first = start.train(stages[1], tmp_path / "first")
    sets = ["run.images=8", "degradation=vqfr-1@32", f"run.weights={first}", "task.lr_encoder=1e-9"]
    sets += ["task.lr_decoder=1e-9", "run.ema_half_life=1e-3"]
    what = Order.of("gpen-finetune@32", [str(photographs)], sets=[*TINY, *sets])
    start.preview(what)
    second = start.train(what, tmp_path / "second")
    before, after = load_file(first), load_file(second)
    assert all(torch.allclose(after[name], value, atol=1e-6) for name, value in before.items())
    origin = told(second)["origin"]
    assert origin["kind"] == "weights" and origin["sha256"] == digests.of_file(first) and origin["images"] == 16
    assert [each["set"] for each in told(second)["data"]] == [str(photographs), "studio-train:64"]
    narrower = Order.of("gpen-finetune@32", [str(photographs)], sets=[*TINY, *sets, "task.narrow=0.06"])
    with pytest.raises(UsageError, match="does not fit this recipe"):
        start.preview(narrower)


def test_boards_know_what_a_trained_file_has_seen(stages: tuple[Path, Order], tmp_path: Path) -> None:
    _, what = stages
    result, stage = start.train(what, tmp_path / "run"), open_stage("studio-ci")

    def restorer(name: str) -> Any:
        return make_plan(name, stage, Settings(out=tmp_path / "score")).spec

    card = read_card(result, sha256=digests.of_file(result))
    assert card is not None and card.data[-1] == "studio-train:64"
    assert restorer(f"gpen:{result}").trained_on == card.data
    bare = tmp_path / "bare.safetensors"
    shutil.copy(result, bare)
    assert restorer(f"gpen:{bare}").trained_on == ("unknown",)
    own = restorer(f"gpen-512:{bare}")  # the file is the user's, not the published one that the plugin tells of
    assert own.trained_on == ("unknown",) and own.loss_networks == ()
    result.with_suffix(".toml").write_text(result.with_suffix(".toml").read_text().replace('sha256 = "', 'sha256 = "0'))
    with pytest.raises(WeightsError, match="card of another file"):
        restorer(f"gpen:{result}")


def test_what_nobody_wrote_down_is_unknown_and_not_nothing(
    stages: tuple[Path, Order], photographs: Path, tmp_path: Path
) -> None:
    """A weights file without a card, and a checkpoint that was copied out of its run, have seen something."""
    bare = tmp_path / "bare.safetensors"
    shutil.copy(start.train(stages[1], tmp_path / "first"), bare)
    sets = [*TINY, "run.images=8", "degradation=vqfr-1@32"]
    what = Order.of("gpen-finetune@32", [str(photographs)], sets=[*sets, f"run.weights={bare}"])
    result = start.train(what, tmp_path / "second")
    assert [each["set"] for each in told(result)["data"]] == [str(photographs), "unknown"]
    board = make_plan(f"gpen:{result}", open_stage("studio-ci"), Settings(out=tmp_path / "score"))
    assert "unknown" in board.spec.trained_on
    copied = tmp_path / "first" / "kept" / "prior-at-the-end"  # in the folder of a run that is not its own
    shutil.copytree(stages[0] / "checkpoints" / "000000000008", copied)
    what = Order.of("gpen-finetune@32", [str(photographs)], sets=[*sets, f"task.prior={copied}"])
    start.preview(what)
    card = told(start.train(what, tmp_path / "third"))
    assert [each["set"] for each in card["data"]] == [str(photographs), "unknown"] and card["origin"]["images"] == 8


def test_a_prior_that_is_still_training_is_named_as_it_was_when_it_was_read(
    stages: tuple[Path, Order], tmp_path: Path
) -> None:
    prior = tmp_path / "prior"
    shutil.copytree(stages[0], prior)
    recipe = stages[1].recipe.model_copy(update={"task": {**stages[1].recipe.task, "prior": str(prior)}})
    what = Order(recipe, stages[1].target, stages[1].plugin, stages[1].data, None, "cpu")
    read = start.build(what, torch.device("cpu")).started_from
    shutil.copytree(prior / "checkpoints" / "000000000008", prior / "checkpoints" / "000000000016")
    assert read is not None and read.name == "000000000008"
    later = start.build(what, torch.device("cpu")).started_from
    assert later is not None and later.name == "000000000016"


def test_a_prior_hands_on_what_it_rests_on_itself(photographs: Path, tmp_path: Path) -> None:
    """Its own start from other weights, and the sets that it was changed from."""
    tiny = [*TINY, "run.images=8", "run.checkpoint_every=4"]
    first = start.train(Order.of("gpen-prior@32", ["studio-train:64"], sets=tiny), tmp_path / "first")
    more = [*tiny, f"run.weights={first}"]
    start.train(Order.of("gpen-prior@32", ["studio-ci"], sets=more), tmp_path / "prior")
    longer = Order.of("gpen-prior@32", [str(photographs)], sets=[*more, "run.images=12"])
    result = start.train(longer, tmp_path / "prior", resume=True, change=True)
    assert [each["set"] for each in told(result)["data"]] == [str(photographs), "studio-ci", "studio-train:64"]
    sets = [*tiny, "degradation=vqfr-1@32", f"task.prior={tmp_path / 'prior'}"]
    last = start.train(Order.of("gpen-finetune@32", ["studio-test"], sets=sets), tmp_path / "last")
    seen = [each["set"] for each in told(last)["data"]]
    assert seen == ["studio-test", str(photographs), "studio-ci", "studio-train:64"]


def test_a_card_of_another_file_is_found_out_by_the_dry_run_and_a_converted_file_has_none(
    stages: tuple[Path, Order], photographs: Path, tmp_path: Path
) -> None:
    first = start.train(stages[1], tmp_path / "first")
    converted = first.with_suffix(".pth")
    torch.save(load_file(first), converted)
    assert read_card(converted, sha256=digests.of_file(converted)) is None
    card = first.with_suffix(".toml")
    card.write_text(card.read_text().replace('sha256 = "', 'sha256 = "0', 1))
    what = Order.of("gpen-finetune@32", [str(photographs)], sets=[*TINY, f"run.weights={first}"])
    with pytest.raises(WeightsError, match="card of another file"):
        start.preview(what)
