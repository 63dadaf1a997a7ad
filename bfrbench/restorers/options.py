"""Options of restorers as people write them on a command line: `factor=4`, `resize=true`."""

from __future__ import annotations

from collections.abc import Iterable

from bfrbench.errors import UsageError


def parse_options(words: Iterable[str]) -> dict[str, str]:
    """`["factor=4"]` becomes `{"factor": "4"}`; the restorer reads the value as what it expects."""
    options: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"the option {word!r} is not written name=value", "write for example factor=4")
        if name.strip() in options:
            raise UsageError(f"the option {name.strip()!r} is given twice", "give it once")
        options[name.strip()] = value.strip()
    return options
