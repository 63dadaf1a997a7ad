"""Real networks and real faces, opened once for the whole folder of tests."""

from __future__ import annotations

import numpy as np
import pytest

from bfrbench.faces.detect import FaceDetector, load_detector
from bfrbench.imaging.read import decode_image, read_image
from bfrbench.weights import WeightStore
from tests.shared_data import faces_hq, shared
from tests.shared_weights import shared_store

Image = np.ndarray


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> WeightStore:
    names = ("retinaface-mobile0.25", "yunet", "mobilefacenet-arcface", "pfld-68", "pose-3ddfa-mb05")
    return shared_store(*names, home=tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def retinaface(store: WeightStore) -> FaceDetector:
    return load_detector("retinaface-mobile0.25", store)


@pytest.fixture(scope="session")
def yunet(store: WeightStore) -> FaceDetector:
    return load_detector("yunet", store)


@pytest.fixture(scope="session")
def portraits() -> list[Image]:
    """Some of the sharp aligned faces."""
    return [read_image(path) for path in faces_hq(125)[::8]]


@pytest.fixture(scope="session")
def photographs() -> list[Image]:
    """Real photographs with one face, many faces, none that is aligned."""
    paths = sorted(shared("faces_wild").glob("*_whole*"))
    return [image for image in map(read_image, paths[::3]) if max(image.shape) <= 1300]


@pytest.fixture(scope="session")
def lfw() -> list[tuple[Image, np.ndarray, float]]:
    """Faces of Labeled Faces in the Wild: image, five points, sideways offset of the nose."""
    import pandas as pd

    table = pd.read_parquet(shared("lfw128", "test.parquet")).sample(120, random_state=0)
    return [
        (decode_image(row.image["bytes"], row.id), np.asarray(row.landmarks, np.float32).reshape(5, 2), row.nose_offset)
        for row in table.itertuples()
    ]
