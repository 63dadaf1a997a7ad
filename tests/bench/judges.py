"""Protocols with the faulty plugin's metric beside a sound one."""

from __future__ import annotations

from pathlib import Path


def protocol_file(folder: Path, **judges: dict[str, object]) -> Path:
    """A protocol of `probe-level`, whose choices are few, and of one `judge` for each name given."""
    lines = ['name = "judged"', 'summary = "For tests."', 'sources = ["tests"]']
    lines += _metric("probe-level", "probe-level", {"colour": "rgb"})
    for name, choices in judges.items():
        lines += _metric(name, "judge", choices)
    path = folder / "judged.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _metric(name: str, kind: str, choices: dict[str, object]) -> list[str]:
    written = [f"[metrics.{name}]", f'kind = "{kind}"', 'failure = { take = "leave-out", because = "tests" }']
    values = {key: f'"{value}"' if isinstance(value, str) else value for key, value in choices.items()}
    return [*written, f"[metrics.{name}.choices]"] + [
        f'{key} = {{ take = {value}, because = "tests" }}' for key, value in values.items()
    ]
