"""Which subtle faults the gate finds on a board of studio faces, and whether it lets re-seeded equals pass.

python benchmarks/gate_faults.py [--board studio-ci] [--seeds 11 12 13]

The honest restorer smooths its input and adds faint noise of its own seed; each fault is put on top of that.
The seeds are those of the board's degradation, so each is another set of low-quality images.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, pad

from bfrbench.bench.board import load_board
from bfrbench.bench.plan import Settings, make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.stage import open_stage
from bfrbench.contracts import Batch
from bfrbench.gate import judge, open_side

Fault = Callable[[Tensor, Batch], Tensor]


def blur(images: Tensor) -> Tensor:
    return avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)


def half_pixel(images: Tensor, batch: Batch) -> Tensor:
    """Half a pixel to the right and down, as a wrong align_corners gives."""
    size = images.shape[-1]
    at = (torch.arange(size) * 2 + 1 - 1.0) / size - 1  # half a pixel is one unit of 2 / size
    grid = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1).expand(len(images), -1, -1, -1)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def one_batch_left(images: Tensor, batch: Batch) -> Tensor:
    """One batch in eight comes back as it went in."""
    return batch.lq if batch.ids[0] == "p00008-s0000" else images


FAULTS: dict[str, Fault] = {
    "another seed, no fault": lambda images, batch: images,
    "channels swapped": lambda images, batch: images.flip(1),
    "half-pixel shift": half_pixel,
    "truncated, not rounded": lambda images, batch: (images * 255).floor() / 255,
    "sharpened by 0.3": lambda images, batch: (images + 0.3 * (images - blur(images))).clamp(0, 1),
    "gamma 1.05": lambda images, batch: images.clamp(0, 1) ** 1.05,
    "one batch left unrestored": one_batch_left,
}


class Honest:
    """Smooths, adds noise of half a level by its own seed, and does what it is told to do wrong."""

    def __init__(self, own: int, fault: Fault) -> None:
        self.own, self.fault = own, fault

    def restore(self, batch: Batch) -> Tensor:
        noise = [
            torch.randn(batch.lq.shape[1:], generator=torch.Generator().manual_seed(seed % 2**31 + self.own))
            for seed in batch.seeds
        ]
        images = blur(blur(batch.lq)) + 0.5 / 255 * torch.stack(noise)
        return self.fault(images, batch).clamp(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", default="studio-ci")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    given = parser.parse_args()
    for seed in given.seeds:
        stage = open_stage(load_board(given.board).model_copy(update={"seed": seed}))
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder) / "base"
            execute(make_plan(Honest(1, FAULTS["another seed, no fault"]), stage, Settings(out=base, threads=1)))
            for number, (name, fault) in enumerate(FAULTS.items()):
                out = Path(folder) / str(number)
                execute(make_plan(Honest(1000 + seed, fault), stage, Settings(out=out, threads=1)))
                verdict = judge(open_side(out), open_side(base), stage.board)
                found = ", ".join(cell.metric for cell in verdict.of("regression", "suspicious"))
                unclear = ", ".join(cell.metric for cell in verdict.of("inconclusive"))
                print(
                    f"seed {seed}: {name}: {verdict.outcome} ({found or 'nothing worse'}"
                    f"{'; unclear: ' + unclear if unclear else ''})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
