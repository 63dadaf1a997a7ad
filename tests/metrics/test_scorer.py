from __future__ import annotations

import pytest
import torch

from bfrbench.errors import UnknownName, UsageError
from bfrbench.metrics import Scorer, finalise, load_protocol
from tests.metrics.real_pairs import faces, scored, spoilt


@pytest.fixture(scope="module")
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    gt = faces(4, 192)
    return spoilt(gt), gt


def test_every_metric_gives_one_row_for_each_id_in_order(pair):
    scorer = Scorer(load_protocol("basic-v1"))
    batch = scored(*pair)
    for name, rows in scorer.rows(batch).items():
        assert [row.id for row in rows] == list(batch.ids), name
        assert {row.status for row in rows} == {"ok"}, name


def test_a_batch_equals_its_images_one_at_a_time(pair):
    scorer = Scorer(load_protocol("basic-v1"))
    restored, gt = pair
    together = scorer.rows(scored(restored, gt))
    for name, rows in together.items():
        alone = [scorer.rows(scored(restored[i : i + 1], gt[i : i + 1]))[name][0].value for i in range(len(gt))]
        assert [row.value for row in rows] == pytest.approx(alone, rel=1e-5, abs=1e-6), name


def test_an_image_with_nan_fails_in_every_metric_and_leaves_the_others_alone(pair):
    restored, gt = pair[0].clone(), pair[1]
    whole = Scorer(load_protocol("basic-v1")).rows(scored(*pair))
    restored[2, 1, 5, 5] = float("nan")
    for name, rows in Scorer(load_protocol("basic-v1")).rows(scored(restored, gt)).items():
        assert [row.status for row in rows] == ["ok", "ok", "nan", "ok"], name
        assert [row.value for row in rows if row.status == "ok"] == pytest.approx(
            [row.value for row in whole[name] if row.id != "face-2"], rel=1e-5, abs=1e-6
        )


def test_a_failed_image_scores_what_the_protocol_says_and_is_counted(pair):
    protocol = load_protocol("basic-v1")
    restored = pair[0].clone()
    restored[0] = float("inf")
    rows = Scorer(protocol).rows(scored(restored, pair[1]))
    psnr = finalise(protocol.metric("psnr"), rows["psnr"])
    assert psnr.failed == {"nan": 1} and psnr.n == 4
    assert psnr.value == pytest.approx(sum(row.value or 0.0 for row in rows["psnr"]) / 4)
    probe = finalise(protocol.metric("probe-level"), rows["probe-level"])
    assert probe.failed == {"nan": 1} and probe.n == 3


def test_identical_pairs_are_counted_and_left_out_of_the_mean(pair):
    protocol = load_protocol("basic-v1")
    restored = torch.cat([pair[1][:1], pair[0][1:]])
    value = finalise(protocol.metric("psnr"), Scorer(protocol).rows(scored(restored, pair[1]))["psnr"])
    assert value.extra == {"identical": 1} and value.n == 3 and 20 < value.value < 50


def test_folding_shards_apart_gives_the_same_bits(pair):
    protocol = load_protocol("basic-v1")
    rows = Scorer(protocol).rows(scored(*pair))["ssim"]
    finaliser = protocol.metric("ssim").kind.finaliser
    parts = finaliser.merge(finaliser.fold(rows[3:]), finaliser.fold(rows[:3]))
    from bfrbench.metrics import Context

    assert finaliser.value(parts, Context()).value == finalise(protocol.metric("ssim"), rows).value


def test_without_ground_truth_nothing_of_basic_v1_can_be_measured():
    with pytest.raises(UsageError, match="basic-v1 can measure nothing here; give gt"):
        Scorer(load_protocol("basic-v1"), available=())


def test_a_cut_protocol_has_another_digest_and_a_misspelt_metric_a_suggestion():
    protocol = load_protocol("basic-v1")
    assert protocol.only(["ssim"]).digest != protocol.digest
    assert protocol.only([metric.name for metric in protocol.metrics]).digest == protocol.digest
    with pytest.raises(UnknownName, match="did you mean ssim"):
        protocol.only(["sim"])
