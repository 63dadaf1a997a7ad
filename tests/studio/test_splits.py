"""The sets: addressable, disjoint, the same in every process."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

import numpy as np
import pytest

from bfrbench.digests import of_array
from bfrbench.errors import UnknownName, UsageError
from bfrbench.studio import PLANS, split, stream


@pytest.mark.parametrize(("name", "count", "people"), [("studio-ci", 64, 32), ("studio-test", 1000, 200)])
def test_a_set_has_the_pictures_and_people_it_names(name: str, count: int, people: int) -> None:
    whole = split(name, size=64)
    assert len(whole) == len(set(whole.ids)) == count
    assert len({whole.person(index) for index in range(count)}) == people


def test_every_id_leads_back_to_its_place() -> None:
    for name in PLANS:
        whole = split(name, size=64)
        for index in (0, 1, len(whole) // 2, len(whole) - 1):
            assert whole.address(whole.ids[index]) == whole.address(index)


def test_a_sample_is_the_shot_with_its_labels() -> None:
    whole = split("studio-ci", size=64)
    sample, shot = whole[5], whole.shot(5)
    assert sample.id == whole.ids[5] and whole[sample.id].image.tobytes() == shot.image.tobytes()
    assert sample.pose == shot.pose and sample.points is not None and (sample.points == shot.points).all()
    assert sample.identity == "studio-ci/p00005" and sample.gt is None


def test_sets_share_no_person() -> None:
    first = {name: of_array(split(name, size=64)[0].image) for name in PLANS}
    assert len(set(first.values())) == len(PLANS)
    assert len({plan.seed for plan in PLANS.values()}) == len(PLANS)


def test_the_pose_grid_covers_every_yaw_and_pitch_of_every_person() -> None:
    whole = split("studio-pose", size=64)
    poses = {(whole.person(i), whole.address(i).yaw, whole.address(i).pitch) for i in range(len(whole))}
    assert len(poses) == len(whole) == 10 * 11 * 5
    yaws, pitches = {p[1] for p in poses}, {p[2] for p in poses}
    assert (min(yaws), max(yaws), min(pitches), max(pitches)) == (-75, 75, -40, 40)
    shot = whole.shot("p00003-s0000-y+45-p-20")
    assert (shot.pose.yaw, shot.pose.pitch, shot.identity) == (45, -20, 3)


def test_shards_miss_nothing_and_share_nothing() -> None:
    whole = split("studio-test", size=64)
    parts = [list(whole.shard(index, 7).ids) for index in range(7)]
    assert sorted(name for part in parts for name in part) == sorted(whole.ids)
    cut = whole.select([whole.ids[9], whole.ids[2]])
    assert list(cut.ids) == [whole.ids[9], whole.ids[2]]
    with pytest.raises(UsageError, match="part 7 of 7"):
        whole.shard(7, 7)


def test_worker_processes_render_the_same_pixels() -> None:
    whole = split("studio-ci", size=64)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        theirs = list(pool.map(whole.shot, range(4)))
    for shot, own in zip(theirs, map(whole.shot, range(4)), strict=True):
        assert np.array_equal(shot.image, own.image) and np.array_equal(shot.landmarks, own.landmarks)


@pytest.mark.parametrize("key", ["p99999-s0000", "nobody", "p00000-s0000-y+45-p+00", "p00032-s0000"])
def test_an_id_that_is_not_of_the_set_is_told(key: str) -> None:
    with pytest.raises(UnknownName, match="studio-ci"):
        split("studio-ci", size=64)[key]


def test_what_is_no_set_and_what_is_past_the_end_is_told() -> None:
    with pytest.raises(UnknownName, match="did you mean studio-test"):
        split("studio-tset")
    with pytest.raises(UsageError, match="1 to 64"):
        split("studio-ci", count=65)
    with pytest.raises(IndexError):
        split("studio-ci", size=64)[64]


def test_training_faces_go_on_past_their_nominal_count() -> None:
    assert len(split("studio-train", count=10**9)) == 10**9
    far = split("studio-train", size=64, count=10**9)[123_456_789]
    assert far.image.std() > 5 and far.id == "p06789-s12345"


def test_a_stream_has_the_labels_and_needs_no_file() -> None:
    rows = list(stream("studio-ci", size=64, limit=5))
    whole = split("studio-ci", size=64)
    by_id = {row["id"]: row for row in rows}
    assert set(by_id) == set(whole.ids[:5])
    row, shot = by_id[whole.ids[3]], whole.shot(3)
    assert np.array_equal(np.asarray(row["image"]), shot.image)
    assert np.array_equal(np.asarray(row["parsing"]), shot.parsing)
    assert np.allclose(row["landmarks"], shot.landmarks) and row["expression"] == shot.expression


def test_loader_workers_share_a_stream_without_repeating() -> None:
    from torch.utils.data import DataLoader

    loader = DataLoader(stream("studio-ci", size=64, limit=8), batch_size=None, num_workers=2)
    assert sorted(row["id"] for row in loader) == sorted(split("studio-ci", size=64).ids[:8])


def test_the_training_stream_does_not_end_or_repeat() -> None:
    endless = stream("studio-train", size=64, shards=2)
    ids = [row["id"] for row in islice(endless, 6)]
    assert len(set(ids)) == 6
