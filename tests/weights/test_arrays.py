"""Parameter files: published ones read as other readers read them, and traps are refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import io as scipy_io

from bfrbench.errors import WeightsError
from bfrbench.weights.arrays import read_h5, read_mat, read_npz, read_svm
from tests.shared_data import shared
from tests.weights.test_reading import Bomb


def test_the_two_published_forms_of_niqe_hold_the_same_numbers():
    npz = read_npz(shared("weights", "niqe_pris_params.npz"))
    mat = read_mat(shared("weights", "niqe_modelparameters.mat"))
    np.testing.assert_allclose(npz["mu_pris_param"], mat["mu_prisparam"], rtol=1e-12)
    np.testing.assert_allclose(npz["cov_pris_param"], mat["cov_prisparam"], rtol=1e-12)


def test_the_keras_file_reads_whole():
    arrays = read_h5(shared("weights", "squeezenet11_imagenet_notop.h5"))
    assert len(arrays) == 50
    assert sum(array.size for array in arrays.values()) == 722_496
    assert arrays["conv1/uniform1"].shape == (3, 3, 3, 64)


def test_the_brisque_model_reads_as_libsvm_text_and_predicts_by_its_formula():
    svm = read_svm(shared("weights", "brisque_svm.txt"))
    assert svm.vectors.shape == (770, 36) and svm.coefficients.shape == (770,)
    assert (svm.gamma, svm.rho) == (0.05, -155.845)
    features = np.random.default_rng(0).uniform(-1, 1, (3, 36))
    kernel = [[np.exp(-0.05 * np.sum((x - v) ** 2)) for v in svm.vectors] for x in features]
    np.testing.assert_allclose(svm(features), np.array(kernel) @ svm.coefficients + 155.845, rtol=1e-10)


def test_code_inside_an_npz_is_never_run(tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "params.npz"
    np.savez(path, mu=np.array([Bomb(mark)], dtype=object), cov=np.eye(2))
    with pytest.raises(WeightsError, match=r"params\.npz"):
        read_npz(path)
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(WeightsError, match="a pickle is never opened"):
        read_npz(path)
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("mu.npy", pickle.dumps(Bomb(mark)))
    with pytest.raises(WeightsError):
        read_npz(path)
    assert not mark.exists()


@pytest.mark.parametrize("read", [read_mat, read_h5, read_svm])
def test_a_pickle_under_another_name_is_never_run(tmp_path, read):
    mark, path = tmp_path / "ran", tmp_path / "params.mat"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(WeightsError) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not mark.exists()


def test_a_zip_bomb_of_arrays_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, zeros=np.zeros(20_000_000, np.uint8))
    assert path.stat().st_size < 100_000
    with pytest.raises(WeightsError, match="would unpack to 20,000,"):
        read_npz(path, largest=1 << 20)
    assert read_npz(path)["zeros"].size == 20_000_000


def test_an_array_that_claims_more_than_it_has_is_refused(tmp_path):
    path, header = tmp_path / "liar.npz", io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("mu.npy", header.getvalue() + bytes(80))
    with pytest.raises(WeightsError, match="not a NumPy archive that can be read"):
        read_npz(path)


def test_a_mat_of_anything_but_numbers_is_refused(tmp_path):
    path = tmp_path / "params.mat"
    for value in ({"field": 1.0}, np.array(["text", 1], dtype=object), "words"):
        scipy_io.savemat(path, {"mu": np.eye(2), "other": value})
        with pytest.raises(WeightsError, match="only numbers are read"):
            read_mat(path)


def test_a_mat_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.mat"
    scipy_io.savemat(path, {"mu": np.zeros((5000, 1000))}, do_compression=True)
    assert path.stat().st_size < 100_000
    with pytest.raises(WeightsError, match="would unpack to 40,000,000 bytes"):
        read_mat(path, largest=1 << 20)


def test_a_matlab_73_file_is_told(tmp_path):
    path = tmp_path / "new.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512, b" ") + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(WeightsError, match="not a MATLAB 5 file"):
        read_mat(path)


def test_an_hdf5_file_cannot_reach_out_of_itself(tmp_path):
    (tmp_path / "secret.bin").write_bytes(np.arange(4.0).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["w"] = np.ones(3)
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file["own"] = np.zeros(2)
        file["loop"] = h5py.SoftLink("/loop")
        file["link"] = h5py.ExternalLink("other.h5", "/w")
    assert list(read_h5(path)) == ["own"]
    with h5py.File(path, "a") as file:
        file.create_dataset("outside", (4,), "f8", external=[(str(tmp_path / "secret.bin"), 0, 32)])
    with pytest.raises(WeightsError, match="keeps its numbers in another file"):
        read_h5(path)


def test_an_hdf5_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", (1 << 24,), "f8", chunks=(1 << 16,), compression="gzip")
    assert path.stat().st_size < 100_000
    with pytest.raises(WeightsError, match="would unpack to 134,217,728 bytes"):
        read_h5(path, largest=1 << 20)


@pytest.mark.parametrize("read", [read_npz, read_mat, read_h5, read_svm])
def test_a_missing_or_cut_file_is_told(tmp_path, read):
    with pytest.raises(WeightsError, match="cannot be read"):
        read(tmp_path / "none")
    source = {
        read_npz: "niqe_pris_params.npz",
        read_mat: "niqe_modelparameters.mat",
        read_h5: "squeezenet11_imagenet_notop.h5",
        read_svm: "brisque_svm.txt",
    }[read]
    cut = tmp_path / "cut"
    cut.write_bytes(shared("weights", source).read_bytes()[:5000])
    with pytest.raises(WeightsError):
        read(cut)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 8000), byte=st.integers(0, 255), length=st.integers(1, 40))
def test_damaged_files_end_in_arrays_or_in_one_sentence(tmp_path, place, byte, length):
    for name, read in (("niqe_modelparameters.mat", read_mat), ("niqe_pris_params.npz", read_npz)):
        body = bytearray(shared("weights", name).read_bytes())
        body[place : place + length] = bytes([byte]) * min(length, max(len(body) - place, 0))
        path = Path(tmp_path, name)
        path.write_bytes(body)
        try:
            assert all(isinstance(array, np.ndarray) for array in read(path).values())
        except WeightsError as error:
            assert "\n" not in str(error)
