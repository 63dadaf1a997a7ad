"""Networks' weights as tensors, from safetensors and from torch files, without running what a pickle may contain."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

_SLACK = 1 << 20


def load_state_dict(path: Path, *, key: str | None = None, numpy: bool = False) -> dict[str, Tensor]:
    """The tensors of a safetensors or torch file, by name, on the CPU.

    `key` names the part of a training file that holds them (`params_ema`, `g_ema`, `state_dict`); `numpy` allows
    NumPy arrays beside the tensors, for the published files that hold some. A `module.` that parallel training left
    before every name is dropped.
    """
    import torch

    path = Path(path)
    tree = read_safetensors(path) if path.suffix == ".safetensors" else read_torch(path, numpy=numpy)
    if key is not None:
        if not isinstance(tree, dict) or key not in tree:
            raise WeightsError(f"{path} has no part {key!r}", f"it has {_parts(tree)}")
        tree = tree[key]
    if not isinstance(tree, dict) or not all(isinstance(value, torch.Tensor) for value in tree.values()):
        raise WeightsError(f"{path} is not a plain table of tensors", f"name the part that is, out of {_parts(tree)}")
    _refuse_boundless(path, tree)
    prefix = "module." if tree and all(str(name).startswith("module.") for name in tree) else ""
    return {str(name).removeprefix(prefix): tensor for name, tensor in tree.items()}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a whole safetensors file ({error})", "get it again") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})", "check the path") from error


def read_torch(path: Path, *, numpy: bool = False) -> Any:
    """What torch.save wrote, as far as it is tensors, numbers, strings and tables of them; nothing else is built."""
    import pickle
    import warnings

    import torch

    _refuse_zip(path)
    allowed = _numpy_parts() if numpy else []
    try:
        with torch.serialization.safe_globals(allowed), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the pickle is of a protocol other than 2
            tree = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = " ".join(str(error).split("\n")[-1].split() or str(error).split())[:300]
        problem = f"{path} holds more than weights, and nothing of it was run ({reason})"
        raise WeightsError(problem, "use a file of plain tensors, best as safetensors") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror or error})", "check the path") from error
    except Exception as error:
        problem = f"{path} is not a whole torch file ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise WeightsError(problem, "get it again") from error
    return tree


def _refuse_zip(path: Path) -> None:
    """torch.save stores and does not compress: what claims to be larger than its file is a bomb."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as bundle:
            entries = bundle.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is not a whole torch file ({error})", "get it again") from error
    claimed = sum(entry.file_size for entry in entries)
    if claimed > path.stat().st_size + _SLACK:
        problem = f"{path} is a zip bomb: it would unpack to {claimed:,} bytes from far fewer"
        raise WeightsError(problem, "do not use it")
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise WeightsError(f"{path} is a TorchScript program, not a table of tensors", "use its weights as safetensors")


def _refuse_boundless(path: Path, tree: dict[Any, Tensor]) -> None:
    """A tensor may not claim more numbers than its file can hold, nor lie elsewhere than in memory."""
    room = path.stat().st_size + _SLACK
    for name, tensor in tree.items():
        if tensor.device.type != "cpu" or tensor.is_sparse or tensor.numel() * tensor.element_size() > room:
            problem = (
                f"{path} holds a tensor {str(name)!r} of shape {tuple(tensor.shape)} that the file has no room for"
            )
            raise WeightsError(problem, "do not use it")


def _numpy_parts() -> list[Any]:
    """What rebuilds a NumPy array from a pickle, by the names of today and of NumPy 1."""
    import numpy as np
    from numpy._core import multiarray

    rebuild, scalar = multiarray._reconstruct, multiarray.scalar
    kinds = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]
    return [
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.ndarray,
        np.dtype,
        *kinds,
    ]


def _parts(tree: Any) -> str:
    if not isinstance(tree, dict):
        return f"one {type(tree).__name__}"
    names = [repr(str(name)) for name in list(tree)[:8]]
    return ", ".join(names) + (f" and {len(tree) - 8} more" if len(tree) > 8 else "")
