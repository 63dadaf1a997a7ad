"""All metrics in one pass, beside the bare time of their networks and beside what a user runs today.

    python benchmarks/metrics.py [--images 200] [--only passes|frechet|subsets|memory]
    python benchmarks/metrics.py --only passes --device cuda --images 100
    python benchmarks/metrics.py --only scale --images 20000 --metric kid-gt

`scale` times the interval of one metric over a large set: 100 halves, of which some are measured and the rest reckoned.

Faces come from the research data (`BFRBENCH_SHARED_DATA`). AlexNet and Inception get seeded random numbers where
their published files are not in the store: time does not depend on what they hold.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
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

METRICS = ("psnr", "ssim", "lpips-alex", "niqe", "fid-gt", "ids")
ENGINE, DETECTOR = "mobilefacenet-arcface", "yunet"
BATCH = 8


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = what()
    return time.perf_counter() - started, answer


def clocked(what: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of CPU time in all threads: what a busy machine distorts least."""
    wait()
    began, work = time.perf_counter(), time.process_time()
    what()
    wait()
    return time.perf_counter() - began, time.process_time() - work


def wait() -> None:
    """Until a GPU has done what it was given."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def protocol() -> Any:
    """bfrbench-v1's choices for the six metrics, with the recogniser and detector that are here."""
    import tomllib
    from importlib.resources import files

    from bfrbench.metrics.protocol import parse_protocol

    data = tomllib.loads((files("bfrbench.metrics") / "protocols" / "bfrbench-v1.toml").read_text("utf-8"))
    data["metrics"] = {name: data["metrics"][name] for name in METRICS}
    data["metrics"]["fid-gt"]["choices"]["reference"]["take"] = "own"
    data["metrics"]["ids"]["choices"]["engine"]["take"] = ENGINE
    data["metrics"]["ids"]["choices"]["detector"]["take"] = DETECTOR
    return parse_protocol(data, where="benchmark")


def make_store(home: Path) -> Any:
    from bfrbench.weights import WeightStore
    from tests.shared_weights import shared_store
    from tests.weights.seeded import seeded_store

    seeded = seeded_store(home, "alexnet", "inception-fid")
    real = shared_store(ENGINE, DETECTOR, "niqe-npz", "niqe-mat", home=home)
    return WeightStore(home, offline=True, cards={**real.cards, **seeded.cards})


def write_faces(folder: Path, count: int) -> tuple[Path, Path]:
    """`count` sharp faces and spoilt copies of them, 512 px PNG; mirrored where there are not enough."""
    from PIL import Image, ImageOps

    from tests.shared_data import shared

    found = sorted(shared("faces_hq").glob("*.jpg"))
    restored, gt = folder / "restored", folder / "gt"
    for place in (restored, gt):
        place.mkdir()
    for index in range(count):
        face = Image.open(found[index % len(found)]).convert("RGB").resize((512, 512))
        face = ImageOps.mirror(face) if index >= len(found) else face
        face.save(gt / f"{index:05}.png", compress_level=1)
        face.resize((160, 160)).resize((512, 512)).save(restored / f"{index:05}.png", compress_level=1)
    return restored, gt


def ours(restored: Path, gt: Path, store: Any, scorer: Any) -> Any:
    from bfrbench.metrics.finaliser import Context
    from bfrbench.metrics.folders import pair_folders
    from bfrbench.metrics.scoring import Folding, _on

    folding = Folding(scorer.metrics)
    for batch in pair_folders(restored, {"gt": gt}).batches(BATCH):
        folding.add(scorer.rows(_on(batch, scorer.device)))
    return {one.name: folding.value(one, Context()) for one in scorer.metrics if one.name != "fid-gt"}


def bare_networks(batches: list[Any], store: Any, device: str) -> Callable[[], None]:
    """Only the networks, on pictures that are decoded, resized and cut out already."""
    import torch

    from bfrbench.faces.align import ARCFACE_112, similarity, warp
    from bfrbench.faces.detect import detector_device, load_detector, main_face
    from bfrbench.faces.recognise import load_recogniser
    from bfrbench.imaging.convert import from_batch
    from bfrbench.metrics.inception import InceptionChoices, InceptionNetwork
    from bfrbench.weights.handing import lpips_network

    lpips, detector, engine = (
        lpips_network("alex", store).to(device),
        load_detector(DETECTOR, store, detector_device(DETECTOR, device)),
        load_recogniser(ENGINE, store, device),
    )
    inception = InceptionNetwork(
        InceptionChoices(resize="tensorflow-1", scale="128", precision="float32"), store, device
    )
    prepared = []
    for batch in batches:
        truth = from_batch(batch.gt)
        crops = []
        for side in (from_batch(batch.restored), truth):
            for picture, known in zip(side, truth, strict=True):
                face = main_face(detector(known), (512, 512))
                crops.append(warp(picture, similarity(face.points, ARCFACE_112), (112, 112)))
        small = torch.nn.functional.interpolate(batch.restored, (299, 299))
        sides = (batch.restored * 2 - 1, batch.gt * 2 - 1, small)
        prepared.append((*(side.to(device) for side in sides), truth, crops))

    def run() -> None:
        with torch.inference_mode():
            for a, b, small, truth, crops in prepared:
                lpips(a, b)
                inception(small)
                detector.batch(truth)
                engine.embed(crops)

    return run


def as_users_do(restored: Path, gt: Path, store: Any, device: str) -> Callable[[], None]:
    """pyiqa and lpips per metric and image, pytorch-fid over the folder, insightface per image; files read anew.

    On a GPU all but insightface: onnxruntime without its GPU package runs on the CPU, and that is what users have.
    """
    import cv2
    import pyiqa
    import torch
    from insightface.model_zoo import get_model
    from insightface.utils.face_align import norm_crop
    from pytorch_fid import fid_score, inception

    from bfrbench.weights.handing import pyiqa_network

    metrics = {name: pyiqa.create_metric(name, device=device) for name in ("psnr", "ssim")}
    metrics["niqe"] = pyiqa_network("niqe", store, device)
    metrics["lpips"] = _lpips_of_files(store, device)
    tensors = torch.load(store.path("inception-fid"), weights_only=True)
    inception.load_state_dict_from_url = lambda *_, **__: tensors
    network = inception.InceptionV3([3]).eval().to(device)
    recogniser = get_model(str(store.path(ENGINE)), providers=["CPUExecutionProvider"])
    detector = cv2.FaceDetectorYN.create(str(store.path(DETECTOR)), "", (512, 512))
    files = sorted(restored.glob("*.png"))

    def run() -> None:
        for name, metric in metrics.items():
            for file in files:
                metric(str(file)) if name == "niqe" else metric(str(file), str(gt / file.name))
        fid_score.get_activations([str(file) for file in files], network, BATCH, 2048, device, 0)
        for file in files:
            truth = cv2.imread(str(gt / file.name))
            face = detector.detect(truth)[1][0]
            points = face[4:14].reshape(5, 2)
            for image in (cv2.imread(str(file)), truth):
                recogniser.get_feat(norm_crop(image, points, 112))

    return run


def _lpips_of_files(store: Any, device: str) -> Any:
    """The lpips package on two files, as its README has it; pyiqa's copy would download its own trunk."""
    import torch
    from pyiqa.utils.img_util import imread2tensor

    from bfrbench.weights.handing import lpips_network

    network = lpips_network("alex", store).to(device)

    def run(first: str, second: str) -> Any:
        with torch.inference_mode():
            sides = (imread2tensor(path, rgb=True).unsqueeze(0).to(device) * 2 - 1 for path in (first, second))
            return network(*sides)

    return run


def passes(count: int, repeats: int, device: str) -> None:
    import torch

    from bfrbench.metrics import Scorer
    from bfrbench.metrics.folders import pair_folders

    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "home")
        restored, gt = write_faces(Path(folder), count)
        scorer = Scorer(protocol(), device, store=store)
        bare = bare_networks(list(pair_folders(restored, {"gt": gt}).batches(BATCH)), store, device)
        users = as_users_do(restored, gt, store, device)
        ours(restored, gt, store, scorer)
        ways = (lambda: ours(restored, gt, store, scorer), bare, users)
        rounds = [[clocked(way) for way in ways] for _ in range(repeats)]  # in turns: other work comes and goes
    one_pass, networks, today = ([min(each) for each in zip(*way, strict=True)] for way in zip(*rounds, strict=True))
    print(
        f"{count} faces of 512 px, PSNR, SSIM, LPIPS-alex, NIQE, Inception features, identity; "
        f"{device}, {torch.get_num_threads()} threads, batch {BATCH}, best of {repeats}"
    )
    if device != "cpu":
        print(
            f"on {torch.cuda.get_device_name(device)}; YuNet is OpenCV's, on the CPU; "
            "users' insightface is on onnxruntime's CPU"
        )
    print("| what | ms an image | ratio to ours | CPU ms an image | ratio to ours |\n|---|---|---|---|---|")
    for what, found in (("ours, one pass", one_pass), ("its networks alone", networks), ("as users do it", today)):
        cells = (f"{1000 * mine / count:.0f} | {mine / one:.2f}" for mine, one in zip(found, one_pass, strict=True))
        print(f"| {what} | {' | '.join(cells)} |")
    for clock, ours_, bare_, users_ in zip(("clock", "CPU"), one_pass, networks, today, strict=True):
        print(f"by {clock}: {ours_ / bare_:.2f} times its networks, {users_ / ours_:.2f} times as fast as users' way")


def frechet_distance() -> None:
    import scipy.linalg

    from bfrbench.metrics.frechet import frechet, of_features

    stream, dimensions = np.random.default_rng(0), 2048
    spectrum = np.arange(1, dimensions + 1) ** -0.4
    turn = np.linalg.qr(stream.standard_normal((dimensions, dimensions)))[0]

    def features(count: int) -> Any:
        return ((stream.standard_normal((count, dimensions)) * spectrum) @ turn.T).astype(np.float32)

    reference = of_features(features(6000))
    frechet(of_features(features(10)), of_features(features(10)))  # loads torch
    cached = timed(lambda: reference.root)[0]
    print(f"Fréchet distance at {dimensions} dimensions; the reference's root, once: {cached:.1f} s")
    print("| N | ours, s | scipy sqrtm, s | ratio | relative difference |\n|---|---|---|---|---|")
    for count in (180, 1711, 3000):
        own = features(count)
        seconds, distance = timed(lambda own=own: frechet(of_features(own), reference))

        def sqrtm(own: Any = own) -> float:
            covariance = np.cov(own, rowvar=False)
            root = scipy.linalg.sqrtm(covariance @ reference.covariance).real
            apart = own.mean(0, dtype=float) - reference.mean
            return float(apart @ apart + np.trace(covariance) + reference.trace - 2 * np.trace(root))

        theirs, expected = timed(sqrtm)
        off = abs(distance - expected) / expected
        print(f"| {count} | {seconds:.2f} | {theirs:.2f} | {theirs / seconds:.1f} | {off:.1e} |")


def subsets(draws: int = 5) -> None:
    """What an interval asks for: the number of random halves of the same rows."""
    from bfrbench.contracts import Row
    from bfrbench.metrics import Context, load_protocol

    stream, dimensions, count = np.random.default_rng(0), 2048, 1711
    spectrum = np.arange(1, dimensions + 1) ** -0.4
    pairs = (stream.standard_normal((count, 2, dimensions)) * spectrum).astype(np.float32)
    rows = [Row(str(index), feature=pair) for index, pair in enumerate(pairs)]
    print(f"{draws} random halves of {count} images\n| metric | each anew, s | together, s | ratio | difference |")
    print("|---|---|---|---|---|")
    for name in ("fid-gt", "kid-gt"):
        finaliser = load_protocol("bfrbench-v1").metric(name).kind.finaliser
        halves = [np.sort(stream.choice(count, count // 2, replace=False)) for _ in range(draws)]

        def anew(finaliser: Any = finaliser, halves: Any = halves) -> list[float]:
            folded = (finaliser.fold([rows[at] for at in half]) for half in halves)
            return [finaliser.value(state, Context()).value for state in folded]

        def together(finaliser: Any = finaliser, halves: Any = halves) -> list[float]:
            over = finaliser.over(rows, Context())
            return [over(half) for half in halves]

        (slow, first), (fast, second) = timed(anew), timed(together)
        off = max(abs(a - b) / abs(a) for a, b in zip(first, second, strict=True))
        print(f"| {name} | {slow:.2f} | {fast:.2f} | {slow / fast:.1f} | {off:.0e} |")


SCALED = ("kid-gt", "precision", "recall", "density", "coverage", "verification")
HALVES = 100


def scale(count: int, name: str, dimensions: int, *, measured: int = 5) -> None:
    """An interval's halves: each from its rows anew, as was done before, and all from what is worked out once."""
    import psutil

    from bfrbench.contracts import Row
    from bfrbench.metrics import Context, load_protocol
    from bfrbench.metrics.coverage import Manifolds
    from bfrbench.metrics.finaliser import Finaliser
    from bfrbench.metrics.kid import KernelDistance

    stream = np.random.default_rng(0)
    spectrum = np.arange(1, dimensions + 1) ** -1.0
    truth = stream.standard_normal((count, dimensions)) * spectrum
    near = 0.8 * truth + 0.5 * stream.standard_normal((count, dimensions)) * spectrum + 0.2 * spectrum
    pairs = np.stack([near, truth], 1).astype(np.float32)
    choices = load_protocol("bfrbench-v1").metric(name).kind.choices
    finaliser: Finaliser[Any]
    if name == "verification":
        pairs /= np.linalg.norm(pairs, axis=2, keepdims=True)
        finaliser = load_protocol("bfrbench-v1").metric(name).kind.finaliser
    else:
        finaliser = (KernelDistance if name == "kid-gt" else Manifolds)(None, choices, (-1, dimensions))
    rows = [Row(str(index), feature=pair) for index, pair in enumerate(pairs)]
    halves = [np.sort(stream.choice(count, count // 2, replace=False)) for _ in range(measured)]

    def anew() -> float:
        if name == "verification":
            return dense_rate(pairs[halves[0]], choices.false_accepts)
        return finaliser.value(finaliser.fold([rows[at] for at in halves[0]]), Context()).value

    process = psutil.Process()
    once, before = timed(anew)
    start = process.memory_info().rss
    build, over = timed(lambda: finaliser.over(rows, Context()))
    each, after = timed(lambda: [over(half) for half in halves])
    held = (process.memory_info().rss - start) / 2**20
    new, old = build + HALVES * each / measured, HALVES * once
    cells = (f"{old:,.0f}", f"{new:.0f}", f"{build:.1f}", f"{each / measured:.2f}", f"{old / new:.0f}", f"{held:.0f}")
    print(f"{HALVES} halves of {count} images of {dimensions} features")
    print("| metric | before, s | now, s | of which once | each half | ratio | MiB held | before | now |")
    print(f"|{'---|' * 9}")
    print(f"| {name} | {' | '.join(cells)} | {before:.8g} | {after[0]:.8g} |")


def dense_rate(pairs: Any, false_accepts: float) -> float:
    """The rate with the threshold read off the matrix of all cosines, as it was before."""
    cosines = pairs[:, 1] @ pairs[:, 1].T
    other = cosines[np.triu(np.ones(cosines.shape, dtype=bool), 1)]
    return float((np.einsum("nd,nd->n", pairs[:, 0], pairs[:, 1]) > np.quantile(other, 1 - false_accepts)).mean())


def memory() -> None:
    import psutil

    from bfrbench.contracts import Row
    from bfrbench.metrics import load_protocol
    from bfrbench.metrics.scoring import Folding

    part = load_protocol("difface").only(["fid-gt"])
    folding, stream, process = Folding(part.metrics), np.random.default_rng(0), psutil.Process()
    start = process.memory_info().rss
    print("| feature rows | MiB above the start |\n|---|---|")
    for done in range(1, 10_001):
        row = Row(str(done), feature=stream.standard_normal((2, 2048), np.float32))
        folding.add({"fid-gt": [row]})
        if done in (500, 2000, 4000, 10_000):
            print(f"| {done:,} | {(process.memory_info().rss - start) / 2**20:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda: of passes")
    parser.add_argument("--only", choices=("passes", "frechet", "subsets", "memory", "scale"))
    parser.add_argument("--metric", choices=SCALED, default="kid-gt")
    parser.add_argument("--dimensions", type=int, default=512)
    arguments = parser.parse_args()
    os.environ.setdefault("BFRBENCH_OFFLINE", "1")
    jobs = {
        "passes": lambda: passes(arguments.images, arguments.repeats, arguments.device),
        "frechet": frechet_distance,
        "subsets": subsets,
        "memory": memory,
    }
    if arguments.only == "scale":  # by itself alone: the sets are large
        scale(arguments.images, arguments.metric, arguments.dimensions)
        return
    for name, job in jobs.items():
        if arguments.only in (None, name):
            job()
            print()


if __name__ == "__main__":
    main()
