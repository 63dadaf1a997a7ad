"""Listing and opening many small files, and images a second into the bench, against what people use today.

python benchmarks/datasets.py [--files 100000] [--images 2000] [--seed 0] [--folder DIR]

Beside each figure of ours stands the same work by Hugging Face's imagefolder and by a plain torch DataLoader
over a sorted glob; every way runs in a process of its own, so that each peak of memory is its own.
"""

from __future__ import annotations

import argparse
import importlib
import io
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

# This file bears the name of the library that it measures: its folder must not be searched for modules.
sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]

import numpy as np  # noqa: E402

from bfrbench.cli.output import print_table  # noqa: E402

Measured = tuple[float, float, float, int]
"""Seconds by the clock, seconds of CPU time (not of loader workers), peak memory in MB above the start, how many."""


def make(folder: Path, count: int, size: int, seed: int) -> Path:
    """`count` JPEG files of noise; contents repeat after 64."""
    from PIL import Image

    world = np.random.default_rng(seed)
    contents = []
    for _ in range(64):
        smooth = Image.fromarray(world.integers(0, 255, (size // 8, size // 8, 3), np.uint8)).resize((size, size))
        out = io.BytesIO()
        smooth.save(out, "JPEG", quality=92)
        contents.append(out.getvalue())
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:07}.jpg").write_bytes(contents[number % 64])
    return folder


def ours_open(folder: Path) -> int:
    from bfrbench.data import open_dataset

    return len(open_dataset(str(folder)))


def theirs_open(folder: Path) -> int:
    import datasets

    datasets.disable_progress_bars()
    cache = tempfile.mkdtemp(dir=folder.parent)
    return len(datasets.load_dataset("imagefolder", data_dir=str(folder), split="train", cache_dir=cache))


def ours_first(folder: Path) -> int:
    from bfrbench.data import open_dataset

    next(iter(open_dataset(str(folder), streaming=True)))
    return 1


def ours_read(folder: Path) -> int:
    from bfrbench.data import open_dataset

    return sum(sample.image.shape[0] > 0 for sample in open_dataset(str(folder)))


class Files:
    """A plain torch data set: a sorted glob, opened with Pillow."""

    def __init__(self, folder: Path, load: Callable[[Path], np.ndarray]) -> None:
        self.paths, self.load = sorted(folder.glob("*.jpg")), load

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.load(self.paths[index])


class Ours:
    """Our data set under the same loader."""

    def __init__(self, folder: Path) -> None:
        from bfrbench.data import open_dataset

        self.data = open_dataset(str(folder))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.data[index].image


def pillow(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def loader(folder: Path, kind: str, workers: int) -> int:
    from torch.utils.data import DataLoader

    data = Ours(folder) if kind == "ours" else Files(folder, pillow)
    batches = DataLoader(data, batch_size=8, num_workers=workers)  # type: ignore[arg-type]
    return sum(len(batch) for batch in batches)


def apart(work: Callable[[], int], home: str, repeats: int) -> Measured:
    """Run in a fresh process whose imports are already made; the best of so many rounds."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(work, home, repeats, sender))
    process.start()
    try:
        found: Measured = receiver.recv()
    finally:
        process.join()
    return found


def _measured(work: Callable[[], int], home: str, repeats: int, sender: object) -> None:
    os.environ["BFRBENCH_HOME"], os.environ["BFRBENCH_QUIET"] = home, "1"
    import torch

    for module in ("datasets", "torch.utils.data", "bfrbench.data", "bfrbench.imaging.read"):
        importlib.import_module(module)
    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rounds = []
    for _ in range(repeats):
        started, busy = time.perf_counter(), time.process_time()
        count = work()
        rounds.append((time.perf_counter() - started, time.process_time() - busy))
    seconds, busy = map(min, zip(*rounds, strict=True))
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    sender.send((seconds, busy, peak, count))  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to make the files (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        many = make(Path(place) / "many", options.files, 32, options.seed)
        few = make(Path(place) / "few", options.images, options.size, options.seed)
        quarter = make(Path(place) / "quarter", options.images // 4, options.size, options.seed)
        home = str(Path(place) / "home")
        sets = f"{options.files:,} files"
        reading = f"{options.images:,} images of {options.size} px"
        work: list[tuple[str, str, Callable[[], int]]] = [
            (f"list and open {sets}", "ours", partial(ours_open, many)),
            (f"list and open {sets}", "imagefolder", partial(theirs_open, many)),
            (f"first image of {sets}, streaming", "ours", partial(ours_first, many)),
            (f"read {reading}, one process", "ours", partial(ours_read, few)),
            (f"read {reading}, one process", "DataLoader, Pillow", partial(loader, few, "plain", 0)),
            (f"read {reading}, 2 workers", "ours in a DataLoader", partial(loader, few, "ours", 2)),
            (f"read {reading}, 2 workers", "DataLoader, Pillow", partial(loader, few, "plain", 2)),
            ("read a quarter of them, one process", "ours", partial(ours_read, quarter)),
        ]
        rows = []
        for what, who, task in work:
            seconds, busy, peak, count = apart(task, home, 3 if "one process" in what else 1)
            rate = f"{count / seconds:,.0f}/s"
            rows.append((what, who, f"{seconds:.2f} s", f"{busy:.2f} s", rate, f"{peak:.0f} MB"))
        print_table(("work", "who", "seconds", "CPU", "rate", "memory above start"), rows)


if __name__ == "__main__":
    main()
