"""How large a report of 1,000 faces and four restorers is, and how fast a browser opens it.

    python benchmarks/report.py [--size 512] [--faces 40] [--images 1000] [--openings 5]

`--faces` rendered faces are restored four times and shown; the page is then made to hold as many images as asked for
by repeating their rows and small pictures under new ids, with every byte of them in the file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from bfrbench.bench.board import load_board
from bfrbench.bench.plan import make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.settings import Settings
from bfrbench.bench.stage import open_stage
from bfrbench.report.page import render
from bfrbench.report.pictures import Sizes
from bfrbench.report.runs import open_runs

RESTORERS = (("input", {}), ("bicubic", {"factor": 2}), ("bicubic", {"factor": 3}), ("bicubic", {"factor": 4}))


def made(folder: Path, size: int, faces: int, images: int) -> str:
    board = load_board("studio")
    changes = {"size": size, "degradation": f"codeformer-2@{size}"}
    path = folder / "board.toml"
    text = (Path(__file__).parents[1] / "leaderboards/studio/board.toml").read_text(encoding="utf-8")
    for name, value in changes.items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {json.dumps(value)}", text, flags=re.MULTILINE)
    path.write_text(text.replace(f'name = "{board.name}"', 'name = "large"', 1), encoding="utf-8")
    stage = open_stage(path, metrics=("psnr", "ssim"))
    outs = []
    for number, (ref, options) in enumerate(RESTORERS):
        outs.append(folder / str(number))
        settings = Settings(out=outs[-1], limit=faces, save_images=True, threads=1, options=options)
        execute(make_plan(ref, stage, settings))
    copies = -(-images // faces)
    one = Sizes()
    room = one.page // 4  # the rest is for the small pictures of the copies
    return repeated(render(open_runs(outs), sizes=Sizes(page=room)), copies, images)


def repeated(page: str, copies: int, images: int) -> str:
    """The page with its images `copies` times over."""

    def body(name: str) -> dict[str, object]:
        found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
        assert found
        return json.loads(found[1])

    data, small, large = body("data"), body("small"), body("large")
    ids = [f"{image}-{copy}" for copy, image in itertools.product(range(copies), data["ids"])][:images]
    codes = list(small.values())
    data["rows"] = {name: [(column * copies)[:images] for column in columns] for name, columns in data["rows"].items()}
    data["labels"] = {name: (values * copies)[:images] for name, values in data["labels"].items()}
    data["status"] = [(column * copies)[:images] for column in data["status"]]
    larger = {f"{name}-0": row for name, row in large.items()}
    data["ids"], small = ids, {name: codes[index % len(codes)] for index, name in enumerate(ids)}
    budget = Sizes().page - sum(len(code) for row in small.values() for code in row if code)
    kept = {}
    for name, row in larger.items():
        budget -= sum(len(code) for code in row if code)
        if budget < 0:
            break
        kept[name] = row
    print(f"{len(ids)} images, {len(data['sources'])} pictures each; {len(kept)} of them large")
    for name, content in (("data", data), ("small", small), ("large", kept)):
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
        start = page.index(f'<script type="application/json" id="{name}">')
        end = page.index("</script>", start)
        page = page[: page.index(">", start) + 1] + text + page[end:]
    return page


def opened(path: Path, times: int) -> list[float]:
    from playwright.sync_api import sync_playwright

    taken = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(times):
            context = browser.new_context(offline=True)
            page = context.new_page()
            started = time.perf_counter()
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready]")
            taken.append(time.perf_counter() - started)
            context.close()
        browser.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--faces", type=int, default=40)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--openings", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(made(Path(folder), chosen.size, chosen.faces, chosen.images), encoding="utf-8")
        print(f"{chosen.size} px: {path.stat().st_size / 2**20:.1f} MiB")
        taken = opened(path, chosen.openings)
        print(f"ready in {min(taken):.2f} to {max(taken):.2f} s, median {statistics.median(taken):.2f} s")


if __name__ == "__main__":
    main()
