"""A weight store filled from the research data, for tests that need real networks."""

from __future__ import annotations

import os
from pathlib import Path

from bfrbench.weights import WeightStore
from tests.shared_data import shared

FILES = {
    "brisque-svm": "brisque_svm.txt",
    "mobilefacenet-arcface": "mobilefacenet_arcface.onnx",
    "niqe-mat": "niqe_modelparameters.mat",
    "niqe-npz": "niqe_pris_params.npz",
    "pfld-68": "pfld_68.onnx",
    "pose-3ddfa-mb05": "pose_3ddfa_mb05.pth",
    "retinaface-mobile0.25": "retinaface_mobilenet0.25.pth",
    "squeezenet1.1-keras": "squeezenet11_imagenet_notop.h5",
    "yunet": "yunet_n_640.onnx",
}
"""Card names, and their files in the research data."""


def shared_store(*names: str, home: Path | None = None) -> WeightStore:
    """An offline store in `home` (the test's own one when None) that holds these files; skips where they are absent."""
    store = WeightStore(home or Path(os.environ["BFRBENCH_HOME"]), offline=True)
    for name in names:
        if store.locate(name) is None:
            store.add(name, shared("weights", FILES[name]))
    return store
