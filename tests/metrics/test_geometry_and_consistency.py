from __future__ import annotations

import numpy as np
import pytest
import torch

from bfrbench.contracts import Scored
from bfrbench.degradations import apply, load_recipe
from bfrbench.errors import ConfigError, UsageError
from bfrbench.faces.landmarks import load_landmarker
from bfrbench.imaging.convert import to_tensor
from bfrbench.metrics.catalogue import KINDS
from bfrbench.metrics.consistency import ConsistencyChoices, Redegraded
from bfrbench.metrics.ind_rmse import IndRmse, IndRmseChoices
from bfrbench.metrics.landmarks import LandmarkChoices, LandmarkDistance
from tests.metrics.real_pairs import faces, hwc, scored, spoilt
from tests.shared_weights import shared_store

SPECS = {spec.id: spec for spec in KINDS}


def landmark_rows(restored, gt, **choices) -> list[float]:
    fixed = LandmarkChoices(**({"engine": "pfld-68", "reading": "own", "normalise": "none"} | choices))
    kind = LandmarkDistance(SPECS["landmarks"], fixed, "leave-out")
    return [row.value for row in kind.open(shared_store("pfld-68"), "cpu").rows(scored(restored, gt))]


def test_landmark_distance_is_the_mean_over_points_found_by_the_engine():
    gt = faces(2, 256)
    restored = spoilt(gt)
    engine = load_landmarker("pfld-68", shared_store("pfld-68"))
    ours, theirs = (engine([hwc(one) for one in side]) for side in (restored, gt))
    expected = [float(np.linalg.norm(a - b, axis=1).mean()) for a, b in zip(ours, theirs, strict=True)]
    assert landmark_rows(restored, gt) == pytest.approx(expected, rel=1e-5)
    eyes = [float(np.linalg.norm(one[36] - one[45])) for one in theirs]
    scaled = [100 * distance / eye for distance, eye in zip(expected, eyes, strict=True)]
    assert landmark_rows(restored, gt, normalise="eye-distance") == pytest.approx(scaled, rel=1e-5)


def test_landmark_distance_grows_with_the_damage():
    gt = faces(3, 256)
    assert sum(landmark_rows(spoilt(gt, factor=16), gt)) > sum(landmark_rows(spoilt(gt, factor=2), gt)) > 0


def test_facexlibs_reading_of_heat_maps_belongs_to_its_own_network():
    with pytest.raises(ConfigError, match="belongs to awing-wflw98"):
        landmark_rows(faces(1, 64), faces(1, 64), reading="facexlib")


def degraded(gt: torch.Tensor, name: str):
    recipe = load_recipe(name)
    draws = tuple(recipe.draw(seed=3, image_id=f"face-{index}") for index in range(len(gt)))
    return draws, torch.stack([to_tensor(apply(hwc(one), draw).lq) for one, draw in zip(gt, draws, strict=True)])


@pytest.mark.parametrize("recipe", ["gfpgan", "codeformer-2"])
def test_the_truth_is_exactly_consistent_and_an_invented_face_is_not(recipe):
    gt = faces(3, 512)
    draws, lq = degraded(gt, recipe)
    measure = Redegraded(ConsistencyChoices(noise="same", cap=60.0))

    def values(restored):
        batch = Scored(("face-0", "face-1", "face-2"), lq, restored, gt=gt, draws=draws)
        return [row.value for row in measure.rows(batch)]

    assert values(gt) == [60.0] * 3
    assert max(values(gt.roll(1, 0))) < 40


def test_consistency_without_noise_leaves_the_noise_of_the_input_as_a_difference():
    gt = faces(1, 512)
    draws, lq = degraded(gt, "gfpgan")
    batch = Scored(("face-0",), lq, gt, draws=draws)
    value = Redegraded(ConsistencyChoices(noise="none", cap=60.0)).rows(batch)[0].value
    assert 10 < value < 60


def test_consistency_without_draws_says_what_is_missing():
    with pytest.raises(UsageError, match="no draws"):
        Redegraded(ConsistencyChoices(noise="same", cap=60.0)).rows(scored(faces(1, 64), None))


def test_ind_rmse_is_the_root_of_the_mean_square_over_images():
    a, b = faces(2, 64), spoilt(faces(2, 64))
    kind = IndRmse(SPECS["ind-rmse"], IndRmseChoices(levels=255), "leave-out")
    rows = kind.open(None, "cpu").rows(Scored(("a", "b"), None, a, posterior_mean=b))
    expected = np.sqrt(np.mean((a.double().numpy() * 255 - b.double().numpy() * 255) ** 2))
    finaliser = kind.finaliser
    from bfrbench.metrics import Context

    assert finaliser.value(finaliser.fold(rows), Context()).value == pytest.approx(expected, rel=1e-6)
