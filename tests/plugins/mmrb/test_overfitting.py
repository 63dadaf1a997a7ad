"""Whether the whole network can learn at all: eight real faces by heart, with the recipe's own optimiser."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from bfrbench.imaging.read import read_image
from bfrbench.imaging.write import write_image
from bfrbench.training import start
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order
from tests.shared_data import faces_hq

SUPERVISED = [
    "run.images=960",
    "run.batch=8",
    "run.workers=0",
    "run.cache=ram",
    "run.flip=false",
    "run.log_every=8",
    "run.checkpoint_every=960",
    "run.sample_every=10000",
    "run.validate_every=10000",
    "degradation=vqfr-1@64",
    "task.narrow=0.125",
    "task.prior=none",
    "task.l1=1.0",
    "task.perceptual=0",
    "task.adversarial=0",
    "task.pyramid=0",
    "task.warm_up=false",
    "task.teacher=false",
    "task.two_views=false",
    "task.teacher_until=1.0",
]
"""L1 alone, with the (untrained) prior held still: what learns is the codec."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_eight_faces_are_learnt_to_a_quarter_of_the_first_l1_in_120_steps(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    for number, path in enumerate(faces_hq(8)):
        face = cv2.resize(read_image(path), (64, 64), interpolation=cv2.INTER_AREA)
        write_image(tmp_path / "faces" / f"{number}.png", face)  # type: ignore[arg-type]
    start.train(Order.of("mmrb@64", [str(tmp_path / "faces")], sets=SUPERVISED), tmp_path / "run")
    l1 = [line["restorer/l1"] for line in read_stats(tmp_path / "run")]
    assert len(l1) == 120
    assert sum(l1[-5:]) / 5 < 0.25 * l1[0]
