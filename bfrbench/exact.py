"""Full float32 on devices that would rather compute with fewer digits."""

from __future__ import annotations


class exact_float32:  # noqa: N801 - a context manager reads as a verb
    """Keeps TF32 out of every number that is computed within, on devices that would use it."""

    def __enter__(self) -> None:
        import torch

        self._kept = (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    def __exit__(self, *_: object) -> None:
        import torch

        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = self._kept
