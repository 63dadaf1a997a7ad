from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import bfrbench
from bfrbench.cli import main
from bfrbench.errors import WeightsError
from bfrbench.metrics import Scorer, finalise, load_protocol
from bfrbench.metrics.certify import Published, certify, overall, read_table
from bfrbench.metrics.finaliser import Value
from bfrbench.metrics.folders import pair_folders
from bfrbench.metrics.reference import load_reference
from bfrbench.metrics.references import build_reference, open_reference
from bfrbench.metrics.scoring import references_of, score
from tests.metrics.real_pairs import faces, hwc, scored, spoilt
from tests.weights.seeded import seeded_store


def save(folder: Path, images: torch.Tensor, names: str = "abcdefgh") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, images, strict=False):
        Image.fromarray(hwc(image)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    gt = faces(3, 96)
    return spoilt(gt), gt


@pytest.fixture
def folders(tmp_path, images) -> tuple[Path, Path]:
    restored, gt = images
    return save(tmp_path / "restored", restored), save(tmp_path / "gt", gt)


def run(capsys, *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["--quiet", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_two_folders_are_scored_as_their_images_are(folders, images, capsys):
    restored, gt = folders
    code, out, _ = run(capsys, "score", restored, "--gt", gt, "--protocol", "basic-v1", "--json", "--batch", "2")
    assert code == 0
    told, protocol = json.loads(out), load_protocol("basic-v1")
    assert told["protocol"] == {"name": "basic-v1", "digest": protocol.digest} and told["images"] == 3
    rows = Scorer(protocol).rows(scored(*images))
    (unchanged,) = {metric.name for metric in protocol.metrics} - set(told["metrics"])
    assert unchanged == "probe-unchanged", "it compares with the low-quality images, which were not given"
    for metric in protocol.metrics:
        if metric.name == unchanged:
            continue
        expected = finalise(metric, rows[metric.name]).value
        assert told["metrics"][metric.name]["value"] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_rows_per_image_land_in_a_table_that_the_bench_can_read(folders, tmp_path, capsys):
    from bfrbench.bench.rowtable import rows_of

    restored, gt = folders
    out = tmp_path / "rows.parquet"
    arguments = ["score", restored, "--gt", gt, "--protocol", "basic-v1", "--per-image", out, "--json"]
    code, text, _ = run(capsys, *arguments)
    assert code == 0
    table = pq.read_table(out)
    assert table["id"].to_pylist() == ["a", "b", "c"]
    again = finalise(load_protocol("basic-v1").metric("psnr"), rows_of(table, "psnr")).value
    assert again == json.loads(text)["metrics"]["psnr"]["value"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r, g: (r / "b.png").unlink(), r"restored lacks b; pairs go by file name"),
        (lambda r, g: (g / "a.png").unlink(), r"gt lacks a"),
        (lambda r, g: (r / "b.png").rename(r / "z.png"), r"restored lacks b and .*gt lacks z"),
        (lambda r, g: Image.open(r / "a.png").resize((48, 96)).save(r / "a.png"), r"a.png is 48×96 and .* is 96×96"),
        (lambda r, g: Image.open(r / "a.png").convert("L").save(r / "a.png"), r"a.png is a grey picture and .* colour"),
        (lambda r, g: (r / "a.png").write_bytes(b"no"), r"a.png is not an image"),
        (lambda r, g: (r / "a.png").write_bytes((r / "a.png").read_bytes()[:900]), r"a.png is damaged"),
        (lambda r, g: (r / "a.jpg").write_bytes(b"x"), r"have one name"),
        (lambda r, g: [path.unlink() for path in r.iterdir()], r"holds no images"),
    ],
)
def test_what_does_not_pair_is_named_in_one_sentence(folders, capsys, spoil, said):
    restored, gt = folders
    spoil(restored, gt)
    code, out, err = run(capsys, "score", restored, "--gt", gt, "--protocol", "basic-v1")
    assert code == 2 and not out
    import re

    assert re.search(said, err) and err.count("\n") == 1 and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metrics", "pnsr"), "did you mean psnr"),
        (("--metrics", "psnr", "--without", "ssim"), "two ways"),
        (("--features",), "--per-image"),
        (("--also", "musiq"), "write pyiqa:NAME"),
        (("--also", "pyiqa:gmsdd"), "did you mean gmsd"),
        (("--reference", "psnr"), "METRIC=FILE"),
        (("--reference", "psnr=x"), "metric with a reference"),
        (("--device", "tpu7"), "no device"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(folders, capsys, arguments, said):
    restored, gt = folders
    code, _, err = run(capsys, "score", restored, "--gt", gt, "--protocol", "basic-v1", *arguments)
    assert code == 2 and said in err and "Traceback" not in err


def test_several_metrics_are_named_in_one_go(folders, capsys):
    restored, gt = folders
    code, out, _ = run(
        capsys, "score", restored, "--gt", gt, "--protocol", "basic-v1", "--metrics", "psnr", "ssim", "--json"
    )
    assert code == 0 and set(json.loads(out)["metrics"]) == {"psnr", "ssim"}
    assert set(bfrbench.score(restored, gt, protocol="basic-v1", metrics="psnr").values) == {"psnr"}


def test_what_the_system_refuses_is_a_sentence(folders, tmp_path, capsys):
    restored, gt = folders
    code, _, err = run(capsys, "score", restored, "--gt", gt, "--protocol", "basic-v1", "--per-image", tmp_path)
    assert code == 2 and "directory" in err and "Traceback" not in err and "fault of bfrbench" not in err


def test_verification_needs_to_know_who_is_who(folders):
    restored, gt = folders
    found = bfrbench.score(restored, gt, metrics=["psnr", "verification"])
    assert found.skipped == {"verification": "needs identity"} and set(found.values) == {"psnr"}
    with pytest.raises(WeightsError, match="verification"):  # asked for, now that it can be
        bfrbench.score(restored, gt, metrics=["psnr", "verification"], identities=dict(zip("abc", "xxy", strict=True)))


def test_a_missing_weight_names_the_file_and_everything_else_that_is_missing(folders, capsys):
    restored, gt = folders
    code, _, err = run(capsys, "score", restored, "--gt", gt, "--protocol", "bfrbench-v1")
    assert code == 2 and "bfrbench weights add alexnet FILE" in err and "inception-fid" in err


def test_one_of_pyiqas_metrics_can_be_added_and_changes_the_digest(folders, capsys):
    restored, gt = folders
    arguments = ["score", restored, "--gt", gt, "--protocol", "basic-v1", "--metrics", "psnr"]
    _, plain, _ = run(capsys, *arguments, "--json")
    _, more, _ = run(capsys, *arguments, "--also", "pyiqa:gmsd", "--json")
    plain, more = json.loads(plain), json.loads(more)
    assert more["metrics"]["pyiqa:gmsd"]["value"] > 0 and not more["metrics"]["pyiqa:gmsd"]["higher_is_better"]
    assert plain["protocol"]["digest"] != more["protocol"]["digest"]


def test_all_equal_images_and_a_single_pair_still_score(tmp_path, capsys):
    flat = save(tmp_path / "flat", torch.full((1, 3, 96, 96), 0.5))
    code, out, _ = run(capsys, "score", flat, "--gt", flat, "--protocol", "basic-v1", "--json")
    told = json.loads(out)["metrics"]
    assert code == 0
    assert told["psnr"]["value"] is None and told["psnr"]["identical"] == 1 and told["psnr"]["note"]
    assert told["ssim"]["value"] == pytest.approx(1) and told["probe-shift"]["failed"] == {"nan": 1}


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    return seeded_store(tmp_path_factory.mktemp("inception"), "inception-fid")


def test_a_reference_is_built_saved_checked_and_scored_against(images, tmp_path, inception):
    restored, gt = images
    pmrf = load_protocol("pmrf")
    metric = pmrf.metric("fid-ffhq")
    made = build_reference([scored(gt, None)], metric, pmrf, name="ffhq512", store=inception, keep_features=True)
    made.save(tmp_path / "ffhq512.safetensors")
    again = load_reference(tmp_path / "ffhq512.safetensors")
    assert again.digest == made.digest and again.n == 3 and again.ids == ("face-0", "face-1", "face-2")
    part = pmrf.only(["fid-ffhq", "kid-ffhq"])
    scorer = Scorer(part, store=inception, available=())
    given = dict.fromkeys(("fid-ffhq", "kid-ffhq"), tmp_path / "ffhq512.safetensors")
    found = score([scored(restored, None)], scorer, references=references_of(scorer, inception, given))
    assert found.values["fid-ffhq"].extra == {"reference_n": 3} and found.values["fid-ffhq"].value > 0
    left = again.without(["face-1", "somebody"])
    assert left.n == 2 and left.ids == ("face-0", "face-2")
    np.testing.assert_allclose(left.mean, made.features[[0, 2]].mean(0, float), rtol=1e-6)


def test_a_reference_of_another_extractor_or_an_altered_one_is_an_error_and_not_a_number(tmp_path, inception, capsys):
    from bfrbench.errors import InputError, NotComparable

    pmrf = load_protocol("pmrf")
    metric = pmrf.metric("fid-ffhq")
    path = tmp_path / "r.safetensors"
    build_reference([scored(faces(2, 64), None)], metric, pmrf, name="r", store=inception).save(path)
    vqfr = load_protocol("vqfr")
    with pytest.raises(NotComparable, match="another extractor"):
        open_reference(vqfr.metric("fid-ffhq"), vqfr, inception, path)
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match="was altered"):
        load_reference(path)
    code, _, err = run(capsys, "reference", "show", tmp_path / "nothing.safetensors")
    assert code == 2 and "cannot be read" in err


@pytest.mark.parametrize("form", ["npz", "pth"])
def test_published_statistics_are_imported_with_their_number_of_images_unknown(tmp_path, capsys, form):
    features = np.random.default_rng(0).normal(size=(60, 2048))
    mean, covariance = features.mean(0), np.cov(features, rowvar=False)
    path = tmp_path / f"stats.{form}"
    if form == "npz":
        np.savez(path, mu=mean, sigma=covariance)
    else:
        torch.save({"mean": mean, "cov": covariance, "size": 512, "path": "ffhq"}, path)
    out = tmp_path / "own.safetensors"
    arguments = ["reference", "import", path, "--out", out, "--protocol", "vqfr", "--metric", "fid-ffhq", "--json"]
    code, text, _ = run(capsys, *arguments)
    assert code == 0 and json.loads(text)["images"] is None
    np.testing.assert_array_equal(load_reference(out).covariance, covariance)


@pytest.mark.parametrize(
    ("size", "covariance", "exit_code", "word"),
    [
        (64, np.eye(64), 3, "has 64 features an image and fid-ffhq has 2048"),
        (2048, np.triu(np.ones((2048, 2048))), 2, "not symmetric"),
        (2048, -np.eye(2048), 2, "less than 0"),
    ],
)
def test_statistics_that_no_inception_can_have_given_are_refused(tmp_path, capsys, size, covariance, exit_code, word):
    np.savez(tmp_path / "stats.npz", mu=np.zeros(size), sigma=covariance)
    arguments = ["reference", "import", tmp_path / "stats.npz", "--protocol", "vqfr", "--metric", "fid-ffhq"]
    code, _, err = run(capsys, *arguments)
    assert code == exit_code and word in err and err.count("\n") == 1


def test_statistics_that_hold_code_are_refused(tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"mean": Trap(), "cov": 1}, tmp_path / "stats.pth")
    arguments = ["reference", "import", tmp_path / "stats.pth", "--protocol", "vqfr", "--metric", "fid-ffhq"]
    code, _, err = run(capsys, *arguments)
    assert code == 2 and "nothing of it was run" in err and not (tmp_path / "ran").exists()


def write_table(path: Path, **numbers: str) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("metric", "value"), *numbers.items()])
    return path


def test_a_small_release_is_certified_to_its_last_printed_digit(folders, tmp_path, capsys):
    restored, gt = folders
    _, out, _ = run(capsys, "score", restored, "--gt", gt, "--protocol", "basic-v1", "--json")
    ours = {name: told["value"] for name, told in json.loads(out)["metrics"].items()}
    fixed = ["certify", "basic-v1", "--results", restored, "--gt", gt, "--json", "--table"]
    right = write_table(tmp_path / "right.csv", psnr=f"{ours['psnr']:.2f}", ssim=f"{ours['ssim']:.4f}")
    code, out, _ = run(capsys, *fixed, right)
    assert code == 0 and json.loads(out)["verdict"] == "certified"
    wrong = write_table(tmp_path / "wrong.csv", psnr=f"{ours['psnr'] + 1.32:.2f}", ssim=f"{ours['ssim']:.4f}")
    code, out, _ = run(capsys, *fixed, wrong)
    told = json.loads(out)
    assert code == 1 and told["verdict"] == "not certified"
    assert told["findings"][0]["off"] == pytest.approx(-1.32, abs=0.006)
    code, out, _ = run(capsys, "certify", "basic-v1", "--results", gt, "--gt", gt, "--json", "--table", right)
    assert code == 1 and json.loads(out)["findings"][0]["verdict"] == "cannot say"


def test_a_table_that_a_spreadsheet_wrote_is_read(tmp_path):
    (tmp_path / "t.csv").write_text("metric,value\npsnr,24.10\n", encoding="utf-8-sig")
    assert read_table(tmp_path / "t.csv", load_protocol("basic-v1")) == [Published("psnr", "24.10")]


def test_what_could_not_be_measured_is_not_called_wrong():
    findings = certify([Published("psnr", "24.10")], {"psnr": Value(None, 0, note="every pair is identical")}, {})
    assert overall(findings) == "cannot say" and findings[0].reason == "every pair is identical"
    assert overall([]) == "cannot say"


@pytest.mark.parametrize(
    ("protocol", "numbers", "reasons"),
    [
        ("basic-v1", {"psnr": "24.10", "ssim": "0.70"}, ["needs gt", "needs gt"]),
        ("vqfr", {"fid-ffhq": "41.7"}, ["weights add inception-fid"]),
    ],
)
def test_numbers_that_cannot_be_measured_here_are_each_told_why(
    folders, tmp_path, capsys, monkeypatch, protocol, numbers, reasons
):
    monkeypatch.setenv("BFRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BFRBENCH_OFFLINE", "1")
    table = write_table(tmp_path / "t.csv", **numbers)
    code, out, err = run(capsys, "certify", protocol, "--results", folders[0], "--table", table, "--json")
    told = json.loads(out)
    assert code == 4 and told["verdict"] == "cannot say" and told["images"] == 3 and not err
    assert [one["metric"] for one in told["findings"]] == list(numbers)
    assert all(part in one["reason"] for part, one in zip(reasons, told["findings"], strict=True))


def test_what_cannot_be_measured_keeps_no_other_number_from_being_certified(folders, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BFRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BFRBENCH_OFFLINE", "1")
    _, gt = folders
    table = write_table(tmp_path / "t.csv", psnr="99.0", **{"fid-ffhq": "41.7"})
    code, out, _ = run(capsys, "certify", "pmrf", "--results", gt, "--gt", gt, "--table", table, "--json")
    assert code == 1 and [one["verdict"] for one in json.loads(out)["findings"]] == ["not certified", "cannot say"]
    damaged = table.with_suffix(".npz")
    damaged.write_bytes(b"no")
    given = ["--reference", f"fid-ffhq={damaged}"]
    code, out, _ = run(capsys, "certify", "pmrf", "--results", gt, "--gt", gt, "--table", table, "--json", *given)
    assert code == 1 and "inception-fid" in json.loads(out)["findings"][1]["reason"]


@pytest.mark.parametrize(
    "text", ["metric,number\npsnr,1\n", "", "metric,value\npsnr,about 24\n", "metric,value\npnsr,24\n"]
)
def test_a_table_with_a_fault_is_one_sentence(folders, tmp_path, capsys, text):
    (tmp_path / "t.csv").write_text(text)
    code, _, err = run(capsys, "certify", "basic-v1", "--results", folders[0], "--table", tmp_path / "t.csv")
    assert code == 2 and err.count("\n") == 1


def test_protocols_and_kinds_are_listed_and_explained(capsys):
    assert "vqfr" in run(capsys, "protocols", "list")[1]
    shown = run(capsys, "protocols", "show", "vqfr")[1]
    assert "correct_mean_var" in shown and "identical_below = 1.0" in shown
    assert json.loads(run(capsys, "protocols", "show", "vqfr", "--json")[1])["digest"] == load_protocol("vqfr").digest
    assert {one["kind"] for one in json.loads(run(capsys, "metrics", "list", "--json")[1])} >= {"psnr", "fid", "niqe"}
    assert "bfrbench-v1: fid-gt" in run(capsys, "metrics", "show", "fid")[1]


def test_decoding_order_does_not_depend_on_the_number_of_threads(folders):
    restored, gt = folders
    pairs = pair_folders(restored, {"gt": gt})
    one, many = (list(pairs.batches(2, workers=count)) for count in (1, 4))
    assert [batch.ids for batch in one] == [batch.ids for batch in many] == [("a", "b"), ("c",)]
    assert all(torch.equal(a.restored, b.restored) for a, b in zip(one, many, strict=True))
