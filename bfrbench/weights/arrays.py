"""Parameter files as arrays: .npz, MATLAB 5 .mat, HDF5 and libsvm text, each by its own reader, never by pickle.

Every reader bounds what it will unpack, and refuses what a plain table of numbers has no need of.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from bfrbench.errors import WeightsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

LARGEST = 1 << 30
"""Bytes that a parameter file may unpack to."""


def read_npz(path: Path, *, largest: int = LARGEST) -> Arrays:
    """The arrays of a NumPy archive; arrays of objects, which NumPy pickles, are refused."""
    import numpy as np

    with _reading(path, "a NumPy archive"):
        if not zipfile.is_zipfile(path):
            raise _refused(path, "it is not a zip of arrays, and a pickle is never opened")
        with zipfile.ZipFile(path) as bundle:
            _bound(path, sum(entry.file_size for entry in bundle.infolist()), largest)
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
    return {name: _plain(path, name, array) for name, array in found.items()}


def read_mat(path: Path, *, largest: int = LARGEST) -> Arrays:
    """The numeric arrays of a MATLAB 5 file; objects, functions, structs and cells are refused."""
    import numpy as np
    from scipy import io

    with _reading(path, "a MATLAB 5 file"):
        with path.open("rb") as file:
            if file.read(10) != b"MATLAB 5.0":
                raise _refused(path, "it is not a MATLAB 5 file")
        listed = io.whosmat(path)
        for name, _, kind in listed:
            if kind not in _NUMERIC:
                raise _refused(path, f"{name!r} is of MATLAB's class {kind!r}, and only numbers are read")
        _bound(path, sum(int(np.prod(shape, dtype=object)) * 8 for _, shape, _ in listed), largest)
        found = io.loadmat(path, struct_as_record=True, variable_names=[name for name, _, _ in listed])
    return {name: _plain(path, name, found[name]) for name, _, _ in listed}


def read_h5(path: Path, *, largest: int = LARGEST) -> Arrays:
    """The arrays of an HDF5 file by their full names; links out of the file are not followed."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            if thing.external or thing.is_virtual:
                raise _refused(path, f"{name!r} keeps its numbers in another file")
            if thing.dtype.kind in "biuf":
                found[name] = thing

    with _reading(path, "an HDF5 file"), h5py.File(path, "r") as file:
        file.visititems(visit)
        _bound(path, sum(thing.nbytes for thing in found.values()), largest)
        return {name: thing[()] for name, thing in found.items()}


@dataclass(frozen=True)
class SupportVectors:
    """An epsilon-SVR with a radial kernel: the sum of coefficient · exp(-gamma · |x - vector|²), minus rho."""

    gamma: float
    rho: float
    coefficients: npt.NDArray[np.float64]
    vectors: npt.NDArray[np.float64]

    def __call__(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The predictions for N×D features."""
        import numpy as np

        squares = ((features[:, None, :] - self.vectors[None]) ** 2).sum(axis=2)
        result: npt.NDArray[np.float64] = np.exp(-self.gamma * squares) @ self.coefficients - self.rho
        return result


def read_svm(path: Path, *, largest: int = 1 << 26) -> SupportVectors:
    """A model in libsvm's text form, as BRISQUE's is published."""
    import numpy as np

    with _reading(path, "a libsvm model"):
        _bound(path, path.stat().st_size, largest)
        head, mark, body = path.read_text(encoding="ascii").partition("\nSV\n")
        facts = dict(line.split(maxsplit=1) for line in head.splitlines())
        if not mark or facts.get("svm_type") != "epsilon_svr" or facts.get("kernel_type") != "rbf":
            raise _refused(path, "it is not an epsilon-SVR with a radial kernel")
        rows = [line.split() for line in body.splitlines() if line.strip()]
        pairs = [[entry.split(":") for entry in row[1:]] for row in rows]
        width = max(int(index) for row in pairs for index, _ in row)
        if width > 1 << 16 or len(rows) != int(facts["total_sv"]):
            raise _refused(path, "its support vectors are not as many, or not as long, as it says")
        vectors = np.zeros((len(rows), width))
        for row, entries in enumerate(pairs):
            for index, value in entries:
                vectors[row, int(index) - 1] = float(value)
        coefficients = np.array([float(row[0]) for row in rows])
        return SupportVectors(float(facts["gamma"]), float(facts["rho"]), coefficients, vectors)


_NUMERIC = frozenset(
    {"double", "single", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "logical"}
)


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Whatever a reader stumbles over becomes one sentence about the file."""
    try:
        path.stat()
        yield
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read as {what} ({error.strerror or error})", "get it again") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise WeightsError(f"{path} is not {what} that can be read ({reason})", "get it again") from error


def _refused(path: Path, why: str) -> WeightsError:
    return WeightsError(f"{path} was not loaded: {why}", "use the published parameter file")


def _bound(path: Path, claimed: int, largest: int) -> None:
    if claimed > largest:
        raise _refused(path, f"it would unpack to {claimed:,} bytes, more than the {largest:,} allowed")


def _plain(path: Path, name: str, array: Any) -> npt.NDArray[Any]:
    import numpy as np

    if not isinstance(array, np.ndarray) or array.dtype.hasobject:
        raise _refused(path, f"{name!r} is not an array of numbers")
    return array
