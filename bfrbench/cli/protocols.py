"""`bfrbench protocols`: what each protocol fixes, and why."""

from __future__ import annotations

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table

app = cyclopts.App(name="protocols", help="List and explain metric protocols.")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List the protocols that come with bfrbench."""
    from bfrbench.metrics import load_protocol, protocol_names
    from bfrbench.plugins import PluginHost

    host = PluginHost()
    protocols = [load_protocol(name, host=host) for name in protocol_names()]
    if json:
        print_json([{"name": one.name, "digest": one.digest, "summary": one.summary} for one in protocols])
        return
    print_table(("protocol", "digest", "what it is"), [(one.name, one.digest[:12], one.summary) for one in protocols])


@app.command
def show(protocol: str, /, *, json: Json = False) -> None:
    """Explain a protocol in words: each metric, each choice, and where it was read.

    Parameters
    ----------
    protocol
        A name of 'bfrbench protocols list', or a TOML file of one's own.
    """
    from bfrbench.metrics import load_protocol
    from bfrbench.metrics.explain import protocol_as_data, protocol_in_words

    found = load_protocol(protocol)
    if json:
        print_json(protocol_as_data(found))
        return
    print("\n".join(protocol_in_words(found)))
