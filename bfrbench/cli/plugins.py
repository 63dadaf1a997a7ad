"""`bfrbench plugins`: list what is installed and what is wrong with it, check a restorer, start a new plugin."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import PluginError

app = cyclopts.App(name="plugins", help="List plugins, check a restorer, start a new plugin.")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List plugins, what each offers, and what is wrong with the broken ones."""
    from bfrbench.plugins import KINDS, PluginHost

    host = PluginHost()
    faults = host.faults
    listed: list[dict[str, Any]] = [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "target": plugin.target,
            "offers": {
                kind: [name for name, owned in host.offers(kind).items() if owned.plugin == plugin.name]
                for kind in KINDS
            },
            "faults": [asdict(fault) for fault in faults if fault.plugin == plugin.name],
        }
        for plugin in host.plugins.values()
    ]
    if json:
        print_json({"plugins": listed, "restorers": [_describe(owned) for owned in host.restorers().values()]})
        return
    print_table(("plugin", "from", "state", "offers"), [_row(plugin) for plugin in listed])
    restorers = [
        (owned.spec.id + (":…" if owned.spec.argument == "required" else ""), owned.plugin, owned.spec.summary)
        for owned in host.restorers().values()
    ]
    print_table(("restorer", "plugin", "what it is"), restorers)
    for fault in faults:
        print(f"{fault.plugin} is broken in {fault.where}: {fault.reason}")


@app.command
def check(
    restorer: str,
    /,
    *,
    device: str = "cpu",
    option: Annotated[list[str] | None, cyclopts.Parameter(name=["--option", "-o"])] = None,
    ids: Annotated[list[str] | None, cyclopts.Parameter(name="--ids", consume_multiple=True)] = None,
    json: Json = False,
) -> None:
    """Run the conformance checks on a restorer.

    Parameters
    ----------
    restorer
        Its id, with its argument if it takes one: `bicubic`, `onnx:model.onnx`.
    device
        Where to compute.
    option
        An option of the restorer, name=value; may be given again.
    ids
        Image ids to ask for, where a restorer knows only its own (`folder:`).
    """
    from bfrbench.restorers.options import parse_options
    from bfrbench.testing import check_restorer

    more = {"ids": tuple(ids)} if ids else {}
    outcomes = check_restorer(restorer, device=device, options=parse_options(option or ()), **more)
    if json:
        print_json([asdict(outcome) for outcome in outcomes])
    else:
        print_table(("check", "verdict", "detail"), [(o.check, o.verdict, o.detail) for o in outcomes])
    bad = [outcome.check for outcome in outcomes if not outcome.good]
    if bad:
        raise PluginError(f"{restorer} does not conform: {', '.join(bad)}", "see docs/plugins.md for what each asks")


@app.command
def new(name: str, /, *, into: Path = Path()) -> None:
    """Write a plugin package that works: a restorer, its test, and the metadata that makes bfrbench find it.

    Parameters
    ----------
    name
        Lower-case words joined by '-', for example `my-restorer`.
    into
        The folder to put the package folder in.
    """
    from bfrbench.cli.skeleton import write_plugin

    root = write_plugin(name, into)
    print(f"wrote {root}")
    print(f"next: pip install -e {root} && pytest {root} && bfrbench plugins check {name}")


def _row(plugin: dict[str, Any]) -> tuple[str, str, str, str]:
    origin = f"{plugin['distribution']} {plugin['version']}".strip() or "this process"
    offers = "; ".join(
        f"{kind.replace('_', ' ')}: {', '.join(names)}" for kind, names in plugin["offers"].items() if names
    )
    return plugin["plugin"], origin, "broken" if plugin["faults"] else "ok", offers


def _describe(owned: Any) -> dict[str, Any]:
    return {"plugin": owned.plugin, **asdict(owned.spec)}
