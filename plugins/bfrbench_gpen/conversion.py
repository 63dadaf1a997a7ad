"""From one checkpoint file to another: safetensors with a card, or a .pth in the published layout."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bfrbench import atomic, digests
from bfrbench.errors import UsageError, WeightsError
from bfrbench_gpen.checkpoints import Checkpoint, published_table, read_checkpoint


def convert(source: Path, output: Path, *, licence: str) -> dict[str, Any]:
    """Write `output` and say what it is."""
    if not source.is_file():
        raise WeightsError(f"there is no file {source}", "check the path")
    if output.suffix not in (".safetensors", ".pth"):
        raise UsageError(f"{output} ends in neither .safetensors nor .pth", "choose a name that does")
    if output.exists() and output.samefile(source):
        raise UsageError(f"{output} is the file to convert", "choose another name")
    checkpoint = read_checkpoint(source)
    _save(checkpoint, output)
    shape = checkpoint.shape
    facts: dict[str, Any] = {
        "output": str(output),
        "sha256": digests.of_file(output),
        "network": str(shape),
        "size": shape.size,
        "in_size": shape.entry,
        "multiplier": shape.multiplier,
        "narrow": shape.narrow,
        "noise": shape.noise,
        "part": checkpoint.part,
        "parameters": sum(tensor.numel() for tensor in checkpoint.table.values()),
        "restorer": "gpen-sr" if shape.in_size else "gpen",
    }
    if output.suffix == ".safetensors":
        card = output.with_suffix(".toml")
        atomic.write_text(card, _card(source, output, facts, licence))
        facts["card"] = str(card)
    return facts


def _save(checkpoint: Checkpoint, output: Path) -> None:
    with atomic.landing(output) as part:
        if output.suffix == ".safetensors":
            from safetensors.torch import save_file

            save_file(checkpoint.table, part, metadata={"network": f"GPEN {checkpoint.shape}"})
        else:
            import torch

            torch.save(published_table(checkpoint.network()), part)


def _card(source: Path, output: Path, facts: dict[str, Any], licence: str) -> str:
    """A card in the form of the weight store's own, which the store can read."""
    name = re.sub(r"[^a-z0-9]+", "-", output.stem.lower()).strip("-") or "gpen"
    part = f", part {facts['part']}" if facts["part"] else ""
    lines = {
        "name": name,
        "file": output.name,
        "summary": f"GPEN: {facts['network']}",
        "sha256": facts["sha256"],
        "size": output.stat().st_size,
        "licence": licence,
        "needed_by": [f"restorer {facts['restorer']}"],
        "by_hand": f"bfrbench convert gpen {source.name} -o {output.name}",
        "note": f"Converted from {source.name}{part} with sha256 {digests.of_file(source)}.",
    }
    # JSON's strings, numbers and lists of strings are TOML's too.
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines.items())
