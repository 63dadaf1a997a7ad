from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_fid.inception import InceptionV3
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from bfrbench.contracts import Row
from bfrbench.errors import NotComparable, TooLittleMeasured
from bfrbench.metrics import Context, Scorer, finalise, load_protocol
from bfrbench.metrics.coverage import CoverageChoices, Manifolds, coverage, radii
from bfrbench.metrics.coverage_parts import Parts
from bfrbench.metrics.fid import FrechetDistance
from bfrbench.metrics.frechet import Cloud, Moments, cloud_of, frechet, of_features, of_moments
from bfrbench.metrics.inception import InceptionChoices, InceptionNetwork
from bfrbench.metrics.kid import KernelDistance, KidChoices, kid
from bfrbench.metrics.kid_parts import kernel, to_truth
from bfrbench.metrics.reference import Reference
from bfrbench.metrics.split import truth_of, truth_split
from tests.metrics.real_pairs import faces, scored, spoilt
from tests.weights.seeded import seeded_store

EXTRACTOR = {"resize": "tensorflow-1", "scale": "128", "precision": "float32"}
AGAINST = EXTRACTOR | {"leave_out": "nothing"}


def features(count: int, dimensions: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Features with a falling spectrum, as networks have them."""
    stream = np.random.default_rng(seed)
    return (shift + stream.standard_normal((count, dimensions)) * np.arange(1, dimensions + 1) ** -0.5).astype("f4")


def by_definition(a: np.ndarray, b: np.ndarray) -> float:
    """The Fréchet distance by scipy's matrix square root in float64."""
    first, second = np.cov(a.astype(float), rowvar=False), np.cov(b.astype(float), rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    apart = a.mean(0, dtype=float) - b.mean(0, dtype=float)
    return float(apart @ apart + np.trace(first + second - 2 * root))


@pytest.mark.parametrize(("first", "second"), [(40, 50), (40, 400), (400, 50), (300, 400)])
def test_the_distance_is_scipys_whatever_the_numbers_of_images(first, second):
    a, b = features(first, 64), features(second, 64, seed=1, shift=0.1)
    assert frechet(of_features(a), of_features(b)) == pytest.approx(by_definition(a, b), rel=1e-6)


@pytest.mark.parametrize("dimensions", [256, pytest.param(2048, marks=pytest.mark.slow)])
def test_the_distance_agrees_with_torch_fidelity(dimensions):
    a, b = features(180, dimensions), features(260, dimensions, seed=1, shift=0.02)
    stats = [fid_features_to_statistics(torch.from_numpy(side.astype(float))) for side in (a, b)]
    theirs = fid_statistics_to_metric(*stats, verbose=False)["frechet_inception_distance"]
    assert frechet(of_features(a), of_features(b)) == pytest.approx(theirs, rel=1e-4)


def test_a_distance_to_itself_is_zero_also_for_all_equal_images():
    a = of_features(features(80, 64))
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    flat = of_features(np.ones((5, 16), np.float32))
    assert frechet(flat, flat) == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(2, 30), st.integers(0, 5))
def test_moments_merge_to_those_of_the_whole(sizes, dimensions, seed):
    whole = features(sum(sizes), dimensions, seed, shift=100.0)
    merged = Moments(0, np.zeros(dimensions), np.zeros((dimensions, dimensions)))
    for part in np.split(whole, np.cumsum(sizes)[:-1]):
        merged = merged.merge(Moments.of(part))
    exact = Moments.of(whole)
    assert merged.n == exact.n
    np.testing.assert_allclose(merged.mean, exact.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.m2, exact.m2, rtol=1e-9, atol=1e-9)


def test_taking_a_part_out_of_moments_leaves_the_rest():
    whole = features(200, 24, shift=3.0)
    left = Moments.of(whole).without(Moments.of(whole[:50]))
    rest = Moments.of(whole[50:])
    np.testing.assert_allclose(left.m2, rest.m2, atol=1e-9)
    assert left.n == 150


def test_streaming_gives_the_distance_of_the_whole_set_on_both_sides_of_the_dimensions():
    other = of_features(features(90, 64, seed=2, shift=0.1))
    for count in (50, 150):
        whole = features(count, 64)
        streamed = cloud_of(np.array_split(whole, 7))
        assert streamed.n == count
        assert frechet(streamed.gaussian, other) == pytest.approx(frechet(of_features(whole), other), rel=1e-9)


def test_protocols_are_opened_without_the_libraries_that_only_a_distance_needs():
    program = (
        "import sys\nfrom bfrbench.metrics import load_protocol, references\n"
        "[metric.kind for metric in load_protocol('bfrbench-v1').metrics]\n"
        "sys.exit('torch' in sys.modules or 'scipy' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_one_image_has_no_distribution():
    with pytest.raises(TooLittleMeasured, match="two images or more"):
        _ = Cloud(features(1, 8)).gaussian
    metric = load_protocol("bfrbench-v1").metric("fid-gt")
    row = Row("a", feature=np.zeros((2, 2048), np.float32))
    value = finalise(metric, [row])
    assert value.value is None and value.n == 1 and "two images" in value.note


def test_kid_is_torch_fidelitys_with_the_same_subsets():
    a, b = features(150, 128), features(120, 128, seed=1, shift=0.1)
    choices = KidChoices(reference="gt", subsets=20, subset_size=50, seed=2020, **AGAINST)
    mean, deviation = kid(a, b, choices)
    settings_ = {"kid_subsets": 20, "kid_subset_size": 50, "rng_seed": 2020, "verbose": False}
    wide = [torch.from_numpy(side.astype(float)) for side in (a, b)]
    theirs = kid_features_to_metric(*wide, **settings_)
    assert mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-4)
    assert deviation == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-3)


@pytest.mark.parametrize("what", ["precision", "recall"])
def test_precision_and_recall_are_torch_fidelitys(what):
    a, b = features(300, 16), features(250, 16, seed=1, shift=0.3)
    theirs = prc_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), prc_neighborhood=3, verbose=False)
    choices = CoverageChoices(reference="gt", what=what, neighbours=3, **AGAINST)
    assert 0 < coverage(a, b, choices) < 1
    assert coverage(a, b, choices) == pytest.approx(theirs[what], abs=1e-6)


def test_density_and_coverage_follow_their_definition():
    restored, real = features(60, 8), features(70, 8, seed=1)
    balls = radii(real, 5)
    apart = np.linalg.norm(restored[:, None] - real[None], axis=2)
    own = np.sort(np.linalg.norm(real[:, None] - real[None], axis=2), axis=1)[:, 5]
    np.testing.assert_allclose(balls, own, rtol=1e-4)
    fixed = {"reference": "gt", "neighbours": 5, **AGAINST}
    density = coverage(restored, real, CoverageChoices(what="density", **fixed))
    assert density == pytest.approx((apart <= balls).sum() / (5 * 60), abs=1e-6)
    covered = coverage(restored, real, CoverageChoices(what="coverage", **fixed))
    assert covered == pytest.approx((apart.min(0) <= balls).mean(), abs=1e-6)


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    return seeded_store(tmp_path_factory.mktemp("inception"), "inception-fid")


def test_features_are_torch_fidelitys_on_real_faces(inception):
    from bfrbench.weights.handing import inception_network

    gt = faces(1, 256)
    ours = InceptionNetwork(InceptionChoices(**EXTRACTOR), inception, "cpu")(gt)
    with torch.inference_mode():
        (theirs,) = inception_network(inception)(gt.mul(255).round().byte())
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


def test_features_with_the_other_choices_are_pytorch_fids_on_real_faces(inception, monkeypatch):
    from pytorch_fid import inception as rival

    tensors = torch.load(inception.path("inception-fid"), weights_only=True)
    monkeypatch.setattr(rival, "load_state_dict_from_url", lambda *_, **__: tensors)
    gt = faces(1, 256)
    choices = InceptionChoices(resize="torch", scale="127.5", precision="float32")
    ours = InceptionNetwork(choices, inception, "cpu")(gt)
    with torch.inference_mode():
        theirs = InceptionV3([3]).eval()(gt)[0].flatten(1).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * float(np.abs(theirs).max()))


def test_the_rows_of_one_extraction_serve_every_distribution_metric(inception):
    names = ["fid-gt", "kid-gt", "precision", "recall", "density", "coverage"]
    protocol = load_protocol("bfrbench-v1").only(names)
    gt = faces(6, 128)
    rows = Scorer(protocol, store=inception).rows(scored(spoilt(gt), gt))
    assert list(rows) == ["fid-gt"]
    assert rows["fid-gt"][0].feature.shape == (2, 2048)
    found = {name: finalise(protocol.metric(name), rows["fid-gt"]) for name in names}
    assert found["fid-gt"].value > 0 and found["fid-gt"].n == 6
    assert set(found["kid-gt"].extra) == {"deviation", "reference_n"}
    assert all(found[name].value >= 0 for name in names[2:])


def test_stored_rows_that_come_back_flat_give_the_same_numbers():
    protocol = load_protocol("bfrbench-v1")
    pairs = np.stack([features(12, 2048), features(12, 2048, seed=1)], 1)
    shaped = [Row(str(i), feature=pair) for i, pair in enumerate(pairs)]
    flat = [Row(row.id, feature=row.feature.reshape(-1)) for row in shaped]
    for name in ("fid-gt", "kid-gt", "recall"):
        metric = protocol.metric(name)
        assert finalise(metric, flat).value == finalise(metric, shaped).value


@pytest.mark.parametrize(("name", "reference"), [("fid", "gt"), ("fid", "other"), ("kid", "gt"), ("kid", "other")])
@pytest.mark.parametrize("count", [90, 700])
def test_the_number_of_a_subset_is_that_of_its_rows_alone(name, reference, count):
    """For sets on both sides of the dimensions, with an image that failed, whatever is kept from call to call."""
    dimensions = 256 if name == "fid" else 2048
    pairs = np.stack([features(count, dimensions), features(count, dimensions, seed=1, shift=0.1)], 1)
    rows = [Row(str(i), feature=pair.astype("f4")) for i, pair in enumerate(pairs)]
    rows[5] = Row("5", "nan")
    other = features(300, dimensions, seed=2)
    moments = (other.mean(0, float), np.cov(other, rowvar=False))
    context = Context(Reference("other", "", "", 300, *moments, features=other))
    known = None if reference == "gt" else reference
    choices = KidChoices(reference=reference, subsets=7, subset_size=30, seed=0, **AGAINST)
    finaliser = KernelDistance(known, choices) if name == "kid" else FrechetDistance(known, name, (2, dimensions))
    over = finaliser.over(rows, context)
    for seed in range(3):
        some = np.sort(np.random.default_rng(seed).choice(count, count // 2, replace=False))
        alone = finaliser.value(finaliser.fold([rows[index] for index in some]), context).value
        assert over(some) == pytest.approx(alone, rel=1e-8)
    assert np.isnan(over(np.array([5])))


FOUR = ("precision", "recall", "density", "coverage")


def manifolds(what: str, reference: str | None, neighbours: int = 3) -> Manifolds:
    choices = CoverageChoices(reference=reference or "gt", what=what, neighbours=neighbours, **AGAINST)
    return Manifolds(reference, choices, (-1, 16))


def mixed(count: int, sides: int = 2) -> list[Row]:
    """Rows of 16 features, restored ones a little off; one image failed."""
    truth = features(count, 16, seed=1)
    near = 0.8 * truth + 0.2 * np.random.default_rng(2).standard_normal(truth.shape).astype("f4")
    rows = [Row(str(i), feature=pair[:sides].astype("f4")) for i, pair in enumerate(np.stack([near, truth], 1))]
    rows[5] = Row("5", "nan")
    return rows


def assert_parts_are_rows_alone(finaliser: Manifolds, rows: list[Row], context: Context, share: float) -> None:
    over = finaliser.over(rows, context)
    for seed in range(3):
        chosen = np.random.default_rng(seed).choice(len(rows), round(len(rows) * share), replace=False)
        alone = finaliser.value(finaliser.fold([rows[index] for index in np.sort(chosen)]), context).value
        assert over(np.sort(chosen)) == pytest.approx(alone, abs=1e-9)
    whole = finaliser.value(finaliser.fold(rows), context).value
    assert over(np.arange(len(rows))) == pytest.approx(whole, abs=1e-9)
    assert whole > 0 and np.isnan(over(np.array([5, 6])))


@pytest.mark.parametrize("what", FOUR)
@pytest.mark.parametrize("reference", [None, "other"])
@pytest.mark.parametrize("share", [0.5, 0.02])
def test_the_manifolds_of_a_part_are_those_of_its_rows_alone(what, reference, share):
    other = features(900, 16, seed=3)
    moments = (other.mean(0, float), np.cov(other, rowvar=False))
    context = Context(Reference("other", "", "", 900, *moments, features=other))
    rows = mixed(1100, 2 if reference is None else 1)
    assert_parts_are_rows_alone(manifolds(what, reference), rows, context, share)


@pytest.mark.parametrize("what", FOUR)
def test_balls_that_reach_beyond_the_neighbours_that_are_kept_are_still_right(what, monkeypatch):
    """With few neighbours kept, some balls of a half are looked up again; with fewer still, all are."""
    for nearest in (9, 6):
        monkeypatch.setattr("bfrbench.metrics.coverage_parts.NEAREST", nearest)
        assert_parts_are_rows_alone(manifolds(what, None), mixed(400), Context(), 0.5)


@pytest.mark.parametrize("what", FOUR)
def test_a_set_too_large_for_all_ranks_is_averaged_over_fewer_images(what, monkeypatch):
    rows, finaliser = mixed(1500), manifolds(what, None)
    half = np.arange(0, 1500, 2)
    exact = finaliser.over(rows, Context())
    monkeypatch.setattr("bfrbench.metrics.coverage_parts._BYTES", 1500 * 500)
    fewer = finaliser.over(rows, Context())
    assert fewer(half) == pytest.approx(exact(half), abs=0.1)
    assert finaliser.exactly(rows, Context())(np.arange(1500)) == exact(np.arange(1500)), "the number has no estimate"
    parts = Parts.of(features(1500, 16), features(1500, 16, seed=1), 3, nearest=64, by_ball=False, counted=False)
    assert parts.ranks.nbytes <= 1500 * 500 and len(parts.rows) < 1500


def test_the_radii_of_a_reference_are_worked_out_once(monkeypatch):
    other, calls = features(200, 16, seed=3), []
    context = Context(Reference("other", "", "", 200, np.zeros(16), np.eye(16), features=other))
    monkeypatch.setattr("bfrbench.metrics.coverage.radii", lambda one, k: calls.append(k) or radii(one, k))
    rows = mixed(60, 1)
    for what in ("precision", "density", "coverage"):
        finaliser = manifolds(what, "other")
        finaliser.value(finaliser.fold(rows), context)
        finaliser.value(finaliser.fold(rows[:30]), context)
    assert calls == [3]


@pytest.mark.parametrize("reference", [None, "other"])
def test_the_kernel_distance_of_parts_of_a_large_set_deviates_as_that_of_all_pairs_does(reference, monkeypatch):
    count = 900
    pairs = np.stack([features(count, 32, shift=0.3), features(count, 32, seed=1)], 1)
    rows = [Row(str(i), feature=pair[: 2 if reference is None else 1]) for i, pair in enumerate(pairs)]
    other = features(700, 32, seed=2)
    context = Context(Reference("other", "", "", 700, np.zeros(32), np.eye(32), features=other))
    choices = KidChoices(reference=reference or "gt", subsets=1, subset_size=count, seed=0, **AGAINST)
    finaliser = KernelDistance(reference, choices, (-1, 32))
    if reference is not None:  # the number of all pairs, which subsets of equal size on both sides are not
        unbiased = KidChoices(**choices.model_dump() | {"subsets": 200, "subset_size": 300})
        finaliser = KernelDistance(reference, unbiased, (-1, 32))
    all_pairs = finaliser.over(rows, context)
    for module in ("kid", "kid_parts"):
        monkeypatch.setattr(f"bfrbench.metrics.{module}.LARGEST", 300 if reference is None else 700)
    blocks = finaliser.over(rows, context)
    halves = [np.sort(np.random.default_rng(seed).choice(count, count // 2, replace=False)) for seed in range(40)]
    one, other_way = (np.array([over(half) for half in halves]) for over in (all_pairs, blocks))
    assert np.corrcoef(one, other_way)[0, 1] > 0.9
    assert other_way.std() == pytest.approx(one.std(), rel=0.25)
    assert other_way.mean() == pytest.approx(one.mean(), rel=0.1)
    value = finaliser.value(finaliser.fold(rows), context).value
    assert finaliser.exactly(rows, context)(np.arange(count)) == value


def test_the_kernel_distance_of_small_parts_of_a_large_set_is_not_moved_by_pairs_with_their_own_truth(monkeypatch):
    """Restored images are like their truth: such pairs, few in a whole set, are many among the few of a block."""
    truth = features(400, 32, seed=1)
    restored = (0.8 * truth + 0.2 * features(400, 32, seed=2, shift=0.5)).astype("f4")
    different = ~np.eye(400, dtype=bool)
    within = sum(kernel(side, side)[different].mean() for side in (restored, truth))
    expected = within - 2 * kernel(restored, truth)[different].mean()
    monkeypatch.setattr("bfrbench.metrics.kid_parts.LARGEST", 100)
    parts = to_truth(restored, truth)
    found = [parts(np.random.default_rng(seed).choice(400, 20, replace=False)) for seed in range(4000)]
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 4000**0.5)


@pytest.mark.parametrize("name", ["fid-gt", "kid-gt", "recall", "fid-ffhq"])
def test_two_halves_of_the_truth_are_apart_by_the_metrics_own_distance(name):
    metric = load_protocol("vqfr" if name == "fid-ffhq" else "bfrbench-v1").metric(name)
    truth = features(80, 2048)
    split = truth_split(metric, truth)
    order = np.random.default_rng(0).permutation(80)
    halves = truth[order[:40]], truth[order[40:]]
    expected = {
        "kid-gt": lambda: kid(*halves, metric.kind.choices)[0],
        "recall": lambda: coverage(*halves, metric.kind.choices),
    }.get(name, lambda: frechet(*map(of_features, halves)))()
    assert split.n == 40 and split.value == pytest.approx(expected, rel=1e-9)


def test_the_truths_features_are_found_where_the_rows_hold_them():
    pair = [Row(str(i), feature=np.stack([np.zeros(8), np.full(8, i)]).astype("f4")) for i in range(6)]
    assert truth_of([*pair, Row("x", "nan")])[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    alone = [Row(row.id, feature=row.feature[1:]) for row in pair]
    assert truth_of(alone) is None and len(truth_of(alone, restored_is_truth=True)) == 6
    assert truth_of([Row("a", value=1.0)] * 9) is None
    assert truth_split(load_protocol("bfrbench-v1").metric("psnr"), np.zeros((9, 8))) is None


def test_a_distance_to_statistics_without_statistics_is_an_error():
    metric = load_protocol("vqfr").metric("fid-ffhq")
    rows = [Row(str(i), feature=np.zeros((1, 2048), np.float32)) for i in range(3)]
    with pytest.raises(NotComparable, match="no statistics of inception-ffhq512-stats"):
        finalise(metric, rows, Context())


def test_a_root_of_a_singular_covariance_is_still_a_root():
    moments = Moments.of(np.repeat(features(30, 12), 2, axis=1))
    gaussian = of_moments(moments)
    np.testing.assert_allclose(gaussian.root.T @ gaussian.root, gaussian.covariance, atol=1e-9)
