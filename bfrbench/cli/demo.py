"""`bfrbench demo`: the main job done for real on this machine, with what ships: no network, no GPU, no download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from bfrbench.bench.scorecard import MetricResult, Scorecard

BOARD = "studio-ci"
RESTORERS = ("input", "bicubic", "oracle")
_ARROWS = {True: "↑", False: "↓"}


def demo(*, out: Path = Path("demo"), json: Json = False) -> None:
    """Run a board of rendered faces on this machine and show the scores.

    Faces are rendered, degraded, restored and scored; nothing is downloaded. The restorers are the ones that need no
    weights: trained ones do not ship yet. Run it again and it goes on from what is there.

    Parameters
    ----------
    out
        Folder for the runs, their scorecards and pictures.
    """
    import bfrbench

    cards = {ref: bfrbench.run(ref, BOARD, out=out / ref, save_images=True) for ref in RESTORERS}
    strip = _strip(out)
    if json:
        print_json({ref: card.dump() for ref, card in cards.items()})
        return
    metrics = cards["input"].results.metrics
    columns = ("restorer", *(_title(name, result) for name, result in metrics.items()))
    print_table(columns, [_line(ref, card) for ref, card in cards.items()], title=f"{BOARD}, 64 rendered faces")
    print("In brackets: 95 % intervals, people resampled. The oracle is the ground truth itself, and is never ranked.")
    print(f"Scorecards: {out}/*/scorecard.json   pictures: {strip} (degraded, bicubic, truth)")
    print("These restorers need no weights; none that was trained ships yet. With a checkpoint of yours:")
    print(f"  bfrbench run gpen:FILE --board {BOARD}      bfrbench weights list      docs/plugins.md")


def _title(name: str, result: MetricResult) -> str:
    return f"{name} {_ARROWS[result.higher_is_better] if result.ideal is None else f'→{result.ideal:g}'}"


def _line(ref: str, card: Scorecard) -> tuple[str, ...]:
    return (ref, *(_cell(result) for result in card.results.metrics.values()))


def _cell(result: MetricResult) -> str:
    if result.value is None:
        return result.note or "identical"
    interval = "" if result.low is None or result.high is None else f" [{result.low:.3g}, {result.high:.3g}]"
    return f"{result.value:.4g}{interval}"


def _strip(out: Path) -> Path:
    """One row a restorer, six faces side by side, from the images that the runs saved."""
    import numpy as np

    from bfrbench.imaging.read import images_in, read_image
    from bfrbench.imaging.write import write_image

    rows = []
    for ref in RESTORERS:
        files = images_in(out / ref / "images")
        shown = [files[index] for index in np.linspace(0, len(files) - 1, 6).round().astype(int)]
        rows.append(np.concatenate([read_image(file) for file in shown], axis=1))
    path = out / "faces.png"
    write_image(path, np.concatenate(rows, axis=0))
    return path
