"""A median filter as a restorer."""

import torch

import bfrbench


class Median:
    """Each pixel becomes the median of its neighbourhood, channel by channel."""

    def __init__(self, context: bfrbench.RestorerContext) -> None:
        try:
            self.radius = int(context.options.get("radius", 1))
        except ValueError as error:
            given = context.options["radius"]
            raise bfrbench.UsageError(
                f"the radius {given!r} is not a whole number", "write for example radius=2"
            ) from error
        if self.radius < 0:
            raise bfrbench.UsageError(f"the radius {self.radius} is negative", "give 0 or more")

    def restore(self, batch: bfrbench.Batch) -> torch.Tensor:
        r = self.radius
        padded = torch.nn.functional.pad(batch.lq, (r, r, r, r), mode="replicate")
        windows = padded.unfold(2, 2 * r + 1, 1).unfold(3, 2 * r + 1, 1)
        return windows.flatten(-2).median(dim=-1).values.clone()
