"""The recipe lite-metrics: its labels, its losses, and one short training whose result the metrics read."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bfrbench.contracts import Sample
from bfrbench.embedded.labels import FaceLabels
from bfrbench.embedded.network import SIDE, load, seen
from bfrbench.embedded.training import LiteMetrics, damage, known_distance, tied
from bfrbench.errors import InputError, UsageError
from bfrbench.studio import split
from bfrbench.training.config import RunConfig
from bfrbench.training.feeding import Faceset, Feed, Pairs
from bfrbench.training.order import Order
from bfrbench.training.ranks import Ranks
from bfrbench.training.sampler import Place
from bfrbench.training.start import train
from bfrbench.training.task import TaskContext

CPU = torch.device("cpu")
SHORT = [
    *("run.images=64", "run.batch=16", "run.workers=0", "run.log_every=16", "run.checkpoint_every=64"),
    *("run.ema_half_life=8", "task.people=32"),
]


def test_labels_number_people_across_sets_and_follow_each_picture_into_workers() -> None:
    sets = [split("studio-ci", size=SIDE, count=4), split("studio-test", size=SIDE, count=3)]
    labels = FaceLabels(sets)
    assert [list(numbers) for numbers in labels.people] == [[0, 1, 2, 3], [4, 5, 6]]
    faces = Faceset(sets, [0.5, 0.5], size=SIDE, seed=0, flip=True, names=["a", "b"])
    pairs = Pairs(faces, None, 0, apply=True, labeller=labels)
    ((_, batch, _),) = next(Feed(pairs, RunConfig(images=1, batch=6, workers=1), Ranks(), CPU)(0))
    for n in range(6):
        place = faces.sampler[n]
        sample, side = sets[place.source][place.position], -1 if faces.mirrored(n) else 1
        assert batch.labels["person"][n] == labels.people[place.source][place.position]
        assert batch.labels["pose"][n].tolist() == pytest.approx([side * sample.pose.yaw, sample.pose.pitch], abs=1e-4)
    assert {faces.mirrored(n) for n in range(6)} == {True, False}


def test_the_same_person_has_one_number_and_nobody_has_none(tmp_path: Path) -> None:
    from bfrbench.data import open_dataset
    from bfrbench.imaging.write import write_image

    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    twice = split("studio-ci", size=SIDE, count=33)  # 32 people take turns
    labels = FaceLabels([twice, open_dataset(str(tmp_path))])
    assert labels.people[0][32] == labels.people[0][0] and len(set(labels.people[0])) == 32
    assert labels.people[1].tolist() == [-1, -1]


def test_the_other_picture_is_of_the_same_person_and_changes_from_epoch_to_epoch() -> None:
    people = split("studio-pose", size=SIDE, count=40)  # ten people, four poses each
    labels = FaceLabels([people])
    shown = set()
    for epoch in range(12):
        found = labels(people[3], Place(0, 3, epoch), mirrored=False)
        yaw, pitch = found["other-pose"].tolist()
        shown.add((abs(yaw), pitch))
        again = labels(people[3], Place(0, 3, epoch), mirrored=False)
        assert np.array_equal(found["other"], again["other"])
    poses = {(abs(people[at].pose.yaw), people[at].pose.pitch) for at in (13, 23, 33)}  # type: ignore[union-attr]
    assert len(poses) == 3 and shown == poses


def test_a_person_of_one_picture_is_its_own_other(tmp_path: Path) -> None:
    people = split("studio-ci", size=SIDE, count=4)
    labels = FaceLabels([people])
    found = [labels(people[1], Place(0, 1, epoch), mirrored=False) for epoch in range(8)]
    flipped = [np.array_equal(one["other"], people[1].image[:, ::-1]) for one in found]
    whole = [np.array_equal(one["other"], people[1].image) for one in found]
    assert any(flipped) and any(whole) and all(a != b for a, b in zip(flipped, whole, strict=True))


def test_another_picture_that_cannot_be_read_gives_way_to_the_picture_itself() -> None:
    class AllBad:
        ref = "studio-ci"

        def __getitem__(self, position: int) -> Sample:
            raise InputError("it cannot be read", "replace it")

    twice = split("studio-ci", size=SIDE, count=33)
    labels = FaceLabels([twice])
    labels.sets = [AllBad()]  # type: ignore[list-item]
    found = labels(twice[0], Place(0, 0, 0), mirrored=False)
    assert any(np.array_equal(found["other"], twice[0].image[:, ::way]) for way in (1, -1))


def test_two_views_are_tied_by_cross_entropy_and_a_person_is_no_counter_example_to_itself() -> None:
    torch.manual_seed(0)
    embedded = F.normalize(torch.randn(8, 5))
    first, second = embedded.chunk(2)
    alone = tied(embedded, torch.tensor([0, 1, 2, -1]), 0.1)
    rows = [
        -math.log(math.exp(float(a[i] @ b[i]) / 0.1) / sum(math.exp(float(a[i] @ other) / 0.1) for other in b))
        for a, b in ((first, second), (second, first))
        for i in range(4)
    ]
    assert float(alone) == pytest.approx(sum(rows) / 8, rel=1e-5)
    assert tied(embedded, torch.tensor([0, 0, 2, 3]), 0.1) < alone
    assert torch.equal(tied(embedded, torch.tensor([-1, -1, -1, -1]), 0.1), alone)


def test_unknown_labels_count_for_nothing() -> None:
    guess = torch.tensor([[1.0, 5.0]], requires_grad=True)
    known_distance(guess, torch.tensor([[0.5, float("nan")]])).backward()
    assert guess.grad is not None and guess.grad[0, 0] != 0 and guess.grad[0, 1] == 0
    assert known_distance(guess, torch.full((1, 2), float("nan"))) == 0


def test_damage_is_nothing_for_the_truth_and_grows_with_the_error() -> None:
    gt = torch.zeros(3, 3, 8, 8)
    errors = torch.tensor([0.0, 7.0, 31.0]).view(3, 1, 1, 1) / 127.5
    assert damage(gt, gt + errors).tolist() == pytest.approx([0, 0.6, 1], abs=1e-5)


def test_another_size_is_refused() -> None:
    with pytest.raises(UsageError, match="sees 128 px"):
        LiteMetrics(TaskContext(64, {"people": 4}, CPU, 4, 8))


def test_a_result_without_what_training_needs_is_no_start(tmp_path: Path) -> None:
    what = Order.of("lite-metrics", ["studio-ci:128"], sets=[*SHORT, f"run.weights={tmp_path / 'result.safetensors'}"])
    with pytest.raises(UsageError, match=r"none can go on from it.*--resume"):
        train(what, tmp_path / "run")


def test_a_short_training_learns_and_writes_what_the_metrics_read(tmp_path: Path) -> None:
    what = Order.of("lite-metrics", ["studio-ci:128"], sets=SHORT)
    result = train(what, tmp_path / "run")
    network = load(result)
    images = np.stack([sample.image for sample in split("studio-ci", size=SIDE, count=4)])
    faces = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    embedded = network.embed(network.layers(seen(faces)))
    assert embedded.isfinite().all() and (embedded @ embedded.T).min() < 0.999
    assert result.stat().st_size < 4_000_000
    assert all(value.dtype == torch.float16 for value in _tensors(result).values())


@pytest.mark.slow
def test_people_seen_often_are_told_apart_after_a_longer_training(tmp_path: Path) -> None:
    longer = [*SHORT, "run.images=4096", "run.checkpoint_every=4096", "run.ema_half_life=256", "run.cache=ram"]
    result = train(Order.of("lite-metrics", ["studio-ci:128"], sets=longer), tmp_path / "run")
    network = load(result)
    images = np.stack([sample.image for sample in split("studio-ci", size=SIDE)])  # two pictures of each of 32
    faces = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    embedded = network.embed(network.layers(seen(faces)))
    likeness = embedded[:32] @ embedded[32:].T
    assert likeness.diagonal().mean() > likeness.mean() + 0.3


def test_the_recipe_can_be_looked_at_from_the_command_line() -> None:
    command = [sys.executable, "-m", "bfrbench", "train", "lite-metrics", "--data", "studio-ci:128", "--out", "x"]
    found = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True)
    assert '"degradation": "lite@128"' in found.stdout


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)
