"""The distribution: what the wheel carries, what it needs, and that it works away from the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import bfrbench

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def build(source: Path, target: Path) -> Path:
    words = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own: our wheel and the example plugin installed, the libraries seen through a .pth file."""
    home = tmp_path_factory.mktemp("stranger")
    example = build(ROOT / "plugins" / "bfrbench_example", tmp_path_factory.mktemp("example"))
    venv.create(home / "env", with_pip=False)
    packages = next((home / "env" / "lib").iterdir()) / "site-packages"
    for file in (wheel, example):
        words = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), str(file)]
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
    libraries = [path for path in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")} if path]
    hide = "import sys; sys.path[:] = [p for p in sys.path if not p.startswith({root!r}) or 'site-packages' in p]"
    (packages / "libraries.pth").write_text("\n".join([*libraries, hide.format(root=str(ROOT))]) + "\n")
    return home


def run(stranger: Path, *words: str) -> subprocess.CompletedProcess[str]:
    keep = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = stranger / "env" / "bin" / "python"
    return subprocess.run([str(python), *words], cwd=stranger, env=keep, capture_output=True, text=True)


def test_the_wheel_carries_code_plugins_cards_boards_and_the_type_marker(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("datasets", "leaderboards"):
        data = (ROOT / folder).rglob("*.toml")
        assert {f"bfrbench/carried/{path.relative_to(ROOT).as_posix()}" for path in data} <= names
    for package in ("bfrbench", "bfrbench_gpen", "bfrbench_mmrb", "bfrbench_bridges"):
        assert f"{package}/__init__.py" in names
    assert "bfrbench/py.typed" in names
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"bfrbench", "bfrbench_gpen", "bfrbench_mmrb", "bfrbench_bridges"}


def test_the_wheel_carries_every_data_file_of_the_packages(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "bfrbench"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(listed.stdout.split()) <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_stays_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= 45 * 2**20


def test_the_installed_wheel_works_from_another_folder(stranger: Path) -> None:
    program = (
        "import bfrbench, json, sys; from bfrbench import places; "
        "print(json.dumps([bfrbench.__file__, str(places.checkout()), places.carried('datasets').is_dir()]))"
    )
    done = run(stranger, "-c", program)
    assert done.returncode == 0, done.stderr
    file, checkout, carried = json.loads(done.stdout)
    assert file.startswith(str(stranger)) and checkout == "None" and carried
    listed = run(stranger, "-m", "bfrbench", "plugins", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    plugins = {plugin["plugin"]: plugin for plugin in json.loads(listed.stdout)["plugins"]}
    assert {"builtin", "bridges", "gpen", "mmrb"} <= set(plugins)
    assert [plugin["faults"] for plugin in plugins.values() if plugin["faults"]] == []


def test_a_strangers_plugin_is_used_through_the_command_line(stranger: Path) -> None:
    done = run(stranger, "-m", "bfrbench", "plugins", "check", "median", "--option", "radius=2", "--json")
    assert done.returncode == 0, done.stderr
    outcomes = {outcome["check"]: outcome["verdict"] for outcome in json.loads(done.stdout)}
    assert outcomes["lazy-import"] == outcomes["deterministic"] == "passed"
    assert run(stranger, "-m", "bfrbench", "example-levels").stdout == "256\n"


def test_the_example_passes_its_own_tests_against_the_installed_wheel(stranger: Path) -> None:
    tests = ROOT / "plugins" / "bfrbench_example" / "tests"
    done = run(stranger, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(stranger), str(tests))
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ passed", done.stdout)


def test_a_new_plugin_works_as_it_was_written(stranger: Path) -> None:
    done = run(stranger, "-m", "bfrbench", "plugins", "new", "my-net", "--into", str(stranger))
    assert done.returncode == 0, done.stderr
    package = stranger / "bfrbench-my-net"
    packages = next((stranger / "env" / "lib").iterdir()) / "site-packages"
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(packages)]
    subprocess.run([sys.executable, *words, str(package)], check=True, capture_output=True)
    checked = run(stranger, "-m", "bfrbench", "plugins", "check", "my-net", "--json")
    assert checked.returncode == 0, checked.stderr
    tested = run(stranger, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(package), str(package))
    assert tested.returncode == 0, tested.stdout
    again = run(stranger, "-m", "bfrbench", "plugins", "new", "my-net", "--into", str(stranger))
    assert again.returncode == 2 and "exists already" in again.stderr


@pytest.mark.parametrize("name", ["My-Net", "my_net", "9net", "net-", ""])
def test_a_name_that_no_package_can_have_is_refused(stranger: Path, name: str) -> None:
    assert run(stranger, "-m", "bfrbench", "plugins", "new", name).returncode == 2


def test_cv2_works_although_two_packages_bring_it() -> None:
    import cv2
    import numpy as np

    assert {"opencv-python", "opencv-python-headless"} & {Requirement(line).name for line in PROJECT["dependencies"]}
    assert cv2.resize(np.zeros((4, 4, 3), np.uint8), (8, 8)).shape == (8, 8, 3)
    ok, _ = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))
    assert ok


def test_torch_and_torchvision_are_a_pair_that_works_together() -> None:
    import torch
    from torchvision.ops import nms

    assert nms(torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 1]]), torch.tensor([0.9, 0.8]), 0.5).tolist() == [0]


def test_everything_asked_for_by_name_is_a_dependency_with_a_lower_bound_that_ci_tests() -> None:
    wanted = {Requirement(line).name.lower(): Requirement(line) for line in PROJECT["dependencies"]}
    asked = {"torch", "torchvision", "datasets", "pandas", "pyiqa", "lpips", "facexlib", "insightface", "pluggy"}
    assert asked <= set(wanted)
    for name, requirement in wanted.items():
        (lower,) = [Version(part.version) for part in requirement.specifier if part.operator == ">="]
        tested = Version(version(name)).release
        assert tested[: len(lower.release)] == lower.release, f"{name} >= {lower} is not what is tested ({tested})"


def test_the_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {Requirement(line).name.lower().replace("_", "-") for line in lines if line and not line.startswith("#")}
    needed = {Requirement(line).name.lower() for line in PROJECT["dependencies"]}
    assert needed <= pinned, needed - pinned
    assert all("==" in line for line in lines if line and not line.startswith("#"))


def test_the_data_folder_hides_no_library() -> None:
    assert not list((ROOT / "datasets").rglob("*.py"))
    import datasets

    assert hasattr(datasets, "load_dataset")


def test_the_version_is_one() -> None:
    assert bfrbench.__version__ == PROJECT["version"] == version("bfrbench")
    assert requires("bfrbench")
    assert f"## {bfrbench.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_public_names_exist_and_are_fewer_than_forty() -> None:
    assert len(bfrbench.__all__) < 40
    for name in bfrbench.__all__:
        assert getattr(bfrbench, name) is not None
    with pytest.raises(AttributeError):
        bfrbench.no_such_name  # noqa: B018
