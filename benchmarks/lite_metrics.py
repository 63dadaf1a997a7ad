"""What the lite metrics are worth: pairs of people, agreement with real networks, and a rise with every damage.

    python benchmarks/lite_metrics.py [--people 64] [--seed 0] [--network FILE] [--only PART]

Everything is measured on LFW's held-out people (`lfw128:test`); the filters that stand for restorers were never
seen in training. Faces and real networks come from the research data. `--network` takes the result of another
training of `lite-metrics` in place of the one that ships.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from metric_evidence import LEVELS, damages
from scipy.stats import rankdata, spearmanr

from tests.metrics import lfw

os.environ.setdefault("BFRBENCH_OFFLINE", "1")
SEVERITIES = ((0.5, 1.2, 2, 90), (1.0, 2.0, 4, 75), (1.5, 3.0, 6, 60), (2.5, 4.0, 9, 45))
"""Blur in pixels, factor of shrinking, noise in levels, JPEG quality."""
LITE = ("ids-lite", "pd-lite", "fd-lite")
RIVAL = {"ids-lite": "identity", "pd-lite": "retinaface-distance", "fd-lite": "recognition-frechet"}
"""The distance on a real network that each is held against."""


@dataclass(frozen=True)
class Faces:
    """People that the network has never seen, one face each."""

    ids: tuple[str, ...]
    images: Any
    points: tuple[Any, ...]


def unseen(count: int, seed: int) -> Faces:
    table = held_out().sample(frac=1, random_state=seed).drop_duplicates("identity").head(count)
    ids = tuple(table.index)
    return Faces(ids, stack([hwc(lfw.picture(name)) for name in ids]), tuple(map(lfw.points, ids)))


@cache
def held_out() -> Any:
    import pandas as pd

    from tests.shared_data import shared

    return pd.read_parquet(shared("lfw128", "test.parquet"), columns=["id", "identity"]).set_index("id")


def hwc(image: Any) -> Any:
    return image.mul(255).round().byte().permute(1, 2, 0).numpy()


def stack(images: list[Any]) -> Any:
    import torch

    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def degraded(image: Any, severity: int, seed: int) -> Any:
    """The low-quality input of a face."""
    import cv2

    sigma, factor, noise, quality = SEVERITIES[severity]
    side = image.shape[0]
    small = cv2.resize(cv2.GaussianBlur(image, (0, 0), sigma), (round(side / factor),) * 2)
    grain = np.random.default_rng((seed, severity)).normal(0, noise, small.shape)
    spoilt = np.clip(np.rint(small + grain), 0, 255).astype(np.uint8)
    packed = cv2.imencode(".jpg", spoilt, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.resize(cv2.imdecode(packed, cv2.IMREAD_COLOR), (side, side), interpolation=cv2.INTER_LINEAR)


def restorers() -> dict[str, Callable[[Any, Any], Any]]:
    """(input, truth) to an answer: filters that nobody trained, and one that knows half of the truth."""
    import cv2

    def bicubic(lq: Any, _: Any) -> Any:
        half = cv2.resize(lq, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return cv2.resize(half, lq.shape[1::-1], interpolation=cv2.INTER_CUBIC)

    def unsharp(lq: Any, _: Any, amount: float = 1.0) -> Any:
        soft = cv2.GaussianBlur(lq, (0, 0), 2)
        return cv2.addWeighted(lq, 1 + amount, soft, -amount, 0)

    return {
        "input": lambda lq, _: lq,
        "bicubic": bicubic,
        "blur 1": lambda lq, _: cv2.GaussianBlur(lq, (0, 0), 1),
        "blur 3": lambda lq, _: cv2.GaussianBlur(lq, (0, 0), 3),
        "median": lambda lq, _: cv2.medianBlur(lq, 5),
        "bilateral": lambda lq, _: cv2.bilateralFilter(lq, 7, 40, 3),
        "unsharp": unsharp,
        "half the truth": lambda lq, gt: cv2.addWeighted(lq, 0.5, gt, 0.5, 0),
    }


class Judges:
    """The lite metrics and the real ones, over the same pairs."""

    def __init__(self, store: Any) -> None:
        from bfrbench.metrics import finalise, load_protocol
        from bfrbench.metrics.finaliser import Context

        self._finalise, self._context = finalise, Context()
        self._metrics, self._measures = {}, {}
        for protocol, names in (("lite", LITE), ("small-networks", ("retinaface-distance", "recognition-frechet"))):
            for name in names:
                self._metrics[name] = metric = load_protocol(protocol).metric(name)
                self._measures[name] = metric.kind.open(store, "cpu")

    def lite(self, restored: Any, faces: Faces) -> dict[str, Any]:
        return self._of(LITE, restored, faces)

    def all(self, restored: Any, faces: Faces) -> dict[str, Any]:
        """The value of each metric, and under `rows` the two cosines of each face."""
        found = self._of(tuple(self._metrics), restored, faces)
        cosines = found["rows"]["recognition-frechet"]
        found["rows"]["identity"] = cosines
        found["identity"] = float(np.mean(cosines))
        return found

    def _of(self, names: tuple[str, ...], restored: Any, faces: Faces) -> dict[str, Any]:
        from bfrbench.contracts import Scored

        found: dict[str, Any] = {"rows": {}}
        for name in names:
            rows = []
            for first in range(0, len(faces.ids), 32):
                part = slice(first, first + 32)
                gt, points = faces.images[part], faces.points[part]
                rows += self._measures[name].rows(Scored(faces.ids[part], None, restored[part], gt=gt, points=points))
            found["rows"][name] = np.array([np.nan if row.value is None else row.value for row in rows])
            found[name] = self._finalise(self._metrics[name], rows, self._context).value
        return found


def auc(same: Any, scores: Any) -> float:
    """The chance that a pair of one person scores above a pair of two."""
    ranks, positive = rankdata(scores), int(same.sum())
    return float((ranks[same].sum() - positive * (positive + 1) / 2) / (positive * (len(same) - positive)))


def auc_interval(same: Any, scores: Any, seed: int) -> tuple[float, float]:
    """95 %, from 200 resamples of pairs."""
    random = np.random.default_rng(seed)
    draws = [random.integers(0, len(same), len(same)) for _ in range(200)]
    low, high = np.quantile([auc(same[draw], scores[draw]) for draw in draws], [0.025, 0.975])
    return float(low), float(high)


def verification(store: Any, seed: int) -> Iterator[str]:
    """LFW's pairs, by the lite embedding and by two yardsticks: bare pixels and the real network."""
    yield "| pairs of | by | pairs | AUC | 95 % |"
    yield "|---|---|---|---|---|"
    pairs = lfw.pairs()
    strangers = pairs["a"].isin(held_out().index) & pairs["b"].isin(held_out().index)
    every = ("lite", "pixels", "mobilefacenet-arcface")
    for who, some, ways in (
        ("people unseen in training: LFW's pairs", pairs[strangers], every),
        ("people unseen in training: more pairs of their pictures", held_out_pairs(seed), every),
        ("all people, most of them seen: LFW's pairs", pairs, every[:2]),
    ):
        same = some["same"].to_numpy() == 1
        names = sorted({*some["a"], *some["b"]})
        for way in ways:
            vectors = dict(zip(names, embedded(way, names, store), strict=True))
            scores = np.array([vectors[a] @ vectors[b] for a, b in zip(some["a"], some["b"], strict=True)])
            low, high = auc_interval(same, scores, seed)
            yield f"| {who} | {way} | {len(some)} | {auc(same, scores):.4f} | {low:.3f} to {high:.3f} |"


def held_out_pairs(seed: int) -> Any:
    """Up to five pairs of each person of whom there are two pictures or more, and as many of two people."""
    import pandas as pd

    random, table = np.random.default_rng(seed), held_out()
    same = []
    for _, pictures in table.groupby("identity"):
        both = [(a, b) for at, a in enumerate(pictures.index) for b in pictures.index[at + 1 :]]
        same += [both[at] for at in random.permutation(len(both))[:5]]
    chosen = random.choice(len(table), (4 * len(same), 2))
    who, names = table["identity"].to_numpy(), table.index.to_numpy()
    two = [(names[a], names[b]) for a, b in chosen if who[a] != who[b]][: len(same)]
    return pd.DataFrame([(*pair, 1) for pair in same] + [(*pair, 0) for pair in two], columns=["a", "b", "same"])


def embedded(way: str, names: list[str], store: Any) -> Any:
    """One vector of length one for each picture."""
    import torch

    if way == "mobilefacenet-arcface":
        from bfrbench.faces.recognise import load_recogniser

        network = load_recogniser(way, store)
        return network.embed([network.crop(hwc(lfw.picture(name)), lfw.points(name)) for name in names])
    from bfrbench.embedded.network import load, seen
    from bfrbench.metrics.lite import CARD

    lite, parts = load(store.path(CARD)), []
    for first in range(0, len(names), 64):
        images = torch.stack([lfw.picture(name) for name in names[first : first + 64]])
        if way == "pixels":
            flat = torch.nn.functional.interpolate(images[:, :, 24:104, 32:96], scale_factor=0.5, mode="area").flatten(
                1
            )
            parts.append(torch.nn.functional.normalize(flat - flat.mean(1, keepdim=True)))
        else:
            parts.append(lite.embed(lite.layers(seen(images))))
    return torch.cat(parts).numpy()


def agreement(judges: Judges, faces: Faces, seed: int) -> Iterator[str]:
    """Every restorer at every severity, by the lite metrics and by the real ones."""
    cells: list[dict[str, Any]] = []
    yield "| severity | restorer | " + " | ".join(f"{lite} | {real}" for lite, real in RIVAL.items()) + " |"
    yield "|---|---|" + "---|" * (2 * len(RIVAL))
    truths = [hwc(one) for one in faces.images]
    for severity in range(len(SEVERITIES)):
        inputs = [degraded(one, severity, seed + index) for index, one in enumerate(truths)]
        for name, restore in restorers().items():
            cell = judges.all(stack([restore(*pair) for pair in zip(inputs, truths, strict=True)]), faces)
            cells.append(cell | {"severity": severity})
            told = " | ".join(f"{cell[lite]:.4f} | {cell[real]:.4f}" for lite, real in RIVAL.items())
            yield f"| {severity + 1} | {name} | {told} |"
    yield ""
    yield from correlations(cells)


def correlations(cells: list[dict[str, Any]]) -> Iterator[str]:
    """Spearman's, over all cells, over restorers at one severity, and over single faces at one severity."""
    yield "| lite | real | all cells | restorers at one severity, mean (least) | faces of one cell, median |"
    yield "|---|---|---|---|---|"
    for lite, real in RIVAL.items():
        whole = spearmanr([cell[lite] for cell in cells], [cell[real] for cell in cells]).statistic
        within = [
            spearmanr(*([cell[name] for cell in cells if cell["severity"] == level] for name in (lite, real))).statistic
            for level in range(len(SEVERITIES))
        ]
        single = "–"
        if lite != "fd-lite":
            found = [spearmanr(cell["rows"][lite], cell["rows"][real]).statistic for cell in cells]
            single = f"{np.median(found):.2f}"
        yield f"| {lite} | {real} | {whole:.3f} | {np.mean(within):.2f} ({min(within):.2f}) | {single} |"


def rises(judges: Judges, faces: Faces) -> Iterator[str]:
    """Each damage from weak to strong."""
    import torch

    yield "| damage | metric | " + " | ".join(map(str, range(1, LEVELS + 1))) + " | monotone |"
    yield "|---|---|" + "---|" * (LEVELS + 1)
    truths = [hwc(one) for one in faces.images]
    spoilers = {name: at_once(spoil, truths) for name, spoil in damages().items()}
    cast = torch.tensor([5.0, 0.0, -5.0]).view(1, 3, 1, 1) / 255
    spoilers["colour cast"] = lambda level: (faces.images + cast * level).clamp(0, 1)
    spoilers["another face, faintly"] = lambda level: faces.images.lerp(faces.images.roll(1, 0), 0.1 * level)
    for damage, spoil in spoilers.items():
        found = [judges.lite(spoil(level), faces) for level in range(1, LEVELS + 1)]
        for name in LITE:
            values = [one[name] for one in found]
            steps = np.diff([1.0 if name == "ids-lite" else 0.0, *values]) * (-1 if name == "ids-lite" else 1)
            told = " | ".join(f"{value:.4f}" for value in values)
            yield f"| {damage} | {name} | {told} | {'yes' if (steps > 0).all() else 'no'} |"
    other = judges.lite(faces.images.roll(1, 0), faces)
    yield "\nThe scale, another person's sharp face: " + ", ".join(f"{name} {other[name]:.3f}" for name in LITE)


def at_once(spoil: Callable[[Any, int], Any], truths: list[Any]) -> Callable[[int], Any]:
    return lambda level: stack([spoil(one, level) for one in truths])


def store_with(home: Path, network: Path | None) -> Any:
    """The real networks, and the lite one that ships or the one to try."""
    from bfrbench.digests import of_file
    from bfrbench.metrics.lite import CARD
    from bfrbench.weights import WeightStore
    from tests.shared_weights import shared_store

    real = shared_store("mobilefacenet-arcface", "retinaface-mobile0.25", "yunet", home=home)
    if network is None:
        return real
    card = real.card(CARD).model_copy(update={"sha256": of_file(network), "size": network.stat().st_size})
    store = WeightStore(home, offline=True, cards={**real.cards, CARD: card})
    store.add(CARD, network)
    return store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", type=Path)
    parser.add_argument("--only", choices=("pairs", "agreement", "rises"))
    chosen = parser.parse_args()
    import torch

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        store = store_with(Path(folder), chosen.network)
        parts: dict[str, Callable[[], Iterator[str]]] = {"pairs": lambda: verification(store, chosen.seed)}
        if chosen.only != "pairs":
            judges, faces = Judges(store), unseen(chosen.people, chosen.seed)
            parts["agreement"] = lambda: agreement(judges, faces, chosen.seed)
            parts["rises"] = lambda: rises(judges, faces)
        for name, part in parts.items():
            if chosen.only in (None, name):
                for line in part():
                    print(line, flush=True)
                print()


if __name__ == "__main__":
    main()
