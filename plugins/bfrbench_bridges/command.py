"""`command:PROGRAM ... {input} ... {output}`: an author's own program, run over a folder of images.

Most released code does not import beside a current torch; this is how it gets onto a board unchanged.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bfrbench.contracts import Batch
from bfrbench.errors import RestorerError, UsageError
from bfrbench.restorers import RestorerContext
from bfrbench_bridges.folder import index_images, read_result

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_TIMEOUT = 600.0
TAIL = 600
"""Characters of a failed program's output that go into the error."""


class Command:
    """Writes each batch as PNG files, runs the program once, and reads what it wrote."""

    def __init__(self, context: RestorerContext) -> None:
        self.words = _split(context.argument or "")
        self.timeout = float(context.options.get("timeout", DEFAULT_TIMEOUT))
        self.log = Path(log) if (log := context.options.get("log")) else None
        self.resize = str(context.options.get("resize", "false")).lower() in ("true", "1", "yes")

    def restore(self, batch: Batch) -> Tensor:
        with tempfile.TemporaryDirectory(prefix="bfrbench-command-") as folder:
            source, target = Path(folder, "input"), Path(folder, "output")
            source.mkdir()
            target.mkdir()
            names = _write(batch, source)
            log = self._run(source, target)
            return self._collect(batch, names, target, log)

    def _run(self, source: Path, target: Path) -> str:
        words = [word.replace("{input}", str(source)).replace("{output}", str(target)) for word in self.words]
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise RestorerError(f"{words[0]!r} cannot be started ({error.strerror})", "check the command") from error
        try:
            output, _ = process.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            text = self._keep(_stop(process))
            problem = f"{words[0]!r} was stopped after {self.timeout:g} s: {text[-TAIL:]!r}"
            raise RestorerError(problem, "give it more time with the option timeout") from None
        except BaseException:
            _stop(process)
            raise
        text = self._keep(output)
        if process.returncode != 0:
            problem = f"{words[0]!r} ended with exit code {process.returncode}: {text[-TAIL:]!r}"
            raise RestorerError(problem, "run the command by hand on a folder to see why")
        return text

    def _keep(self, output: bytes) -> str:
        if self.log:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as file:
                file.write(output)
        return output.decode(errors="replace").strip()

    def _collect(self, batch: Batch, names: list[str], target: Path, log: str) -> Tensor:
        import torch

        from bfrbench.imaging.convert import to_tensor
        from bfrbench.imaging.resize import resize_batch

        if not any(target.rglob("*")):
            raise RestorerError(f"{self.words[0]!r} wrote nothing: {log[-TAIL:]!r}", "does it write to {output}?")
        written = index_images(target)
        size = (batch.lq.shape[-2], batch.lq.shape[-1])
        results = []
        for image_id, name, lq in zip(batch.ids, names, batch.lq, strict=True):
            result = to_tensor(read_result(_result_of(name, image_id, written), lq))
            if tuple(result.shape[1:]) != size and not self.resize:
                problem = (
                    f"the result of {image_id!r} is {result.shape[2]}×{result.shape[1]} px, not {size[1]}×{size[0]}"
                )
                raise RestorerError(problem, "give the option resize=true to resize results")
            results.append(resize_batch(result.unsqueeze(0), size)[0].clamp(0, 1))
        return torch.stack(results).to(batch.lq.device)


def _split(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"the command {line!r} cannot be read ({error})", "close its quotes") from error
    for place in ("{input}", "{output}"):
        if not any(place in word for word in words):
            problem = f"the command {line!r} has no {place}"
            raise UsageError(problem, 'write for example command:"python infer.py -i {input} -o {output}"')
    return words


def _write(batch: Batch, folder: Path) -> list[str]:
    """Names are safe for any program and still tell which image it is."""
    from bfrbench.imaging.convert import from_tensor
    from bfrbench.imaging.write import write_image

    names = [f"{i:06d}_{re.sub(r'[^A-Za-z0-9-]+', '-', image_id)[-60:]}" for i, image_id in enumerate(batch.ids)]
    for name, lq in zip(names, batch.lq, strict=True):
        write_image(folder / f"{name}.png", from_tensor(lq))
    return names


def _result_of(name: str, image_id: str, written: dict[str, Path]) -> Path:
    """The one result whose file name is the input's, or begins with it (programs add suffixes)."""
    exact = [path for key, path in written.items() if Path(key).name == name]
    found = exact or [path for key, path in written.items() if Path(key).name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RestorerError(f"the program wrote no result for {image_id!r} ({name})", "does it keep file names?")
    listed = ", ".join(str(path.name) for path in found[:3])
    raise RestorerError(f"the program wrote {len(found)} results for {image_id!r} ({listed})", "let it write one")


def _stop(process: subprocess.Popen[bytes]) -> bytes:
    """End the program and whatever it started, and give what it said until then."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        return process.communicate(timeout=5)[0]
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]
