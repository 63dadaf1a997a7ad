"""A set of seeded noise for tests of the bench itself: any number of images, nothing to read, nothing to download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bfrbench import digests
from bfrbench.bench.board import Board
from bfrbench.bench.stage import Stage
from bfrbench.contracts import Pose, Sample
from bfrbench.imaging.write import write_image
from bfrbench.metrics import load_protocol


@dataclass(frozen=True)
class Noise:
    """`count` pairs of `size` pixels; the low-quality image is the ground truth with noise on it."""

    count: int
    size: int = 64

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(f"noise-{number:06d}" for number in range(self.count))

    def __getitem__(self, image_id: str) -> Sample:
        number = int(image_id.rpartition("-")[2])
        random = np.random.default_rng(number)
        gt = random.integers(40, 216, (self.size, self.size, 3), dtype=np.uint8)
        lq = gt + random.integers(-40, 40, gt.shape, dtype=np.int16)
        pose = Pose(float(number % 180 - 90), 0.0, 0.0)
        return Sample(image_id, lq.astype(np.uint8), gt, identity=f"person-{number // 3}", pose=pose)


def noise_board(**changes: object) -> Board:
    facts = {
        "name": "noise",
        "title": "Noise",
        "summary": "For tests.",
        "ranks": False,
        "dataset": "noise",
        "size": 64,
        "degradation": "given",
        "protocol": "basic-v1",
        "layout": {"batch": 4, "shard": 12},
        "breakdown": [{"by": "yaw", "edges": [-45.0, 45.0]}, {"by": "identity", "groups": 2}],
    }
    return Board.model_validate({**facts, **changes})


def board_file(folder: Path, name: str, count: int, *, protocol: str | Path = "basic-v1", layout: str = "") -> Path:
    """A board for commands, over a folder of small pictures of noise."""
    faces = folder / "faces"
    faces.mkdir()
    noise = Noise(count, 32)
    for image_id in noise.ids:
        write_image(faces / f"{image_id}.png", noise[image_id].gt)
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\ntitle = "t"\nsummary = "s"\ndataset = "{faces}"\nsize = 32\ndegradation = "vqfr-1@32"\n'
        f'protocol = "{protocol}"\n' + (f"layout = {{ {layout} }}\n" if layout else "")
    )
    return path


def noise_stage(count: int, *, metrics: tuple[str, ...] = (), **changes: object) -> Stage:
    board = noise_board(**changes)
    protocol = load_protocol(board.protocol)
    return Stage(
        board=board,
        dataset=Noise(count, board.size),
        dataset_digest=digests.of_data(["noise", count, board.size]),
        recipe=None,
        protocol=protocol.only(metrics) if metrics else protocol,
        has_ground_truth=True,
        has_identity=True,
    )


def folder_of(root: Path, name: str = "run") -> Path:
    return root / name
