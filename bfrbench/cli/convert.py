"""`bfrbench convert`: published or trained checkpoints to safetensors with a card, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts

from bfrbench.cli.output import Json, print_json
from bfrbench.errors import UsageError

app = cyclopts.App(name="convert", help="Turn checkpoints into safetensors with a card, and back.")


@app.command
def gpen(
    file: Path,
    /,
    *,
    output: Annotated[Path, cyclopts.Parameter(name=["--output", "-o"])],
    licence: str = "as the file that it was converted from",
    force: bool = False,
    json: Json = False,
) -> None:
    """Convert a GPEN checkpoint; size, multiplier and narrow are read off its tensors.

    Parameters
    ----------
    file
        A published file, a training file (its g_ema is taken), or our safetensors.
    output
        Where to write: OUT.safetensors gets a card OUT.toml beside it; OUT.pth is in the published layout.
    licence
        What the card says of the weights' licence.
    force
        Overwrite.
    """
    card = output.with_suffix(".toml")
    for path in (output, card) if output.suffix == ".safetensors" else (output,):
        if path.exists() and not force:
            raise UsageError(f"{path} is already there", "choose another name or say --force")
    from bfrbench_gpen.conversion import convert

    facts = convert(file, output, licence=licence)
    if json:
        print_json(facts)
        return
    print(f"{facts['output']}: {facts['network']}, {facts['parameters']:,} parameters, sha256 {facts['sha256']}")
    if "card" in facts:
        print(f"{facts['card']}: its card")
    print(f"use it as {facts['restorer']}:{facts['output']}")
