"""`bfrbench metrics`: the kinds of metrics, and the choices that each leaves to a protocol."""

from __future__ import annotations

from typing import Any

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table

app = cyclopts.App(name="metrics", help="List the kinds of metrics and the choices each has.")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List the kinds of metrics that protocols are made of."""
    from bfrbench.plugins import PluginHost

    offers = PluginHost().metrics()
    if json:
        print_json([_facts(owned.spec) | {"plugin": owned.plugin} for owned in offers.values()])
        return
    print_table(("kind", "better", "needs", "what it is"), [_line(owned.spec) for owned in offers.values()])


@app.command
def show(kind: str, /, *, json: Json = False) -> None:
    """Show the choices that a kind of metric leaves to a protocol, and which protocols take it.

    Parameters
    ----------
    kind
        A name of 'bfrbench metrics list'.
    """
    from bfrbench.errors import UnknownName
    from bfrbench.metrics import load_protocol, protocol_names
    from bfrbench.metrics.protocol import kind_class
    from bfrbench.plugins import PluginHost

    host = PluginHost()
    if kind not in (offers := host.metrics()):
        raise UnknownName("kind of metric", kind, offers)
    choices = {name: field.description for name, field in kind_class(offers[kind]).Choices.model_fields.items()}
    protocols = [load_protocol(name, host=host) for name in protocol_names()]
    users = [f"{one.name}: {metric.name}" for one in protocols for metric in one.metrics if metric.kind.spec.id == kind]
    if json:
        print_json(_facts(offers[kind].spec) | {"choices": choices, "used_by": users})
        return
    print_table(("choice", "what it means"), choices.items(), title=f"{kind}: {offers[kind].spec.summary}")
    print("Used by " + (", ".join(users) or "no protocol"))


def _facts(spec: Any) -> dict[str, Any]:
    direction = {"higher_is_better": spec.higher_is_better, "ideal": spec.ideal, "unit": spec.unit}
    return {"kind": spec.id, "summary": spec.summary, "needs": list(spec.needs)} | direction


def _line(spec: Any) -> tuple[str, str, str, str]:
    better = "higher" if spec.higher_is_better else "lower"
    return spec.id, f"at {spec.ideal:g}" if spec.ideal is not None else better, ", ".join(spec.needs), spec.summary
