"""The command line: one file a command, imported when it is called.

This module is the table of commands and the door where errors become a sentence and an exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import cyclopts

import bfrbench
from bfrbench import progress
from bfrbench.errors import EXIT_INTERRUPTED, BfrbenchError

VERBOSE = "BFRBENCH_VERBOSE"
"""Set while errors are to be shown with their tracebacks."""
COMMANDS = {
    # name: (where, what it does)
    "demo": ("demo:demo", "Show what works here, on this machine, now."),
    "train": ("train:train", "Train a recipe, resume it, draw its curves."),
    "plugins": ("plugins:app", "List plugins, check a restorer, start a new plugin."),
    "restore": ("restore:restore", "Restore the faces of photographs."),
    "run": ("run:run", "Run a restorer on a board, and write its scorecard."),
    "boards": ("boards:app", "List, show, check and start boards."),
    "report": ("report:report", "Write one page with the numbers and pictures of runs."),
    "figure": ("figure:figure", "Draw a paper's figure and table from runs."),
    "leaderboard": ("leaderboard:app", "Build leaderboards from scorecards."),
    "submit": ("submit:submit", "Check a scorecard and put it in place for a leaderboard."),
    "gate": ("gate:gate", "Compare a candidate with a baseline: worse than allowed, or not?"),
    "scorecard": ("scorecard:app", "Show, validate and compare scorecards."),
    "convert": ("convert:app", "Turn checkpoints into safetensors with a card, and back."),
    "export": ("export:export", "Write a restorer as an ONNX file, checked against torch."),
    "degrade": ("degrade:degrade", "Make a low-quality set from a folder of sharp images."),
    "degradations": ("degradations:app", "List and show degradation recipes; compare low-quality sets."),
    "studio": ("studio:app", "Render faces with exact labels, as files or a contact sheet."),
    "score": ("score:score", "Score a folder of restored images under a protocol."),
    "protocols": ("protocols:app", "List and explain metric protocols."),
    "metrics": ("metrics:app", "List the kinds of metrics and the choices each has."),
    "reference": ("reference:app", "Build, import and show reference statistics."),
    "certify": ("certify:certify", "Compare published numbers with ours of the released outputs."),
    "datasets": ("datasets:app", "List, add, prepare, label and verify data sets."),
    "weights": ("weights:app", "List, fetch, add and verify weight files."),
}
"""Every command: the module and object under bfrbench.cli, and its line in --help."""

app = cyclopts.App(
    name="bfrbench",
    help="The benchmark toolkit for blind face restoration.",
    version=bfrbench.__version__,
    help_format="markdown",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    default_parameter=cyclopts.Parameter(negative=()),
)
app.meta.suppress_keyboard_interrupt = False  # main() turns it into exit 130
for _name, (_target, _help) in COMMANDS.items():
    app.command(f"bfrbench.cli.{_target}", name=_name, help=_help)


@app.meta.default
def _launch(
    *tokens: Annotated[str, cyclopts.Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[bool, cyclopts.Parameter(name=["--quiet", "-q"])] = False,
    verbose: Annotated[bool, cyclopts.Parameter(name=["--verbose", "-v"])] = False,
) -> int | None:
    """Run a command.

    Parameters
    ----------
    quiet
        Print results and errors only: no progress.
    verbose
        Show the traceback of every error.
    """
    if quiet:
        os.environ[progress.QUIET] = "1"
    if verbose:
        os.environ[VERBOSE] = "1"
    if tokens and not tokens[0].startswith("-") and tokens[0] not in COMMANDS:
        _add_plugin_commands()
    result = app(tokens, exit_on_error=False, print_error=False)
    return result if isinstance(result, int) else None


def _add_plugin_commands() -> None:
    """Commands of plugins are looked for only when a word is none of ours, so that --help loads no plugin."""
    from bfrbench.plugins import PluginHost

    for plugin, commands in PluginHost().call("bfrbench_commands"):
        for command in commands:
            if command.name[0] in COMMANDS:
                print(
                    f"bfrbench: plugin {plugin} offers a command named {command.name[0]}, which is ours",
                    file=sys.stderr,
                )
            else:
                app.command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    with _environment_kept():
        return _run(arguments)


@contextmanager
def _environment_kept() -> Iterator[None]:
    """What a command is told by its flags holds for it and the processes it starts, and not for a caller in Python."""
    before = {name: os.environ.get(name) for name in (progress.QUIET, VERBOSE)}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not None:
                os.environ[name] = value
            else:
                os.environ.pop(name, None)


def _run(arguments: Sequence[str] | None) -> int:
    from bfrbench.cli import outcome

    try:
        return app.meta(list(arguments) if arguments is not None else None, exit_on_error=False, print_error=False) or 0
    except KeyboardInterrupt as interrupt:
        print(f"interrupted; {str(interrupt) or 'run the same command again to go on'}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except cyclopts.CycloptsError as error:
        return outcome.usage(error)
    except BfrbenchError as error:
        return outcome.failed(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return outcome.refused(error) or outcome.crashed(error)
    except Exception as error:
        return outcome.crashed(error)
