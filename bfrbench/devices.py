"""Devices: whether one can be computed on, and what an error says of it and nothing of what was asked of it."""

from __future__ import annotations

from bfrbench.errors import UsageError

_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "failed to allocate", "alloc_failed")
_LIBRARIES = ("cuda error", "cublas_status", "cudnn_status_execution_failed", "cudnn_status_internal_error")
"""Of libraries whose errors torch hands on without a type of their own."""


def refuse_unusable(device: str) -> None:
    """Say at the start what would fail later; no GPU is touched."""
    if device == "cpu":
        return
    import torch

    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"there is no device {device!r}", "take cpu, cuda, cuda:1 or mps") from error
    if wanted.type == "cuda":
        count = torch.cuda.device_count()
        if not count:
            raise UsageError("there is no GPU that torch can use here", "leave --device out, or give --device cpu")
        if (wanted.index or 0) >= count:
            raise UsageError(f"there is no {device}: torch sees {count} GPU(s)", f"take cuda:0 to cuda:{count - 1}")
        return
    try:
        torch.zeros(1, device=wanted).item()
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise UsageError(f"torch cannot compute on {device!r} here ({said})", "take cpu, or cuda") from error


def is_out_of_memory(error: BaseException) -> bool:
    import torch

    by_words = isinstance(error, RuntimeError) and _says(error, _MEMORY)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or by_words


def is_lost(error: BaseException) -> bool:
    """Whether this process can compute no more on its device."""
    import torch

    return isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error)


def is_of_device(error: BaseException) -> bool:
    """Whether it is one of those, or of a library's on the device."""
    if is_out_of_memory(error) or is_lost(error):
        return True
    return isinstance(error, RuntimeError) and _says(error, _LIBRARIES)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    said = str(error).lower()
    return any(word in said for word in words)
