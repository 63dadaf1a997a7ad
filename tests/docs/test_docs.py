"""The docs say what the program does: generated pages, hooks, links, checks, and commands that run."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bfrbench.hookspecs import Hooks
from bfrbench.testing import CHECKS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")


def test_the_generated_pages_are_current() -> None:
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_hook_is_documented_with_its_exact_signature() -> None:
    page = (ROOT / "docs" / "hooks.md").read_text()
    for name, function in inspect.getmembers(Hooks, inspect.isfunction):
        arguments = [argument for argument in inspect.signature(function).parameters if argument != "self"]
        (documented,) = re.findall(rf"^{name}\((.*?)\) ->", page, re.MULTILINE)
        assert re.findall(r"(\w+): ", documented) == arguments


def test_every_check_is_explained() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text()
    for name in CHECKS:
        assert f"| `{name}` |" in page, name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target, _ in LINK.findall(page.read_text()):
        if not target.startswith(("http", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_in_the_docs_is_one_that_exists(page: Path) -> None:
    from bfrbench.cli import COMMANDS

    for word in re.findall(r"^\s{4,}bfrbench ([a-z-]+)", page.read_text(), re.MULTILINE):
        assert word in COMMANDS or word == "example-levels", f"{page.name} names a command {word!r}"


def test_the_examples_of_the_plugin_guide_are_valid_python() -> None:
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.DOTALL):
        compile(block, "docs/plugins.md", "exec")


def test_the_spec_of_the_plugin_guide_is_a_valid_spec() -> None:
    block = re.search(r"```python\n(import bfrbench\n.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.DOTALL)
    assert block
    names: dict[str, object] = {}
    exec(block[1], names)
    (spec,) = names["bfrbench_restorers"]()  # type: ignore[operator]
    assert (spec.id, spec.size) == ("my-net", 512)


def test_no_file_names_a_machine_or_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    machine = re.compile(r"(?<![\w.~$}])/(?:root|home/\w+|Users/\w+)/")
    for name in listed:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".txt", ".yml", ".json") and path.is_file():
            assert not machine.search(path.read_text(encoding="utf-8")), f"{name} holds a path of one machine"


def test_the_numbers_of_the_readme_are_those_of_the_committed_scorecards() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    head, *rows = re.findall(r"^\| (?:restorer|gpen-lite|mmrb-lite|bicubic|input) \|.*$", page, re.MULTILINE)
    names = [cell.strip().split()[0] for cell in head.strip("|").split("|")[1:]]
    assert len(rows) == 4 and len(names) == 6
    for row in rows:
        restorer, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        card = json.loads((ROOT / "leaderboards/studio-ci/scorecards" / f"{restorer}.json").read_text())
        for name, cell in zip(names, cells, strict=True):
            digits = len(cell.partition(".")[2])
            assert f"{card['results']['metrics'][name]['value']:.{digits}f}" == cell, (restorer, name)
