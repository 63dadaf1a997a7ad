"""What an error says of the device and nothing of what was asked of it: too little memory, a GPU that is lost."""

from __future__ import annotations

_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "failed to allocate", "alloc_failed")
_LIBRARIES = ("cuda error", "cublas_status", "cudnn_status_execution_failed", "cudnn_status_internal_error")
"""Of libraries whose errors torch hands on without a type of their own."""


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
