"""The loop: guards, schedules, averages, precision, validation, events, and that it learns."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import bfrbench
from bfrbench.errors import ConfigError, Diverged, InputError, UsageError, WeightsError
from bfrbench.imaging.read import read_image
from bfrbench.plugins import PluginHost
from bfrbench.training import checkpoint, start
from bfrbench.training.augment import LIMIT, Augment
from bfrbench.training.config import Augmentation
from bfrbench.training.ema import Average
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order
from bfrbench.training.plot import draw
from bfrbench.training.task import Faces
from tests.training.conftest import TINY

PAIRS = [*TINY, "run.images=32", "degradation=vqfr-1@32", "task.r1_every=2", "task.prior=none"]


def order(photographs: Path, recipe: str, *more: str, validation: bool = False) -> Order:
    faces = str(photographs)
    return Order.of(recipe, [faces], sets=[*PAIRS, *more], validation=faces if validation else None)


def test_a_restorer_is_trained_validated_shown_and_used(photographs: Path, tmp_path: Path) -> None:
    more = ("run.validate_every=16", "run.validation_images=4", "run.sample_every=32", "run.samples=3")
    what = order(photographs, "gpen-code@32", "task.identity=0", *more, validation=True)
    result = start.train(what, tmp_path / "run")
    scored = [line for line in read_stats(tmp_path / "run") if "validation/psnr" in line]
    assert [line["images"] for line in scored] == [16, 32]
    assert read_image(tmp_path / "run" / "samples" / "000000000032.png").shape == (3 * 32, 3 * 32, 3)
    photo = read_image(photographs / "00.png")
    assert bfrbench.load_restorer(f"gpen:{result}")(photo).shape == photo.shape
    card = result.with_suffix(".toml").read_text()
    assert 'recipe = "gpen-code"' in card and "images = 32" in card
    assert draw(tmp_path / "run").read_text().count("<svg") == 1


def test_the_second_stage_starts_from_the_firsts_average_and_discriminator(photographs: Path, tmp_path: Path) -> None:
    prior = Order.of("gpen-prior@32", [str(photographs)], sets=[*TINY, "run.images=8"])
    start.train(prior, tmp_path / "prior")
    what = order(photographs, "gpen-finetune@32", f"task.prior={tmp_path / 'prior'}")
    task: Any = start.build(what, torch.device("cpu"))
    from safetensors.torch import load_file

    held = load_file(tmp_path / "prior" / "checkpoints" / "000000000008" / "weights.safetensors")
    for part, network in (("average", task.gpen.generator), ("discriminator", task.networks["discriminator"])):
        for name, value in network.state_dict().items():
            assert torch.equal(value, held[f"{part}/{name}"]), f"{part}/{name}"


def test_a_prior_of_another_form_does_not_fit_and_says_so(photographs: Path, tmp_path: Path) -> None:
    start.train(Order.of("gpen-prior@32", [str(photographs)], sets=[*TINY, "run.images=8"]), tmp_path / "prior")
    what = order(photographs, "gpen-finetune@32", f"task.prior={tmp_path / 'prior'}", "task.variant=without-noise")
    with pytest.raises(UsageError, match="does not fit this recipe"):
        start.train(what, tmp_path / "run")
    with pytest.raises(InputError, match="holds no checkpoint; give a run of gpen-prior"):
        start.train(order(photographs, "gpen-finetune@32", f"task.prior={tmp_path}"), tmp_path / "other")


def test_a_size_that_no_network_has_is_refused(photographs: Path) -> None:
    for size in (16, 48):
        with pytest.raises(UsageError, match=rf"powers of two from 32, not {size}"):
            start.preview(order(photographs, f"gpen-finetune@{size}", f"degradation=vqfr-1@{size}"))


def test_without_finetuning_the_prior_stays_as_it_was_embedded(photographs: Path, tmp_path: Path) -> None:
    what = order(photographs, "gpen-finetune@32", "task.variant=without-finetuning")
    before: Any = start.build(what, torch.device("cpu"))
    from safetensors.torch import load_file

    after = load_file(start.train(what, tmp_path / "run"))
    moved = {name for name, value in before.gpen.state_dict().items() if not torch.equal(value, after[name])}
    assert moved and all(name.startswith(("ecd", "final_linear")) for name in moved)


def test_the_discriminator_rests_until_its_images_have_come_also_over_a_resume(
    photographs: Path, tmp_path: Path
) -> None:
    words = ("task.judged_from=16", "run.log_every=8", "run.checkpoint_every=8")
    what = order(photographs, "gpen-finetune@32", *words, "run.images=24")
    start.train(order(photographs, "gpen-finetune@32", *words, "run.images=16"), tmp_path / "run")
    start.train(what, tmp_path / "run", resume=True)
    judged = {line["images"]: "restorer/adversarial" in line for line in read_stats(tmp_path / "run")}
    assert judged == {8: False, 16: False, 24: True}
    assert all(("discriminator/logistic" in line) == judged[line["images"]] for line in read_stats(tmp_path / "run"))
    whole = start.train(what, tmp_path / "whole")
    assert whole.read_bytes() == (tmp_path / "run" / "result.safetensors").read_bytes()


@pytest.mark.parametrize("precision", ["bfloat16"])
def test_half_precision_trains(photographs: Path, tmp_path: Path, precision: str) -> None:
    what = order(photographs, "gpen-finetune@32", f"run.precision={precision}", "task.path_weight=2.0")
    start.train(what, tmp_path / "run")
    assert all(math.isfinite(line["restorer/l1"]) for line in read_stats(tmp_path / "run"))


def test_a_rate_that_explodes_ends_with_a_sentence_and_keeps_the_checkpoint(photographs: Path, tmp_path: Path) -> None:
    start.train(order(photographs, "gpen-finetune@32", "run.images=16"), tmp_path / "run")
    what = order(
        photographs,
        "gpen-finetune@32",
        "run.images=400",
        "run.bad_steps=3",
        "run.checkpoint_every=8",
        "task.lr_encoder=1e38",
    )
    with pytest.raises(
        Diverged, match=r"3 steps running gave NaN.*resume from 0+(16|24) images \(--resume --change\) with a lower"
    ):
        start.train(what, tmp_path / "run", resume=True, change=True)
    assert all(int(place.name) < 32 for place in checkpoint.all_of(tmp_path / "run"))


def test_an_identity_loss_without_its_network_is_an_error_never_a_random_one(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="arcface-ir-se50"):
        start.train(order(photographs, "gpen-code@32"), tmp_path / "run")


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("run.bacth=8", "did you mean batch"),
        ("run.batch=0", "greater than 0"),
        ("task.narow=1", "did you mean narrow"),
        ("task.variant=fulll", "full"),
        ("nonsense", "not written key=value"),
    ],
)
def test_a_setting_that_is_wrong_is_named_before_anything_starts(photographs: Path, word: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        order(photographs, "gpen-finetune@32", word)


@pytest.mark.parametrize(
    ("recipe", "degradation"),
    [
        ("gpen-finetune", "gpen-paper@512"),
        ("gpen-finetune@128", "gpen-paper@128"),
        ("gpen-finetune@1024", "gpen-paper@1024"),
        ("gpen-code@512", "gpen-code@512"),
        ("gpen-sr@64", "sr-x8@512"),
        ("mmrb@1024", "gfpgan@1024"),
    ],
)
def test_a_recipe_degrades_for_the_size_it_trains_and_by_a_factor_at_every_size(recipe: str, degradation: str) -> None:
    assert Order.of(recipe, ["studio-ci"]).recipe.degradation == degradation
    assert Order.of(recipe, ["studio-ci"], sets=["degradation=vqfr-1"]).recipe.degradation == "vqfr-1"


@pytest.mark.parametrize("recipe", ["gpen-finetune@32", "gpen-sr@32", "mmrb@32", "gpen-mmrb@32"])
def test_a_restorer_without_its_prior_is_refused_unless_none_is_wanted(
    recipe: str, photographs: Path, tmp_path: Path
) -> None:
    sets = [*TINY, "task.perceptual=0"]
    with pytest.raises(UsageError, match=r"starts from a prior, and none is given.*task\.prior=RUN"):
        start.train(Order.of(recipe, [str(photographs)], sets=sets), tmp_path / "run")
    start.preview(Order.of(recipe, [str(photographs)], sets=[*sets, "task.prior=none"]))


def test_no_data_and_an_empty_folder_are_said(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no data set is given"):
        Order.of("gpen-finetune@32", [])
    (tmp_path / "empty").mkdir()
    with pytest.raises((InputError, UsageError), match=r"empty|no image"):
        start.train(Order.of("stylegan2-prior@16", [str(tmp_path / "empty")], sets=TINY), tmp_path / "run")


def test_a_recipe_file_with_an_unknown_key_is_a_config_error(tmp_path: Path, photographs: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[run]\nimagse = 3\n")
    with pytest.raises(ConfigError, match=r"run\.imagse.*did you mean images"):
        Order.of("gpen-finetune@32", [str(photographs)], files=[file])


def test_trackers_hear_of_start_stats_and_end(photographs: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    listener = SimpleNamespace(
        bfrbench_on_event=bfrbench.hookimpl(lambda event: heard.append(event["event"])), __name__="listener"
    )
    what = Order.of("stylegan2-prior@16", [str(photographs)], sets=[*TINY, "run.images=16"])
    start.train(what, tmp_path / "run", host=PluginHost({"listener": listener}))
    assert heard[0] == "started" and heard[-1] == "finished" and heard.count("stats") == 2


def test_the_average_is_half_old_after_its_half_life() -> None:
    old, new = nn.Linear(1, 1), nn.Linear(1, 1)
    average = Average(old, half_life=100)
    for _ in range(10):
        average.follow(new, batch=10, images=10**9)
    wanted = (old.weight + new.weight) / 2
    assert torch.allclose(average.network.weight, wanted, atol=1e-6)


def test_ada_grows_while_the_discriminator_is_sure_and_never_past_its_limit() -> None:
    augment = Augment("ada")
    augment.adapt(1.0, 50_000)
    assert augment.strength == pytest.approx(0.1)
    augment.adapt(0.0, 25_000)
    assert augment.strength == pytest.approx(0.05)
    for _ in range(100):
        augment.adapt(1.0, 50_000)
    assert augment.strength == LIMIT


@pytest.mark.parametrize("kind", ["ada", "diffaugment"])
def test_augmentations_keep_shape_pass_gradients_and_treat_each_image_by_itself(kind: Any) -> None:
    torch.manual_seed(0)
    images = torch.rand(6, 3, 16, 16, requires_grad=True)
    out = Augment(kind, strength=0.8)(images)
    assert out.shape == images.shape and bool(out.isfinite().all())
    (gradient,) = torch.autograd.grad(out[2].sum(), images)
    touched = [index for index in range(6) if gradient[index].abs().sum() > 0]
    assert touched == [2]


def test_ada_without_strength_changes_nothing() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(Augment("ada", strength=0.0)(images), images)


BY_HEART: dict[str, list[str]] = {
    "gpen-finetune@64": ["degradation=vqfr-1@64"],
    "gpen-code@64": ["degradation=vqfr-1@64", "task.identity=0", "task.path_weight=0"],
    "gpen-colorize@64": [],
    "gpen-inpaint@64": [],
    "gpen-sr@64": [],
    "gpen-mmrb@64": ["degradation=vqfr-1@64"],
}
"""Recipes of GPEN that learn pairs, and what they do without here. Of photographs there are no parsing maps."""


@pytest.mark.parametrize("kind", ["ada", "diffaugment"])
def test_augmentations_are_the_same_under_autocast(kind: Augmentation) -> None:
    """Places in bfloat16 are off by half a pixel of a picture of 512."""
    images = torch.rand(2, 3, 512, 512) * 2 - 1
    torch.manual_seed(0)
    exact = Augment(kind, strength=0.5)(images)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(Augment(kind, strength=0.5)(images), exact)


def test_without_an_adversary_no_untaught_discriminator_judges(photographs: Path) -> None:
    what = order(photographs, "gpen-finetune@32", "task.adversarial=0")
    task = start.build(what, torch.device("cpu"))
    faces = Faces(torch.zeros(2, 3, 32, 32), torch.zeros(2, 3, 32, 32))
    (phase,) = task.phases()
    assert set(phase.loss(faces)) == {"l1"}


def test_a_prior_of_another_shape_is_refused_by_what_differs(photographs: Path, tmp_path: Path) -> None:
    prior = Order.of("gpen-prior@32", [str(photographs)], sets=[*TINY, "run.images=8"])
    start.train(prior, tmp_path / "prior")
    more = (f"task.prior={tmp_path / 'prior'}", "task.narrow=0.06", "task.multiplier=1")
    with pytest.raises(UsageError, match=r"has multiplier 2, narrow 0.03, and this recipe multiplier 1, narrow 0.06"):
        start.preview(order(photographs, "gpen-finetune@32", *more))
    with pytest.raises(UsageError, match=r"has size 32, and this recipe size 64; train gpen-prior@64"):
        words = ["degradation=vqfr-1@64", f"task.prior={tmp_path / 'prior'}"]
        start.preview(order(photographs, "gpen-finetune@64", *words))


@pytest.mark.parametrize(("size", "more"), [(60, ""), (32, "task.narrow=0.0001")])
def test_a_prior_that_cannot_be_is_a_sentence(size: int, more: str, photographs: Path) -> None:
    with pytest.raises(UsageError, match="there is no such network"):
        start.preview(Order.of(f"gpen-prior@{size}", [str(photographs)], sets=[more] if more else []))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("recipe", BY_HEART)
def test_eight_faces_are_learnt_by_heart(recipe: str, photographs: Path, tmp_path: Path) -> None:
    """The pixel loss falls below a quarter of its start."""
    settings = [
        "run.images=2400",
        "run.batch=8",
        "run.workers=2",
        "run.log_every=80",
        "run.flip=false",
        "run.checkpoint_every=100000",
        "run.validate_every=100000",
        "run.sample_every=100000",
        "task.narrow=0.125",
        "task.lr_encoder=2e-3",
        "task.lr_decoder=2e-3",
        "task.lr_discriminator=2e-4",
        "task.adversarial=0.01",
        "task.prior=none",
        *BY_HEART[recipe],
    ]
    eight = tmp_path / "eight"
    eight.mkdir()
    for path in sorted(photographs.iterdir())[:8]:
        (eight / path.name).write_bytes(path.read_bytes())
    start.train(Order.of(recipe, [str(eight)], sets=settings), tmp_path / "run")
    name = "restorer/smooth-l1" if "code" in recipe else "restorer/l1"
    course = [line[name] for line in read_stats(tmp_path / "run")]
    assert min(course[-5:]) < 0.25 * course[0], course
