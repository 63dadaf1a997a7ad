"""The libraries get verified files, give what they give on their own, and reach for nothing else."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bfrbench.errors import UnknownName, WeightsError
from bfrbench.studio import render
from bfrbench.weights import WeightStore
from bfrbench.weights.handing import LPIPS_CARDS, inception_network, lpips_network, pyiqa_network
from bfrbench.weights.sealing import sealed
from tests.shared_data import shared
from tests.shared_weights import shared_store
from tests.weights.seeded import seeded_store


def pictures(count: int = 2, size: int = 128) -> torch.Tensor:
    """Rendered faces, N×3×H×W in [0, 1]."""
    crops = [render(identity, 0, size=size).image for identity in range(count)]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def _sliced(name: str) -> str:
    """torchmetrics calls SqueezeNet's slices `slices.0`, lpips calls them `slice1`."""
    head, index, rest = name.split(".", 2)
    return f"slice{int(index) + 1}.{rest}" if head == "slices" else name


@pytest.mark.parametrize(
    "trunk", ["squeeze", pytest.param("alex", marks=pytest.mark.slow), pytest.param("vgg", marks=pytest.mark.slow)]
)
def test_lpips_equals_torchmetrics_with_the_same_numbers(tmp_path, trunk):
    from torchmetrics.functional.image.lpips import _LPIPS

    store = seeded_store(tmp_path, LPIPS_CARDS[trunk][0])
    ours = lpips_network(trunk, store)
    theirs = _LPIPS(pretrained=True, net=trunk, pnet_rand=True, use_dropout=True, eval_mode=True)
    own = ours.net.state_dict()
    renamed = {name: _sliced(name) for name in theirs.net.state_dict()}
    theirs.net.load_state_dict({name: own[renamed[name]] for name in renamed})
    a, b = pictures()
    with torch.inference_mode():
        got = ours(2 * a[None] - 1, 2 * b[None] - 1)
        expected = theirs(2 * a[None] - 1, 2 * b[None] - 1)
    assert got.item() > 0
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-7)


def test_inception_equals_pytorch_fid_with_the_same_numbers(tmp_path, monkeypatch):
    from pytorch_fid import inception

    store = seeded_store(tmp_path, "inception-fid")
    tensors = torch.load(store.path("inception-fid"), weights_only=True)
    monkeypatch.setattr(inception, "load_state_dict_from_url", lambda *_, **__: tensors)
    images = (torch.nn.functional.interpolate(pictures(1), (299, 299)) * 255).round().to(torch.uint8)
    with torch.inference_mode():
        # torch-fidelity scales pixels to (x - 128) / 128, pytorch-fid to 2 x - 1
        (ours,) = inception_network(store)(images)
        theirs = inception.InceptionV3([3], resize_input=False).eval()(images / 256)[0].flatten(1)
    assert ours.shape == (1, 2048)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())


def test_niqe_of_pyiqa_gets_its_parameters_from_the_store():
    score = pyiqa_network("niqe", shared_store("niqe-mat"))(pictures(1, 256))
    assert 2 < score.item() < 12


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("musiq", "musiq-koniq"),
        ("topiq_nr-face", "topiq-nr-face"),
        ("maniqa", "maniqa-koniq"),
        ("clipiqa", "clipiqa-rn50"),
    ],
)
def test_a_metric_of_pyiqa_holds_the_numbers_of_its_file(tmp_path, name, card):
    store = seeded_store(tmp_path, card)
    metric = pyiqa_network(name, store)
    from bfrbench.weights import load_state_dict

    tensors = load_state_dict(store.path(card), key="params" if name == "topiq_nr-face" else None)
    network = metric.net.clip_model[0] if name == "clipiqa" else metric.net
    for key, own in network.state_dict().items():
        if own.is_floating_point() and key in tensors:
            torch.testing.assert_close(own, tensors[key], rtol=1e-3, atol=1e-3 if name == "clipiqa" else 0)
    assert {key for key, own in network.state_dict().items() if own.is_floating_point()} <= tensors.keys()
    with torch.inference_mode():
        assert torch.isfinite(metric(pictures(1, 224)))


def test_a_metric_that_would_fetch_for_itself_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("lpips", "dists", "topiq_nr"):
        with pytest.raises(WeightsError, match=f"pyiqa's {name} tried to use"):
            pyiqa_network(name)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(UnknownName):
        pyiqa_network("nique")


def test_a_cache_that_nobody_verified_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    place.parent.mkdir(parents=True)
    from torchvision.models import alexnet

    torch.save(alexnet(weights=None).state_dict(), place)
    with pytest.raises(WeightsError, match=r"alexnet-owt-7be5be79\.pth, which nobody verified"):
        pyiqa_network("lpips")


def test_a_wrong_file_for_a_network_is_told(tmp_path):
    cards = dict(seeded_store(tmp_path, "squeezenet1.1").cards)
    store = WeightStore(tmp_path, offline=True, cards=cards | {"alexnet": cards["squeezenet1.1"]})
    with pytest.raises(WeightsError, match="is not a LPIPS") as caught:
        lpips_network("alex", store)
    assert "\n" not in str(caught.value)


def test_the_seal_notices_what_a_library_swallows():
    import socket

    def library() -> None:
        try:
            socket.create_connection(("example.org", 80), timeout=1)
        except Exception:
            return

    with pytest.raises(WeightsError, match=r"a library tried to use example\.org"), sealed("a library"):
        library()


def test_under_the_seal_a_library_cannot_unpickle_code_even_if_it_asks_to(tmp_path):
    from tests.weights.test_reading import Bomb

    path, mark = tmp_path / "net.pth", tmp_path / "ran"
    torch.save(Bomb(mark), path)
    with pytest.raises(pickle.UnpicklingError), sealed("a library"):
        torch.load(path, weights_only=False)
    assert not mark.exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_the_seal_is_for_its_thread_alone(server):
    import threading

    import requests

    codes: list[int] = []
    with sealed("a library"):
        thread = threading.Thread(target=lambda: codes.append(requests.get(server.url(), timeout=10).status_code))
        thread.start()
        thread.join()
    assert codes == [200]


TESTS = Path(__file__).resolve().parents[1]
CUT_OFF = """
import socket, sys
asked = []
def refuse(*arguments, **_):
    asked.append(repr(arguments[-1] if len(arguments) > 1 else arguments))
    raise OSError("the network is cut off")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.create_connection = refuse
"""

SEEDED = """
from bfrbench.weights.handing import inception_network, lpips_network
from tests.weights.seeded import seeded_store
store = seeded_store(home, "squeezenet1.1", "inception-fid")
lpips_network("squeeze", store)(tensor, tensor)
inception_network(store)((tensor * 255).to(torch.uint8))
"""

REAL_FILES = ("retinaface-mobile0.25", "mobilefacenet-arcface", "pfld-68", "pose-3ddfa-mb05", "niqe-mat")

REAL = f"""
from bfrbench.faces.detect import load_detector
from bfrbench.faces.align import ARCFACE_112
from bfrbench.faces.landmarks import load_landmarker
from bfrbench.faces.pose import load_pose
from bfrbench.faces.recognise import load_recogniser
from bfrbench.weights.handing import pyiqa_network
from tests.shared_weights import shared_store
store = shared_store(*{REAL_FILES}, home=home)
load_detector("retinaface-mobile0.25", store)(noise)
load_recogniser("mobilefacenet-arcface", store).embed([noise[:112, :112]])
load_landmarker("pfld-68", store)([noise])
load_pose("pose-3ddfa-mb05", store)([noise], [ARCFACE_112])
pyiqa_network("niqe", store)(tensor)
"""

START = """
import types
from pathlib import Path
sys.modules["tests"] = types.ModuleType("tests")  # pyiqa installs a package of that name
sys.modules["tests"].__path__ = [sys.argv[2]]
import numpy as np, torch
home = Path(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
tensor = torch.from_numpy(noise).permute(2, 0, 1)[None].float() / 255
"""


@pytest.mark.parametrize("networks", [pytest.param(SEEDED, id="seeded"), pytest.param(REAL, id="real")])
def test_with_the_network_cut_off_no_library_tries_to_download(tmp_path, networks):
    if networks is REAL:
        shared("weights")
    home = tmp_path / "home"
    home.mkdir()
    script = CUT_OFF + START + networks + 'print("asked:", asked)'
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "store"), str(TESTS)],
        env=os.environ | {"HOME": str(home), "TORCH_HOME": str(home / "torch"), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.splitlines()[-1] == "asked: []"
    weights = [path for path in home.rglob("*") if path.suffix in (".pth", ".pt", ".onnx", ".mat", ".zip", ".part")]
    assert weights == []
