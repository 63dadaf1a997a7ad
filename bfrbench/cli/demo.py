"""`bfrbench demo`: the main job done for real on this machine, with what ships: no network, no GPU, no download."""

from __future__ import annotations

from pathlib import Path

from bfrbench.cli.output import Json, print_json

TRAINED = ("gpen-lite", "gpen-mmrb-lite", "mmrb-lite")
"""Models that may lie in the package; one that is no better than bicubic on people it never saw does not ship."""


def demo(*, out: Path = Path("demo"), full: bool = False, json: Json = False) -> None:
    """Restore faces with the models in the package, score them, and write leaderboards and pictures.

    Faces are rendered, degraded, restored and scored; photographs that come with installed libraries are restored
    whole. Nothing is downloaded. Run it again and it goes on from what is there.

    Parameters
    ----------
    out
        Folder for the runs, the leaderboards, the reports and the pictures.
    full
        Every image of the larger board; 200 of its 1,000 otherwise.
    """
    from bfrbench.cli.leaderboard import show
    from bfrbench.demo.boards import show_boards
    from bfrbench.demo.photographs import photographs, restore_photographs
    from bfrbench.plugins import PluginHost

    known = PluginHost().restorers()
    trained = [name for name in TRAINED if name in known]
    shown = show_boards(("input", "bicubic", *trained, "oracle"), out, full=full)
    pictures = restore_photographs(trained, out / "photographs") if trained else []
    if json:
        boards = {one.board: one.built.table.dump() for one in shown}
        print_json({"boards": boards, "photographs": [str(path) for path in pictures]})
        return
    for one in shown:
        show(one.built)
        print(f"leaderboard: {one.page} (also .md, .csv, .tex, .json)   faces and plots: {one.report}\n")
    for path in pictures:
        print(f"photograph: {path} (degraded, {', '.join(trained)}, as it was)")
    if not trained:
        print("No trained model is in this package yet: none was better than bicubic on people it never saw.")
    if missing := [each.name for each in photographs() if each.path() is None]:
        print(f"not here: {', '.join(missing)} (the library that brings it is absent, or brings another picture)")
    print("The faces are rendered: these boards notice change and never rank methods. What next:")
    print("  bfrbench weights list             published weights, and how to add them")
    print("  bfrbench boards list              boards on CelebA, FFHQ and photographs of the wild")
    print("  bfrbench run MODEL --board BOARD  docs/plugins.md says how yours becomes a MODEL")
