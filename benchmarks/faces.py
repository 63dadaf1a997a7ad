"""Detection, alignment and recognition per image: ours in batches against the libraries one image at a time.

Run: python benchmarks/faces.py [--images 64] [--batch 16] [--repeats 3] [--threads 2]
It needs the research data (`BFRBENCH_SHARED_DATA`): real faces and real weights. Rounds alternate between the
two, so that a busy machine slows both; the table gives the median round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bfrbench.cli.output import print_table
from bfrbench.faces.detect import load_detector
from bfrbench.faces.recognise import load_recogniser
from bfrbench.imaging.read import read_image
from bfrbench.weights import WeightStore

DATA = Path(os.environ.get("BFRBENCH_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
Image = np.ndarray


def main() -> None:
    """Measure every step on both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = [read_image(path) for path in sorted((DATA / "faces_hq").glob("*.jpg"))[: options.images]]
    with tempfile.TemporaryDirectory() as home:
        steps = _steps(images, options.batch, Path(home))
        rows = [_row(name, *pair, len(images), options.repeats) for name, pair in steps.items()]
    columns = ["step", "libraries, ms an image", "bfrbench, ms an image", "ratio"]
    print_table(columns, rows, title=f"{len(images)} faces of 512×512, batches of {options.batch}")


def _steps(images: list[Image], batch: int, home: Path) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """For each step: the libraries' way and ours. Both load their networks before the clock starts."""
    from facexlib.detection.retinaface import RetinaFace
    from insightface.model_zoo import get_model
    from insightface.utils import face_align

    store = WeightStore(home, offline=True)
    for name, file in (
        ("retinaface-mobile0.25", "retinaface_mobilenet0.25.pth"),
        ("mobilefacenet-arcface", "mobilefacenet_arcface.onnx"),
    ):
        store.add(name, DATA / "weights" / file)
    detector = load_detector("retinaface-mobile0.25", store)
    engine = load_recogniser("mobilefacenet-arcface", store)
    points = [faces[0].points for faces in detector.batch(images)]
    network = RetinaFace(network_name="mobile0.25", device="cpu")
    network.load_state_dict(detector.network.state_dict())  # type: ignore[attr-defined]
    arcface = get_model(str(store.path("mobilefacenet-arcface")), providers=["CPUExecutionProvider"])
    bgr = [np.ascontiguousarray(image[..., ::-1]) for image in images]

    def their_detection() -> None:
        with torch.inference_mode():
            for image in bgr:
                network.detect_faces(image)

    def our_detection() -> None:
        for start in range(0, len(images), batch):
            detector.batch(images[start : start + batch])

    def their_recognition() -> None:
        for image, five in zip(bgr, points, strict=True):
            arcface.get_feat(face_align.norm_crop(image, five, 112))

    def our_recognition() -> None:
        for start in range(0, len(images), batch):
            pairs = zip(images[start : start + batch], points[start : start + batch], strict=True)
            engine.embed([engine.crop(image, five) for image, five in pairs])

    def their_whole() -> None:
        their_detection()
        their_recognition()

    def our_whole() -> None:
        our_detection()
        our_recognition()

    return {
        "detection (RetinaFace mobile 0.25)": (their_detection, our_detection),
        "alignment and recognition (ArcFace ONNX)": (their_recognition, our_recognition),
        "all of it": (their_whole, our_whole),
    }


def _row(
    name: str, theirs: Callable[[], Any], ours: Callable[[], Any], count: int, repeats: int
) -> tuple[str, str, str, str]:
    their_times, our_times = [], []
    for _ in range(repeats):
        for run, times in ((theirs, their_times), (ours, our_times)):
            started = time.perf_counter()
            run()
            times.append((time.perf_counter() - started) / count * 1e3)
    slow, fast = statistics.median(their_times), statistics.median(our_times)
    return name, f"{slow:.1f}", f"{fast:.1f}", f"{slow / fast:.2f}"


if __name__ == "__main__":
    main()
