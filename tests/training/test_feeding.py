"""The order of images and their pairs: fixed by seed and number, whatever workers, processes and moments."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data._utils.pin_memory import pin_memory

from bfrbench.contracts import Sample
from bfrbench.data import open_dataset
from bfrbench.degradations import load_recipe
from bfrbench.errors import InputError, OutputError, UsageError
from bfrbench.imaging.write import write_image
from bfrbench.studio import split
from bfrbench.training.config import RunConfig
from bfrbench.training.feeding import Faceset, Feed, Micro, Pairs, mirrored, signed
from bfrbench.training.ranks import Ranks
from bfrbench.training.sampler import Place, Sampler

CPU = torch.device("cpu")


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(0, 5), st.integers(0, 3))
def test_each_epoch_shows_every_image_once(length: int, seed: int, epoch: int) -> None:
    sampler = Sampler([length], [1.0], seed)
    places = [sampler[n] for n in range(epoch * length, (epoch + 1) * length)]
    assert sorted(place.position for place in places) == list(range(length))
    assert {place.epoch for place in places} == {epoch}


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    def walk(seed: int, epoch: int) -> list[int]:
        sampler = Sampler([100], [1.0], seed)
        return [sampler[n].position for n in range(epoch * 100, epoch * 100 + 100)]

    assert walk(0, 0) == walk(0, 0)
    assert len({tuple(walk(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.floats(0.05, 1)), min_size=2, max_size=4))
def test_several_sets_take_turns_by_their_shares_and_each_is_walked_whole(sets: list[tuple[int, float]]) -> None:
    lengths, shares = [length for length, _ in sets], [share for _, share in sets]
    sampler = Sampler(lengths, shares, 0)
    places = [sampler[n] for n in range(2000)]
    for source, length in enumerate(lengths):
        own = [place for place in places if place.source == source]
        assert abs(len(own) / 2000 - shares[source] / sum(shares)) < 0.01
        counts = Counter(place.position for place in own[: len(own) // length * length])
        assert len(set(counts.values())) <= 1


@pytest.mark.parametrize(
    ("lengths", "shares", "words"),
    [([0], [1.0], "empty"), ([1], [0.0], "leaves a data set out"), ([1, 1], [1.0], "1 shares for 2"), ([], [], "0 sh")],
)
def test_sets_that_cannot_be_ordered_are_refused(lengths: list[int], shares: list[float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Sampler(lengths, shares, 0)


def micro_batches(
    folder: Path, *, workers: int, start: int = 0, ranks: Ranks | None = None, **run: int
) -> list[torch.Tensor]:
    config = RunConfig(images=1, batch=4, workers=workers, **run)
    samples = open_dataset(str(folder))
    faces = Faceset([samples], [1.0], size=32, seed=3, flip=True, names=["photographs"])
    feed = Feed(Pairs(faces, load_recipe("vqfr-1@32"), 2, apply=True), config, ranks or Ranks(), CPU)
    steps = feed(start)
    out = []
    for _ in range(4):
        for _, batch, _ in next(steps):
            out.append(torch.cat([batch.gt, batch.lq, batch.second], dim=1))  # type: ignore[list-item]
    return out


def test_workers_change_nothing(photographs: Path) -> None:
    alone, helped = (micro_batches(photographs, workers=count) for count in (0, 2))
    assert all(torch.equal(a, b) for a, b in zip(alone, helped, strict=True))


def test_starting_later_continues_the_same_sequence(photographs: Path) -> None:
    whole = micro_batches(photographs, workers=0)
    assert torch.equal(micro_batches(photographs, workers=0, start=8)[0], whole[2])


def test_two_processes_share_what_one_would_see(photographs: Path) -> None:
    whole = micro_batches(photographs, workers=0, micro_batch=2)
    parts = [micro_batches(photographs, workers=0, ranks=Ranks(rank, 2)) for rank in range(2)]
    assert all(torch.equal(whole[2 * step + rank], parts[rank][step]) for step in range(4) for rank in range(2))


def test_the_two_views_of_a_face_differ_and_epochs_bring_new_ones(photographs: Path) -> None:
    first = micro_batches(photographs, workers=0)[0]
    assert not torch.equal(first[:, 3:6], first[:, 6:9])
    again = micro_batches(photographs, workers=0, start=12)
    assert not any(torch.equal(first[:, 3:6], later[:, 3:6]) for later in again)


def test_the_cache_changes_nothing(photographs: Path, tmp_path: Path) -> None:
    faces = Faceset([open_dataset(str(photographs))], [1.0], size=32, seed=0, flip=False, names=["photographs"])
    plain = [faces.read(faces.sampler[n]).image.copy() for n in range(12)]
    for where in (None, tmp_path / "cache"):
        faces.keep(where, Ranks())
        assert all(np.array_equal(faces.read(faces.sampler[n]).image, plain[n]) for n in range(12))


def test_degrading_on_the_device_gives_nearly_the_same_pairs(photographs: Path) -> None:
    faces = Faceset([open_dataset(str(photographs))], [1.0], size=32, seed=0, flip=True, names=["photographs"])
    config, recipe = RunConfig(images=1, batch=8, workers=0), load_recipe("vqfr-1@32")
    batches = [
        next(Feed(Pairs(faces, recipe, 1, apply=apply), config, Ranks(), CPU)(0))[0][1] for apply in (True, False)
    ]
    assert torch.equal(batches[0].gt, batches[1].gt)
    error = (batches[0].lq - batches[1].lq).square().mean()  # type: ignore[operator]
    assert 10 * torch.log10(4 / error) > 35


@pytest.mark.parametrize("kind", ["ram", "disk"])
def test_a_cache_serves_workers_and_names_what_cannot_be_read_when_its_turn_comes(
    photographs: Path, tmp_path: Path, kind: str
) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(photographs, copied)
    (copied / "05.png").write_bytes(b"not an image")
    faces = Faceset([open_dataset(str(copied))], [1.0], size=32, seed=0, flip=False, names=["photographs"])
    before = [faces.read(faces.sampler[n]).image for n in range(12) if "05" not in faces.id_of(faces.sampler[n])]
    faces.keep(tmp_path / "cache" if kind == "disk" else None, Ranks())
    feed = Feed(Pairs(faces, None, 0, apply=True), RunConfig(images=1, batch=12, workers=1), Ranks(), CPU)
    ((_, batch, names),) = next(feed(0))
    assert len(names) == 1 and "05" in names[0]
    shown = signed(torch.from_numpy(np.stack(before)).permute(0, 3, 1, 2))
    own = [n for n in range(12) if "05" not in faces.id_of(faces.sampler[n])]
    assert torch.equal(batch.gt[own], shown)


def test_a_cache_that_finds_no_room_says_so(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    faces = Faceset([open_dataset(str(photographs))], [1.0], size=32, seed=0, flip=False, names=["photographs"])
    with pytest.raises(OutputError, match=r"the cache .*cannot be written .*run\.cache"):
        faces.keep(tmp_path / "cache", Ranks())


def test_an_unreadable_image_gives_way_to_another_and_is_named(photographs: Path, tmp_path: Path) -> None:
    for path in photographs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "05.png").write_bytes(b"not an image")
    faces = Faceset([open_dataset(str(tmp_path))], [1.0], size=32, seed=0, flip=False, names=["photographs"])
    feed = Feed(Pairs(faces, None, 0, apply=True), RunConfig(images=1, batch=12, workers=0), Ranks(), CPU)
    ((_, batch, names),) = next(feed(0))
    assert len(batch) == 12 and len(names) == 1 and "05" in names[0]


@pytest.mark.parametrize(("shape", "words"), [((16, 16), "16 px and the model 32"), ((64, 48), "48×64 px")])
def test_images_that_do_not_fit_the_model_say_so(tmp_path: Path, shape: tuple[int, int], words: str) -> None:
    write_image(tmp_path / "a.png", np.zeros((*shape, 3), np.uint8))
    faces = Faceset([open_dataset(str(tmp_path))], [1.0], size=32, seed=0, flip=False, names=["small"])
    with pytest.raises(InputError, match=words):
        Pairs(faces, None, 0, apply=True)[0]


def test_what_goes_wrong_in_a_worker_is_said_as_if_it_had_gone_wrong_here(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((16, 16, 3), np.uint8))
    for workers in (0, 2):
        with pytest.raises(InputError, match=r"cannot be read, the last .*16 px and the model 32 px.*; verify"):
            micro_batches(tmp_path, workers=workers)


def test_a_batch_that_does_not_divide_is_refused(photographs: Path) -> None:
    with pytest.raises(UsageError, match=r"4 does not divide into 1 × 3"):
        micro_batches(photographs, workers=0, micro_batch=3)


def _first_pixel(sample: Sample, place: Place, *, mirrored: bool) -> dict[str, np.ndarray]:
    return {"position": np.int64(place.position), "corner": sample.image[0, 0], "mirrored": np.array(mirrored)}


def test_labels_come_beside_the_images_that_they_are_of(photographs: Path) -> None:
    faces = Faceset([open_dataset(str(photographs))], [1.0], size=32, seed=0, flip=True, names=["photographs"])
    pairs = Pairs(faces, load_recipe("vqfr-1@32"), 1, apply=True, labeller=_first_pixel)
    ((_, batch, _),) = next(Feed(pairs, RunConfig(images=1, batch=12, workers=0), Ranks(), CPU)(0))
    assert batch.labels["position"].tolist() == [faces.sampler[n].position for n in range(12)]
    assert torch.equal(batch.gt[:, :, 0, 0], signed(batch.labels["corner"]))
    assert batch.labels["mirrored"].tolist() == [faces.mirrored(n) for n in range(12)]
    assert 0 < batch.labels["mirrored"].sum() < 12


def test_the_cache_keeps_what_is_known_of_a_picture() -> None:
    samples = split("studio-ci", size=128, count=3)
    faces = Faceset([samples], [1.0], size=64, seed=0, flip=False, names=["studio-ci"])
    places = [faces.sampler[n] for n in range(3)]
    plain = [faces.read(place) for place in places]
    faces.keep(None, Ranks())
    for place, before in zip(places, plain, strict=True):
        after = faces.read(place)
        assert (after.id, after.identity, after.pose) == (before.id, before.identity, before.pose)
        assert np.array_equal(after.image, before.image) and np.array_equal(after.points, before.points)  # type: ignore[arg-type]
        assert np.allclose((samples[place.position].points + 0.5) / 2 - 0.5, after.points)  # type: ignore[operator]


def test_all_tensors_of_a_micro_batch_are_pinned_where_the_loader_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[int] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(int(tensor)) or tensor)
    one, two, three, four = (torch.tensor(n) for n in range(1, 5))
    micro = Micro(one, (two, three), (), ("a.png",), {"points": four})
    assert pin_memory(micro).unreadable == ("a.png",) and sorted(pinned) == [1, 2, 3, 4]


def test_a_mirrored_sample_has_its_points_and_pose_mirrored() -> None:
    sample = split("studio-ci", size=128, count=1)[0]
    there = mirrored(sample)
    assert np.array_equal(there.image, sample.image[:, ::-1])
    assert there.points[0, 0] < there.points[1, 0] and there.points[3, 0] < there.points[4, 0]  # type: ignore[index]
    assert np.allclose(there.points[2], [127 - sample.points[2, 0], sample.points[2, 1]])  # type: ignore[index]
    assert there.pose.yaw == -sample.pose.yaw and there.pose.pitch == sample.pose.pitch  # type: ignore[union-attr]
    again = mirrored(there)
    assert np.array_equal(again.image, sample.image) and np.allclose(again.points, sample.points)  # type: ignore[arg-type]
