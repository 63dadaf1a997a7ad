"""The plugin host: broken plugins of every kind are listed with a reason and harm nobody until they are used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bfrbench.errors import PluginError, UnknownName
from bfrbench.plugins import PluginHost

SPEC = 'bfrbench.RestorerSpec(id="{id}", target="{target}", summary="s", licence="MIT", trained_on=())'
GOOD = f"""
import bfrbench
@bfrbench.hookimpl
def bfrbench_restorers():
    return [{SPEC.format(id="good", target="bfrbench.restorers.floor:Input")}]
"""
BROKEN = {
    "import-error": ("import no_such_module_anywhere", "load", "No module named"),
    "exits": ("import sys\nsys.exit(3)", "load", "SystemExit"),
    "wrong-argument": (
        "import bfrbench\n@bfrbench.hookimpl\ndef bfrbench_restorers(everything):\n    return []",
        "load",
        "everything",
    ),
    "misspelt": (
        "import bfrbench\n@bfrbench.hookimpl\ndef bfrbench_restorer():\n    return []",
        "load",
        "did you mean bfrbench_restorers",
    ),
    "undecorated": ("def bfrbench_restorers():\n    return []", "load", "hookimpl"),
    "raises": (
        "import bfrbench\n@bfrbench.hookimpl\ndef bfrbench_restorers():\n    raise RuntimeError('boom')",
        "bfrbench_restorers",
        "boom",
    ),
    "duplicate": (
        f"import bfrbench\n@bfrbench.hookimpl\ndef bfrbench_restorers():\n"
        f"    return [{SPEC.format(id='bicubic', target='x:Y')}]",
        "bfrbench_restorers",
        "taken by plugin 'builtin'",
    ),
    "no-list": (
        "import bfrbench\n@bfrbench.hookimpl\ndef bfrbench_restorers():\n    return {'a': 1}",
        "bfrbench_restorers",
        "dict instead of a list",
    ),
    "wrong-type": (
        "import bfrbench\n@bfrbench.hookimpl\ndef bfrbench_restorers():\n    return ['gpen']",
        "bfrbench_restorers",
        "str instead of RestorerSpec",
    ),
    "bad-spec": (
        "import bfrbench\n@bfrbench.hookimpl\ndef bfrbench_restorers():\n"
        f"    return [{SPEC.format(id='Bad Id', target='x:Y')}]",
        "bfrbench_restorers",
        "lower-case",
    ),
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed distributions: one good plugin beside every broken one."""
    for name, source in {"good": GOOD, **{name: text for name, (text, _, _) in BROKEN.items()}}.items():
        install(tmp_path, name, source)
    return tmp_path


def install(site: Path, name: str, source: str) -> None:
    module = "stranger_" + name.replace("-", "_")
    (site / f"{module}.py").write_text(source)
    info = site / f"stranger_{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[bfrbench]\n{name} = {module}\n")


def bfrbench(site: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(site), **environment}
    return subprocess.run([sys.executable, "-m", "bfrbench", *words], env=variables, capture_output=True, text=True)


def test_each_broken_plugin_is_listed_with_its_reason_and_the_good_ones_work(site: Path) -> None:
    done = bfrbench(site, "plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    listed = {plugin["plugin"]: plugin for plugin in json.loads(done.stdout)["plugins"]}
    for name, (_, where, reason) in BROKEN.items():
        (fault,) = listed[name]["faults"]
        assert (fault["where"], fault["plugin"]) == (where, name)
        assert reason in fault["reason"]
        assert listed[name]["distribution"] == f"stranger-{name}"
    assert listed["good"]["offers"]["restorers"] == ["good"] and not listed["good"]["faults"]
    assert "bicubic" in listed["builtin"]["offers"]["restorers"]


def test_a_table_names_the_broken_ones_too(site: Path) -> None:
    done = bfrbench(site, "plugins", "list")
    assert done.returncode == 0
    assert "raises is broken in bfrbench_restorers: RuntimeError: boom" in done.stdout


def test_using_a_broken_plugin_is_exit_2_with_its_reason(site: Path) -> None:
    done = bfrbench(site, "plugins", "check", "import-error")
    assert done.returncode == 2
    assert "import-error" in done.stderr and "No module named" in done.stderr and "Traceback" not in done.stderr


def test_the_first_owner_keeps_a_disputed_id(site: Path) -> None:
    assert bfrbench(site, "plugins", "check", "bicubic").returncode == 0


def test_loading_can_be_limited_to_named_plugins(site: Path) -> None:
    done = bfrbench(site, "plugins", "list", "--json", BFRBENCH_PLUGINS="good")
    assert [plugin["plugin"] for plugin in json.loads(done.stdout)["plugins"]] == ["builtin", "good"]


def test_limiting_to_a_plugin_that_is_not_there_is_said(site: Path) -> None:
    done = bfrbench(site, "plugins", "list", BFRBENCH_PLUGINS="godo")
    assert done.returncode == 2 and "did you mean good?" in done.stderr


def test_two_plugins_of_one_name_are_told_apart(tmp_path: Path) -> None:
    install(tmp_path, "good", GOOD)
    other = tmp_path / "rival-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[bfrbench]\ngood = stranger_good\n")
    listed = json.loads(bfrbench(tmp_path, "plugins", "list", "--json").stdout)["plugins"]
    faults = [fault for plugin in listed for fault in plugin["faults"]]
    assert len(faults) == 1 and "name is taken" in faults[0]["reason"]


class Module:
    """A plugin in this process."""


def test_an_unknown_restorer_mentions_the_broken_plugins_that_may_have_offered_it() -> None:
    import bfrbench as api

    module = Module()
    module.bfrbench_restorers = api.hookimpl(lambda: 1 / 0)  # type: ignore[attr-defined]
    host = PluginHost({"sick": module}, installed=False)
    with pytest.raises(UnknownName, match="sick"):
        host.restorer("anything")


def test_a_target_that_cannot_be_made_is_the_plugins_fault() -> None:
    import bfrbench as api

    spec = api.RestorerSpec(id="lost", target="nowhere.at.all:Thing", summary="s", licence="MIT", trained_on=())
    module = Module()
    module.bfrbench_restorers = api.hookimpl(lambda: [spec])  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="'lost' of plugin 'mine'"):
        api.load_restorer("lost", host=PluginHost({"mine": module}))


def test_an_event_reaches_every_listener_although_one_raises() -> None:
    import bfrbench as api

    heard: list[str] = []

    def listener(event: dict[str, str]) -> None:
        heard.append(event["what"])

    def raising(event: dict[str, str]) -> None:
        raise OSError("disk full")

    first, second = Module(), Module()
    first.bfrbench_on_event = api.hookimpl(raising)  # type: ignore[attr-defined]
    second.bfrbench_on_event = api.hookimpl(listener)  # type: ignore[attr-defined]
    host = PluginHost({"first": first, "second": second}, installed=False)
    host.call("bfrbench_on_event", event={"what": "started"})
    assert heard == ["started"]
    assert [(fault.plugin, fault.reason) for fault in host.faults] == [("first", "OSError: disk full")]
