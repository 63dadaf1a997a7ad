"""Float32 that is float32: TF32, which keeps ten bits of 23, kept out of convolutions and matrix products on a GPU."""

from __future__ import annotations

import threading

_lock = threading.Lock()
_inside = 0
_kept = (False, False)


class exact_float32:  # noqa: N801 - a context manager reads as a verb
    """No TF32 inside. The switch is the process's, so it goes back when the last thread leaves."""

    def __enter__(self) -> None:
        import torch

        global _inside, _kept
        with _lock:
            if not _inside:
                _kept = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
                torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            _inside += 1

    def __exit__(self, *_: object) -> None:
        import torch

        global _inside
        with _lock:
            _inside -= 1
            if not _inside:
                torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = _kept
