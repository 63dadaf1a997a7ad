"""References that hold the images under test, that kept no features, or that are called by name."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bfrbench.bench import rowtable
from bfrbench.bench.rules import GateRule
from bfrbench.bench.run import references_of
from bfrbench.bench.summary import summarise
from bfrbench.cli import main
from bfrbench.contracts import Row
from bfrbench.errors import BfrbenchError, ConfigError, InputError, NotComparable, TooLittleMeasured
from bfrbench.gate.cells import Cell
from bfrbench.gate.distances import see_distances, statistics_of
from bfrbench.gate.pairing import Pairs
from bfrbench.gate.verdict import Seen
from bfrbench.metrics import Protocol, load_protocol, reference
from bfrbench.metrics.certify import obstacles
from bfrbench.metrics.protocol import parse_protocol
from bfrbench.metrics.reference import Reference, load_reference
from bfrbench.metrics.references import open_reference, place
from bfrbench.metrics.scoring import references_of as scored_references
from bfrbench.metrics.scoring import score

COUNT = 30
FEATURES = np.random.default_rng(0).standard_normal((COUNT, 2048)).astype("f4")
IDS = tuple(f"face-{index}" for index in range(COUNT))
TESTED = IDS[:10]
DISTANCES = ("fid-ffhq", "kid-ffhq", "precision", "recall")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BFRBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BFRBENCH_OFFLINE", "1")
    return tmp_path / "home"


def pmrf(leave_out: str = "nothing", reference: str = "ffhq512") -> Protocol:
    """PMRF's distances, with another choice of what is left out."""
    data = tomllib.loads((files("bfrbench.metrics") / "protocols" / "pmrf.toml").read_text("utf-8"))
    data["metrics"] = {name: data["metrics"][name] for name in DISTANCES}
    for metric in data["metrics"].values():
        metric["choices"]["leave_out"]["take"] = leave_out
        metric["choices"]["reference"]["take"] = reference
    return parse_protocol(data, where="test")


def made(keep: slice = slice(None), *, features: bool = True, ids: bool = True) -> Reference:
    kept = FEATURES[keep]
    return Reference(
        "ffhq512",
        pmrf().metric("fid-ffhq").extractor,
        "pmrf",
        len(kept),
        kept.mean(0, float),
        np.cov(kept, rowvar=False),
        IDS[keep] if ids else (),
        kept if features else None,
        "built from 30 images of FFHQ512",
    )


def table_of(ids: tuple[str, ...] = TESTED) -> Any:
    stream = np.random.default_rng(1)
    rows = [Row(name, feature=stream.standard_normal((1, 2048)).astype("f4")) for name in ids]
    return rowtable.make([rowtable.ImageRow(name, "ok", "0") for name in ids], {"fid-ffhq": rows})


def numbers(protocol: Protocol, reference: Reference, table: Any) -> Any:
    return summarise(table, protocol.metrics, (), dict.fromkeys(DISTANCES, reference)).metrics


def test_the_tested_images_are_left_out_of_the_reference_where_the_protocol_says_so() -> None:
    told = numbers(pmrf("tested"), made(), table_of())
    whole = numbers(pmrf(), made(), table_of())
    rest = numbers(pmrf(), made(slice(10, None)), table_of())
    for name in DISTANCES:
        assert told[name].value == pytest.approx(rest[name].value, rel=1e-9)
        assert (told[name].extra["reference_n"], told[name].extra["left_out"]) == (20, 10)
        assert told[name].reference_digest == made().without(TESTED).digest != whole[name].reference_digest
        assert told[name].digest != whole[name].digest and "left_out" not in whole[name].extra
    assert told["fid-ffhq"].value != pytest.approx(whole["fid-ffhq"].value, rel=1e-6)
    assert pmrf("tested").digest != pmrf().digest


def test_images_that_the_reference_does_not_hold_leave_it_as_it_is_and_are_told() -> None:
    strangers = table_of(tuple(f"stranger-{index}" for index in range(10)))
    told, whole = numbers(pmrf("tested"), made(), strangers), numbers(pmrf(), made(), strangers)
    assert told["fid-ffhq"].value == whole["fid-ffhq"].value
    assert told["fid-ffhq"].extra["left_out"] == 0 and told["fid-ffhq"].extra["reference_n"] == COUNT


def test_finished_folders_are_scored_against_what_is_left() -> None:
    class Rows:
        protocol, device, skipped, weights = pmrf("tested"), "cpu", {}, {}
        metrics = protocol.metrics

        def rows(self, batch: Any) -> dict[str, list[Row]]:
            return {"fid-ffhq": [Row(name, feature=FEATURES[:1]) for name in batch.ids]}

    import torch

    from bfrbench.contracts import Scored

    batches = [Scored((name,), None, torch.zeros(1, 3, 8, 8)) for name in TESTED]
    found = score(batches, cast(Any, Rows()), references=dict.fromkeys(DISTANCES, made()))
    assert {reference.n for reference in found.references.values()} == {20}
    assert found.values["kid-ffhq"].extra["left_out"] == 10 and found.images == 10


def test_the_gate_takes_away_the_same_images_and_refuses_other_statistics() -> None:
    made().save(place("ffhq512"))
    protocol = pmrf("tested")
    results = numbers(protocol, made(), table_of())
    found = statistics_of([protocol.metric("precision")], protocol, results, TESTED)
    assert found["precision"].n == 20
    with pytest.raises(NotComparable, match="are not those that precision was measured with"):
        statistics_of([protocol.metric("precision")], protocol, results, TESTED[:5])


def test_the_gate_reads_and_cuts_a_reference_once_for_all_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    made().save(place("ffhq512"))
    protocol, done = pmrf("tested"), list[str]()
    results = numbers(protocol, made(), table_of())
    for where, name in ((reference, "_load"), (Reference, "_left")):
        whole = getattr(where, name)
        monkeypatch.setattr(where, name, lambda *a, whole=whole, name=name: done.append(name) or whole(*a))
    monkeypatch.setattr("bfrbench.gate.distances.FEWEST_FOR_DISTANCE", 8)
    monkeypatch.setattr("bfrbench.gate.distances.SUBSETS", 2)
    cells = [Cell(name, None, None, GateRule(metric=name, max_drop=0.1)) for name in ("fid-ffhq", "kid-ffhq")]
    asked = [(cell, protocol.metric(cell.metric), np.ones(len(TESTED), dtype=bool)) for cell in cells]
    told = see_distances(asked, protocol, Pairs(table_of(), table_of()), results, 0.95)
    assert done == ["_load", "_left"] and all(isinstance(one, Seen) for one in told.values())


def test_metrics_of_one_protocol_share_what_one_file_holds() -> None:
    made().save(place("ffhq512"))
    protocol = pmrf("tested")
    opened = [open_reference(metric, protocol) for metric in protocol.metrics]
    assert all(one is opened[0] for one in opened)
    assert opened[0] is not None and opened[0].without(TESTED) is opened[0].without(set(TESTED))
    made(slice(5, None)).save(place("ffhq512"))
    again = open_reference(protocol.metrics[0], protocol)
    assert again is not None and again.n == 25, "a file that changed is read again"


@pytest.mark.parametrize(
    ("name", "leave_out"), [("fid-ffhq", "tested"), ("kid-ffhq", "nothing"), ("recall", "nothing")]
)
@pytest.mark.parametrize("lack", ["features", "ids"])
def test_a_reference_without_what_a_metric_needs_is_refused_before_a_run(name: str, leave_out: str, lack: str) -> None:
    made(features=lack != "features", ids=lack != "ids").save(place("ffhq512"))
    protocol = pmrf(leave_out)
    command = f"'bfrbench reference build FOLDER --keep-features --protocol pmrf --metric {name} --name ffhq512'"
    stage = SimpleNamespace(protocol=protocol, metrics=[protocol.metric(name)])
    with pytest.raises(InputError) as refused:
        references_of(cast(Any, SimpleNamespace(stage=stage)), TESTED)
    assert name in refused.value.problem and command in refused.value.remedy
    with pytest.raises(InputError, match=f"--keep-features .*--out {place('ffhq512')}"):
        open_reference(protocol.metric(name), protocol, given=place("ffhq512"))


@pytest.mark.parametrize("leave_out", ["tested", "nothing"])
def test_a_reference_of_tested_images_alone_is_refused_before_a_run_that_would_leave_them_out(leave_out: str) -> None:
    made(slice(11)).save(place("ffhq512"))
    protocol = pmrf(leave_out)
    plan = cast(Any, SimpleNamespace(stage=SimpleNamespace(protocol=protocol, metrics=protocol.metrics)))
    assert set(references_of(plan, TESTED[1:])) == set(DISTANCES)
    if leave_out == "nothing":
        assert set(references_of(plan, TESTED)) == set(DISTANCES)
        return
    with pytest.raises(TooLittleMeasured, match="ffhq512 has no images but those under test"):
        references_of(plan, TESTED)


def test_a_distance_to_statistics_needs_no_features() -> None:
    made(features=False).save(place("ffhq512"))
    assert open_reference(pmrf().metric("fid-ffhq"), pmrf()) is not None


def test_a_missing_reference_is_asked_for_with_features_where_any_metric_needs_them() -> None:
    with pytest.raises(BfrbenchError, match="build FOLDER --keep-features --protocol pmrf --metric fid-ffhq --name ff"):
        open_reference(pmrf().metric("fid-ffhq"), pmrf())
    with pytest.raises(BfrbenchError, match="build FOLDER --protocol"):
        open_reference(pmrf().metric("fid-ffhq"), pmrf().only(["fid-ffhq"]))


def test_a_file_can_be_given_only_where_the_command_has_an_option_for_it() -> None:
    protocol = pmrf()
    metric = protocol.metric("fid-ffhq")
    with pytest.raises(BfrbenchError) as refused:
        references_of(cast(Any, SimpleNamespace(stage=SimpleNamespace(protocol=protocol, metrics=[metric]))), TESTED)
    assert "--reference" not in str(refused.value) and "--name ffhq512' or leave fid-ffhq out" in str(refused.value)
    scorer = cast(Any, SimpleNamespace(protocol=protocol, metrics=[metric]))
    with pytest.raises(BfrbenchError, match="give a file with --reference fid-ffhq=FILE, or leave"):
        scored_references(scorer)
    told = obstacles(protocol.only(["fid-ffhq"]), (), cast(Any, NoWeights()))
    assert "give a file with --reference fid-ffhq=FILE" in told["fid-ffhq"]


class NoWeights:
    """A store that has every file and publishes none."""

    cards = ()

    def path(self, name: str) -> Path:
        return Path(name)


def test_the_way_to_a_reference_with_features_leads_past_the_published_file(tmp_path: Path) -> None:
    path = tmp_path / "ffhq.npz"
    np.savez(path, mu=FEATURES.mean(0, float), sigma=np.cov(FEATURES, rowvar=False))
    with pytest.raises(InputError, match=f"--keep-features .*--out {tmp_path / 'ffhq.safetensors'}'"):
        open_reference(pmrf().metric("kid-ffhq"), pmrf(), given=path)


@pytest.mark.parametrize("words", [["build", "FOLDER"], ["import", "FILE", "--metric", "fid-ffhq"]])
def test_a_reference_is_written_under_its_own_suffix_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    path = tmp_path / "ffhq.npz"
    path.write_bytes(b"published")
    assert main(["--quiet", "reference", *words, "--protocol", "pmrf", "--out", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"write it to {tmp_path / 'ffhq.safetensors'}" in said and path.read_bytes() == b"published"


def test_nothing_is_left_of_the_truth_without_the_tested_images() -> None:
    with pytest.raises(ConfigError, match="leaves nothing of gt"):
        pmrf("tested", reference="gt")


def shown(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["--quiet", "reference", "show", *map(str, words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_reference_is_shown_by_the_name_that_protocols_give_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made().save(place("ffhq512"))
    code, out, _ = shown(capsys, "ffhq512", "--json")
    told = json.loads(out)
    assert code == 0 and told["file"] == str(place("ffhq512")) and told["features_kept"] == COUNT
    assert told["source"] == "built from 30 images of FFHQ512" and told["digest"] == made().digest
    assert told["asked_for_by"] == {"pmrf": ["fid-ffhq", "kid-ffhq", "precision", "recall"]}
    _, words, _ = shown(capsys, "ffhq512")
    assert "pmrf: fid-ffhq, kid-ffhq, precision, recall" in words
    made(slice(2)).save(tmp_path / "own.safetensors")
    monkeypatch.chdir(tmp_path)
    code, out, _ = shown(capsys, "own.safetensors", "--json")
    assert code == 0 and json.loads(out)["images"] == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ffhq512", "bfrbench reference build FOLDER --keep-features --protocol pmrf"),
        ("inception-ffhq512-stats", "bfrbench weights fetch inception-ffhq512-stats', from https://github.com/"),
        ("ffhq51", "there is no reference named 'ffhq51'"),
        ("elsewhere/x.safetensors", "cannot be read"),
    ],
)
def test_a_name_that_is_not_here_is_told_with_where_it_comes_from(
    capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    code, out, err = shown(capsys, name)
    assert code == 2 and not out and said in err and err.count("\n") == 1


def test_published_statistics_in_the_weight_store_are_shown_with_their_address(
    capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    import torch

    path = home / "weights" / "inception-ffhq512-stats" / "inception_FFHQ_512.pth"
    path.parent.mkdir(parents=True)
    torch.save({"mean": FEATURES.mean(0, float), "cov": np.cov(FEATURES, rowvar=False)}, path)
    code, out, _ = shown(capsys, "inception-ffhq512-stats", "--json")
    told = json.loads(out)
    assert code == 0 and told["file"] == str(path) and told["images"] is None
    assert "https://github.com/" in told["source"] and "vqfr" in told["asked_for_by"]


def test_a_saved_reference_comes_back_as_it_was(tmp_path: Path) -> None:
    made().save(tmp_path / "r.safetensors")
    assert load_reference(tmp_path / "r.safetensors").digest == made().digest
    assert load_protocol("pmrf").metric("fid-ffhq").kind.leaves_out_tested is False
