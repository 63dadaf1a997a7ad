"""What this plugin offers, as data."""

import cyclopts

import bfrbench


@bfrbench.hookimpl
def bfrbench_restorers() -> list[bfrbench.RestorerSpec]:
    return [
        bfrbench.RestorerSpec(
            id="median",
            target="bfrbench_example.restorer:Median",
            summary="A median filter: removes salt and pepper, and fine skin with it.",
            licence="Apache-2.0",
            trained_on=(),
            options={"radius": "how many pixels to each side (default 1)"},
        )
    ]


@bfrbench.hookimpl
def bfrbench_commands() -> list[cyclopts.App]:
    app = cyclopts.App(name="example-levels", help="Print how many levels a byte has.")
    app.default(lambda: print(2**8))
    return [app]
