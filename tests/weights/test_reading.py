"""Loading networks: published files load, and nothing that a file smuggles in is ever run."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bfrbench.errors import WeightsError
from bfrbench.weights import load_state_dict
from bfrbench.weights.reading import read_torch
from tests.shared_data import shared


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def test_the_bomb_of_these_tests_goes_off_where_nobody_takes_care(mark):
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("hidden", [True, False], ids=["among tensors", "alone"])
@pytest.mark.parametrize("numpy", [True, False])
def test_code_inside_a_pth_is_never_run(tmp_path, mark, zipped, hidden, numpy):
    path = tmp_path / "net.pth"
    content = {"weight": torch.ones(2), "extra": Bomb(mark)} if hidden else Bomb(mark)
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="nothing of it was run") as caught:
        load_state_dict(path, numpy=numpy)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_a_bare_pickle_called_pth_is_never_run(tmp_path, mark):
    path = tmp_path / "net.pth"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(WeightsError):
        load_state_dict(path)
    assert not mark.exists()


def test_numpy_arrays_load_only_when_asked_for(tmp_path):
    path = tmp_path / "stats.pth"
    torch.save({"name": "FFHQ", "mean": np.arange(3.0), "cov": np.eye(3, dtype=np.float32), "n": np.int64(7)}, path)
    with pytest.raises(WeightsError, match="nothing of it was run"):
        read_torch(path)
    tree = read_torch(path, numpy=True)
    np.testing.assert_array_equal(tree["mean"], [0, 1, 2])
    assert tree["cov"].dtype == np.float32 and tree["n"] == 7


def test_the_names_of_numpy_1_are_understood(tmp_path):
    path = tmp_path / "old.pth"
    torch.save({"mean": np.arange(4.0)}, path)
    old = io.BytesIO()
    with zipfile.ZipFile(path) as new, zipfile.ZipFile(old, "w") as bundle:
        for entry in new.infolist():
            body = new.read(entry)
            bundle.writestr(entry.filename, body.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert b"numpy._core" not in old.getvalue()
    path.write_bytes(old.getvalue())
    np.testing.assert_array_equal(read_torch(path, numpy=True)["mean"], np.arange(4.0))


def test_arrays_of_objects_are_refused_even_when_numpy_is_allowed(tmp_path, mark):
    path = tmp_path / "objects.pth"
    torch.save({"mean": np.array([Bomb(mark)], dtype=object)}, path)
    with pytest.raises(WeightsError):
        read_torch(path, numpy=True)
    assert not mark.exists()


def test_a_torchscript_program_is_refused(tmp_path):
    path = tmp_path / "program.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    with pytest.raises(WeightsError, match="TorchScript program"):
        load_state_dict(path)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path):
    path = tmp_path / "bomb.pth"
    torch.save({"weight": torch.zeros(4)}, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("archive/data/9", bytes(50_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(WeightsError, match="zip bomb"):
        load_state_dict(path)


def test_a_tensor_that_claims_more_than_its_file_is_refused(tmp_path):
    path = tmp_path / "wide.pth"
    torch.save({"weight": torch.zeros(1).expand(1 << 40)}, path)
    assert path.stat().st_size < 10_000
    with pytest.raises(WeightsError, match="no room for"):
        load_state_dict(path)
    torch.save({"weight": torch.empty(1 << 40, device="meta")}, path)
    with pytest.raises(WeightsError):
        load_state_dict(path)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_cut_file_is_told(tmp_path, name):
    path = tmp_path / name
    tensors = {"weight": torch.randn(1000)}
    torch.save(tensors, path) if name.endswith(".pth") else save_file(tensors, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="not a whole"):
        load_state_dict(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError):
        load_state_dict(path)
    path.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        load_state_dict(path)


def test_safetensors_and_torch_files_give_the_same_tensors(tmp_path):
    tensors = {"a": torch.randn(3, 4), "b.c": torch.arange(5)}
    save_file(tensors, tmp_path / "net.safetensors")
    torch.save(tensors, tmp_path / "net.pth")
    for path in tmp_path.iterdir():
        loaded = load_state_dict(path)
        assert sorted(loaded) == ["a", "b.c"]
        assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


def test_the_part_that_holds_the_tensors_is_named(tmp_path):
    path = tmp_path / "training.pth"
    torch.save({"g_ema": {"module.w": torch.ones(1)}, "step": 3}, path)
    assert list(load_state_dict(path, key="g_ema")) == ["w"]
    with pytest.raises(WeightsError, match="'g_ema', 'step'"):
        load_state_dict(path)
    with pytest.raises(WeightsError, match="no part 'params_ema'"):
        load_state_dict(path, key="params_ema")


def test_a_prefix_that_only_some_names_carry_is_kept(tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"module.w": torch.ones(1), "b": torch.ones(1)}, path)
    assert list(load_state_dict(path)) == ["module.w", "b"]


@pytest.mark.parametrize(
    ("file", "key", "count"), [("retinaface_mobilenet0.25.pth", None, 300), ("pose_3ddfa_mb05.pth", "state_dict", 166)]
)
def test_published_files_load(file, key, count):
    tensors = load_state_dict(shared("weights", file), key=key)
    assert len(tensors) == count
    assert not any(name.startswith("module.") for name in tensors)
    assert all(torch.isfinite(tensor.float()).all() for tensor in tensors.values())
