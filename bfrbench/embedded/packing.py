"""From the result of a training to the file that lies in this package: float16, with the result's own header.

python -m bfrbench.embedded.packing runs/gpen-lite/result.safetensors gpen-lite
"""

from __future__ import annotations

import sys
from pathlib import Path

from bfrbench.errors import InputError

LIMIT = 12_000_000


def pack(result: Path, name: str, folder: Path | None = None) -> Path:
    """Write `name`.safetensors, by default beside this module; refuses what half precision cannot hold."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save

    from bfrbench import atomic

    with safe_open(result, framework="pt") as file:
        header = file.metadata()
    halves = {key: tensor.half().contiguous() for key, tensor in load_file(result).items()}
    broken = next((key for key, tensor in halves.items() if not tensor.isfinite().all()), None)
    if broken:
        raise InputError(f"{broken} of {result} does not fit float16", "train it with clipping, or ship float32")
    data = save(halves, metadata=header)
    if len(data) > LIMIT:
        raise InputError(f"{result} takes {len(data):,} bytes in float16", f"a file in the package takes {LIMIT:,}")
    target = (folder or Path(__file__).parent) / f"{name}.safetensors"
    atomic.write_bytes(target, data)
    return target


if __name__ == "__main__":
    from bfrbench.digests import of_file

    written = pack(Path(sys.argv[1]), sys.argv[2])
    print(f"{written}: {written.stat().st_size:,} bytes, sha256 {of_file(written)}")
