import json
import tomllib
from pathlib import Path

import pytest
import torch
from bfrbench_gpen.checkpoints import published_table
from bfrbench_gpen.network import Gpen

import bfrbench
from bfrbench import digests
from bfrbench.cli import main
from bfrbench.contracts import Batch
from bfrbench.errors import RestorerError
from bfrbench.restorers import exporting
from bfrbench.weights import WeightCard, load_state_dict
from tests.nn.seeded import faces


def restored(ref: str) -> torch.Tensor:
    images = faces(5, 32, 3) / 2 + 0.5
    return bfrbench.load_restorer(ref).restore(Batch(("a", "b", "c"), images, (0, 1, 2)))


def test_convert_writes_safetensors_with_a_card_that_the_store_reads(tiny_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    assert main(["convert", "gpen", str(tiny_file), "-o", str(out), "--licence", "CC0-1.0"]) == 0
    card = WeightCard.model_validate(tomllib.loads(out.with_suffix(".toml").read_text()))
    assert (card.sha256, card.size, card.licence) == (digests.of_file(out), out.stat().st_size, "CC0-1.0")
    assert digests.of_file(tiny_file) in card.note
    assert "32 model with multiplier 2, narrow 0.03125" in card.summary
    assert not any(key.endswith("kernel") for key in load_state_dict(out))
    assert torch.equal(restored(f"gpen:{out}"), restored(f"gpen:{tiny_file}"))


def test_convert_goes_back_to_the_published_layout(tiny: Gpen, tiny_file: Path, tmp_path: Path) -> None:
    ours, back = tmp_path / "ours.safetensors", tmp_path / "back.pth"
    assert main(["convert", "gpen", str(tiny_file), "-o", str(ours)]) == 0
    assert main(["convert", "gpen", str(ours), "-o", str(back)]) == 0
    expected, found = published_table(tiny), torch.load(back, weights_only=True)
    assert list(found) and found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_convert_overwrites_only_when_told(tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.safetensors"
    out.write_bytes(b"precious")
    assert main(["convert", "gpen", str(tiny_file), "-o", str(out)]) == 2
    assert "already there" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
    assert main(["convert", "gpen", str(tiny_file), "-o", str(out), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 32
    assert main(["convert", "gpen", str(out), "-o", str(tmp_path / "mine.bin")]) == 2
    assert main(["convert", "gpen", str(tiny_file), "-o", str(tiny_file), "--force"]) == 2
    assert tiny_file.stat().st_size > 1000


def test_an_exported_network_restores_like_torch_in_any_batch(tiny_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"
    assert main(["export", f"gpen:{tiny_file}", "--onnx", str(path), "--dynamic-batch"]) == 0
    assert torch.allclose(restored(f"onnx:{path}"), restored(f"gpen:{tiny_file}"), atol=1e-4)
    assert main(["export", f"gpen:{tiny_file}", "--onnx", str(path)]) == 2


@pytest.mark.slow
def test_an_export_that_differs_from_torch_leaves_nothing(
    tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(exporting.TOLERANCES, "float32", 1e-12)
    loaded = bfrbench.load_restorer("gpen", weights=str(tiny_file))
    with pytest.raises(RestorerError, match="differs from torch"):
        exporting.export_onnx(loaded, tmp_path / "out.onnx", opset=20, dynamic_batch=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_float16_and_super_resolution_export(tiny_file: Path, sr_file: Path, tmp_path: Path) -> None:
    half, sr = tmp_path / "half.onnx", tmp_path / "sr.onnx"
    assert main(["export", f"gpen:{tiny_file}", "--onnx", str(half), "--fp16", "--opset", "18"]) == 0
    assert float((restored(f"onnx:{half}") - restored(f"gpen:{tiny_file}")).abs().mean()) < 1e-2
    assert main(["export", f"gpen-sr:{sr_file}", "--onnx", str(sr), "--dynamic-batch"]) == 0


def test_what_cannot_be_exported_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "input", "--onnx", str(tmp_path / "x.onnx")]) == 2
    assert "cannot be exported" in capsys.readouterr().err
    assert main(["export", "gpen-512", "--onnx", str(tmp_path / "x.onnx")]) == 2
    assert "bfrbench weights add gpen-bfr-512" in capsys.readouterr().err
