"""Evidence that metrics are right: parity with other people's code, and a fall with every kind of damage.

    python benchmarks/metric_evidence.py [--faces 12] [--size 256] [--figure docs/figures/metrics_severity.svg]

Faces, recogniser, landmarks and NIQE's model come from the research data; LPIPS' trunk and Inception get seeded random
numbers, the same through both implementations.
"""

from __future__ import annotations

import argparse
import os
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_tests = types.ModuleType("tests")  # pyiqa installs a package of that name, which would be found instead of ours
_tests.__path__ = [str(Path(__file__).resolve().parents[1] / "tests")]
sys.modules["tests"] = _tests
warnings.filterwarnings("ignore")
os.environ.setdefault("BFRBENCH_OFFLINE", "1")

PLANES = {"colour": "rgb", "rounded": False, "crop": 0, "match_colour": False}
LUMA = {"colour": "y-full", "rounded": True}
LEVELS = 6


def parity(restored: Any, gt: Any, store: Any) -> list[tuple[str, str, float, float, float]]:
    """Metric, rival, our mean, theirs, and the largest relative difference of an image."""
    import pyiqa
    import torch
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    from bfrbench.metrics.lpips import Lpips, LpipsChoices
    from bfrbench.metrics.ms_ssim import MsSsimChoices, ms_ssim
    from bfrbench.metrics.niqe import Niqe, NiqeChoices, read_model
    from bfrbench.metrics.psnr import PsnrChoices, psnr
    from bfrbench.metrics.ssim import SsimChoices, ssim
    from bfrbench.plugins import PluginHost
    from tests.metrics.real_pairs import hwc, scored

    pairs = list(zip(map(hwc, restored), map(hwc, gt), strict=True))
    options = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    exact = PsnrChoices(**PLANES, epsilon=0.0)
    capped = PsnrChoices(**PLANES, epsilon=1e-8)
    model = [torch.from_numpy(table) for table in read_model(store.path("niqe-mat"))]
    fixed = NiqeChoices(weights="niqe-mat", crop=0, window="float32", **LUMA)
    rival_niqe = pyiqa.create_metric("niqe", pretrained_model_path=str(store.path("niqe-mat")))
    spec = PluginHost().metrics()["lpips"].spec
    lpips_rows = Lpips(spec, LpipsChoices(net="alex", range="-1..1", channels="rgb"), 0.0).open(store, "cpu")
    rgb, luma = SsimChoices(**PLANES, negative="keep"), SsimChoices(**PLANES | LUMA, negative="zero")
    pad = MsSsimChoices(**PLANES | LUMA, odd_sides="pad", when_small="fail")
    found: list[tuple[str, str, Any, Any]] = [
        ("PSNR", "scikit-image", psnr(restored, gt, exact), [peak_signal_noise_ratio(b, a) for a, b in pairs]),
        ("PSNR, epsilon 1e-8", "pyiqa", psnr(restored, gt, capped), pyiqa.create_metric("psnr")(restored, gt)),
        ("SSIM", "scikit-image", ssim(restored, gt, rgb), [structural_similarity(b, a, **options) for a, b in pairs]),
        ("SSIM, luma, clipped", "pyiqa", ssim(restored, gt, luma), pyiqa.create_metric("ssim")(restored, gt)),
        ("MS-SSIM, luma, padded", "pyiqa", ms_ssim(restored, gt, pad), pyiqa.create_metric("ms_ssim")(restored, gt)),
        ("NIQE, luma, float32 window", "pyiqa", Niqe(fixed, *model)(gt), rival_niqe(gt)),
        (
            "LPIPS-alex, seeded trunk",
            "lpips",
            [row.value for row in lpips_rows.rows(scored(restored, gt))],
            library_lpips(store)(restored * 2 - 1, gt * 2 - 1),
        ),
        *identity_parity(restored, gt, store),
        *inception_parity(restored, store),
    ]
    return [_line(*one) for one in found]


def _line(metric: str, rival: str, ours: Any, theirs: Any) -> tuple[str, str, float, float, float]:
    a, b = (np.asarray(side, dtype=float).ravel() for side in (ours, theirs))
    return metric, rival, float(a.mean()), float(b.mean()), float((np.abs(a - b) / np.abs(b).max()).max())


def library_lpips(store: Any) -> Any:
    """The lpips package as a user builds it, with the seeded trunk in it."""
    import lpips

    from bfrbench.weights import load_state_dict

    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    trunk = load_state_dict(store.path("alexnet"))
    network.net.load_state_dict({name: trunk["features." + name.split(".", 1)[1]] for name in network.net.state_dict()})
    return network


def identity_parity(restored: Any, gt: Any, store: Any) -> list[tuple[str, str, Any, Any]]:
    """The same five points through both, since detectors differ in more than recognisers do."""
    from insightface.model_zoo import get_model
    from insightface.utils.face_align import norm_crop

    from bfrbench.faces.detect import load_detector
    from tests.metrics.real_pairs import hwc, scored

    rows = face_measure(store).rows(scored(restored, gt))
    library = get_model(str(store.path("mobilefacenet-arcface")), providers=["CPUExecutionProvider"])
    detector = load_detector("yunet", store)
    theirs = []
    for ours, truth in zip(map(hwc, restored), map(hwc, gt), strict=True):
        points = detector(truth)[0].points
        a, b = (library.get_feat(norm_crop(side[..., ::-1].copy(), points, 112)).ravel() for side in (ours, truth))
        theirs.append(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
    return [("identity cosine, MobileFaceNet", "insightface", [row.value for row in rows], theirs)]


def face_measure(store: Any) -> Any:
    from bfrbench.metrics.identity import FacePairs, IdentityChoices

    fixed = {"engine": "mobilefacenet-arcface", "align": "gt", "points": "given", "detector": "yunet"}
    return FacePairs(IdentityChoices(**fixed), store, "cpu")


def inception_parity(images: Any, store: Any) -> list[tuple[str, str, Any, Any]]:
    import torch
    from pytorch_fid import inception

    from bfrbench.metrics.inception import InceptionChoices, InceptionNetwork
    from bfrbench.weights.handing import inception_network

    tensors = torch.load(store.path("inception-fid"), weights_only=True)
    inception.load_state_dict_from_url = lambda *_, **__: tensors
    some = images[:4]
    with torch.inference_mode():
        (fidelity,) = inception_network(store)(some.mul(255).round().byte())
        fid = inception.InceptionV3([3]).eval()(some)[0].flatten(1)
    first = InceptionNetwork(InceptionChoices(resize="tensorflow-1", scale="128", precision="float32"), store, "cpu")
    second = InceptionNetwork(InceptionChoices(resize="torch", scale="127.5", precision="float32"), store, "cpu")
    return [
        ("Inception features, seeded", "torch-fidelity", first(some), fidelity),
        ("Inception features, seeded", "pytorch-fid", second(some), fid),
    ]


def damages() -> dict[str, Callable[[Any, int], Any]]:
    """Four kinds of damage to an H×W×3 uint8 face, from level 1 to LEVELS."""
    import cv2

    def blur(image: Any, level: int) -> Any:
        return cv2.GaussianBlur(image, (0, 0), 0.6 * level)

    def downsample(image: Any, level: int) -> Any:
        height, width = image.shape[:2]
        small = cv2.resize(image, (width // (1 + level), height // (1 + level)), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)

    def noise(image: Any, level: int) -> Any:
        grain = np.random.default_rng(0).normal(0, 7 * level, image.shape)
        return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)

    def jpeg(image: Any, level: int) -> Any:
        quality = (70, 45, 25, 14, 8, 4)[level - 1]
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)

    return {"blur": blur, "downsampling": downsample, "noise": noise, "JPEG": jpeg}


def falls(gt: Any, store: Any) -> dict[str, dict[str, list[float]]]:
    """By damage and metric: the mean over faces at each level."""
    import torch

    from bfrbench.faces.landmarks import load_landmarker
    from bfrbench.imaging.convert import to_tensor
    from bfrbench.metrics.landmarks import LandmarkPairs
    from bfrbench.metrics.ms_ssim import MsSsimChoices, ms_ssim
    from bfrbench.metrics.psnr import PsnrChoices, psnr
    from bfrbench.metrics.ssim import SsimChoices, ssim
    from tests.metrics.real_pairs import hwc, scored

    faces, points = face_measure(store), LandmarkPairs(load_landmarker("pfld-68", store), "eye-distance")
    fixed = PsnrChoices(**PLANES, epsilon=0.0)
    plain, scales = SsimChoices(**PLANES, negative="keep"), MsSsimChoices(**PLANES, odd_sides="drop", when_small="fail")
    found: dict[str, dict[str, list[float]]] = {}
    for damage, spoil in damages().items():
        curves = found.setdefault(damage, {})
        for level in range(1, LEVELS + 1):
            restored = torch.stack([to_tensor(spoil(hwc(one), level)) for one in gt])
            rows = {"identity": faces.rows(scored(restored, gt)), "LMD, % of eyes": points.rows(scored(restored, gt))}
            now = {
                "PSNR, dB": psnr(restored, gt, fixed).mean().item(),
                "SSIM": ssim(restored, gt, plain).mean().item(),
                "MS-SSIM": ms_ssim(restored, gt, scales).mean().item(),
                **{name: float(np.mean([row.value for row in some])) for name, some in rows.items()},
            }
            for name, value in now.items():
                curves.setdefault(name, []).append(value)
    return found


def draw(found: dict[str, dict[str, list[float]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "bfrbench"
    from matplotlib import pyplot

    names = list(next(iter(found.values())))
    figure, axes = pyplot.subplots(1, len(names), figsize=(3 * len(names), 2.8), constrained_layout=True)
    for axis, name in zip(axes, names, strict=True):
        for damage, curves in found.items():
            axis.plot(range(1, LEVELS + 1), curves[name], marker="o", markersize=3, label=damage)
        axis.set_title(name)
        axis.set_xlabel("severity")
    axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=12)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    import tempfile

    import torch

    from bfrbench.weights import WeightStore
    from tests.metrics.real_pairs import faces, spoilt
    from tests.shared_weights import shared_store
    from tests.weights.seeded import seeded_store

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        home = Path(folder)
        seeded = seeded_store(home, "alexnet", "inception-fid")
        real = shared_store("mobilefacenet-arcface", "yunet", "pfld-68", "niqe-mat", home=home)
        store = WeightStore(home, offline=True, cards={**real.cards, **seeded.cards})
        gt = faces(arguments.faces, arguments.size)
        print("| metric | against | ours | theirs | largest difference |\n|---|---|---|---|---|")
        for metric, rival, ours, theirs, off in parity(spoilt(gt), gt, store):
            print(f"| {metric} | {rival} | {ours:.6f} | {theirs:.6f} | {off:.1e} |")
        found = falls(gt, store)
    print("\n| damage | metric | " + " | ".join(str(level) for level in range(1, LEVELS + 1)) + " | monotone |")
    print("|---|---|" + "---|" * (LEVELS + 1))
    for damage, curves in found.items():
        for name, values in curves.items():
            steps = np.diff(values) * (1 if name.startswith("LMD") else -1)
            told = " | ".join(f"{value:.3f}" for value in values)
            print(f"| {damage} | {name} | {told} | {'yes' if (steps > 0).all() else 'no'} |")
    if arguments.figure:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
