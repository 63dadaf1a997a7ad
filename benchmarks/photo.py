"""The photograph road on real photographs: faces found, seconds of each stage, and the seam against a plain rectangle.

Run: python benchmarks/photo.py [--with bicubic] [--detector retinaface-mobile0.25] [--threads 2]
It needs the research data (`BFRBENCH_SHARED_DATA`). Seam: what a paste adds to the picture's gradient (mean over
the pixels where the crop ends, in levels a pixel), with faces made 20 levels brighter so that every paste shows.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

import bfrbench
from bfrbench.cli.output import print_table
from bfrbench.faces.align import FFHQ_512, similarity, warp
from bfrbench.faces.detect import load_detector
from bfrbench.faces.paste import footprint, paste, soft_mask
from bfrbench.imaging.read import read_image
from bfrbench.photo.restore import PhotoRestorer
from bfrbench.weights import WeightStore

if TYPE_CHECKING:
    from bfrbench.contracts import Points
    from bfrbench.faces.paste import Mask

DATA = Path(os.environ.get("BFRBENCH_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
FILES = {"retinaface-mobile0.25": "retinaface_mobilenet0.25.pth", "yunet": "yunet_n_640.onnx"}
Image = np.ndarray


def main() -> None:
    """Restore every whole photograph and print what it cost and how well the pastes are hidden."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--with", dest="restorer", default="bicubic")
    parser.add_argument("--detector", default="retinaface-mobile0.25", choices=sorted(FILES))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = [read_image(path) for path in sorted((DATA / "faces_wild").glob("*_whole*"))]
    with tempfile.TemporaryDirectory() as home:
        store = WeightStore(Path(home), offline=True)
        store.add(options.detector, DATA / "weights" / FILES[options.detector])
        photo = PhotoRestorer(bfrbench.load_restorer(options.restorer), load_detector(options.detector, store))
        faces, seams, seconds = 0, [], Counter[str]()
        for image in images:
            result = photo(image)
            faces += result.faces
            seconds.update(result.seconds)
            assert photo.detector is not None
            seams += [_seams(image, face.points) for face in photo.detector(image)]
    soft, hard = np.median(np.array(seams), axis=0)
    rows = [(stage, f"{total / len(images):.3f}") for stage, total in seconds.items()]
    print_table(["stage", "seconds a photograph"], rows, title=f"{len(images)} photographs, {faces} faces")
    print(f"seam, levels a pixel: soft mask {soft:.2f}, rectangle {hard:.2f}, ratio {hard / soft:.1f}")


def _seams(image: Image, points: Points) -> tuple[float, float]:
    """The gradient that a brighter face adds where the soft mask falls, and where a rectangle ends."""
    matrix = similarity(points, FFHQ_512)
    crop = warp(image, matrix, (512, 512), border="mirror", filter="cubic", shrink=True)
    bright = np.clip(crop.astype(int) + 20, 0, 255).astype(np.uint8)
    soft = soft_mask(512)
    return _seam(image, bright, matrix, soft), _seam(image, bright, matrix, np.ones_like(soft))


def _seam(image: Image, face: Image, matrix: np.ndarray, mask: Mask) -> float:
    out = image.copy()
    paste(out, face, matrix, mask)
    share = footprint(image.shape, matrix, mask)
    ring = (np.abs(_gradient(share)) > 1e-3) & (cv2.boxFilter(share, -1, (3, 3)) > 0)
    added = _gradient((out.astype(np.float32) - image).mean(axis=2))
    return float(np.abs(added)[ring].mean()) if ring.any() else 0.0


def _gradient(plane: Image) -> Image:
    gx, gy = np.gradient(plane)
    return np.hypot(gx, gy)


if __name__ == "__main__":
    main()
