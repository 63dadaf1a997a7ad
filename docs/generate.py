"""Write the pages of docs/ that are made from the program itself, or check that they are current.

python docs/generate.py [--check]
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
NOTE = "<!-- Made by `make docs`: change the program, not this page. -->\n\n"


def command_line() -> str:
    """Every command and option, from the command line's own definitions."""
    from bfrbench.cli import app

    page = app.generate_docs(output_format="markdown", recursive=True, heading_level=1)
    # The table of negative flags is turned off on the command line itself, which the generator does not know.
    page = re.sub(r", --(no|empty)-[a-z-]+(?=[`:])", "", page)
    return page.replace("# bfrbench\n", "# Command line\n\n" + NOTE, 1).rstrip() + "\n"


def hooks() -> str:
    """Every hook with its signature and what it is for."""
    from bfrbench.hookspecs import Hooks

    parts = ["# Hooks\n\n" + NOTE + "Entry-point group: `bfrbench`. Plugins return data and never act.\n"]
    for name, function in inspect.getmembers(Hooks, inspect.isfunction):
        signature = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()").replace("'", "")
        parts.append(f"## `{name}`\n\n```python\n{name}{signature}\n```\n\n{inspect.getdoc(function)}\n")
    return "\n".join(parts)


PAGES = {"cli.md": command_line, "hooks.md": hooks}


def main(arguments: list[str]) -> int:
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
    if "--check" in arguments and stale:
        print(f"docs/{', docs/'.join(stale)} are not what the program says: run make docs and commit", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
