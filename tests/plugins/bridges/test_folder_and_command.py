"""Finished folders and authors' own programs as restorers: real files, real processes."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bfrbench
from bfrbench.errors import InputError, RestorerError, UsageError
from bfrbench.imaging.convert import quantise
from bfrbench.imaging.write import write_image
from bfrbench.testing import check_restorer

IDS = ("anna", "p7/bert", "carla")


def batch_of(size: int = 24) -> bfrbench.Batch:
    lq = torch.rand(len(IDS), 3, size, size, generator=torch.Generator().manual_seed(1))
    return bfrbench.Batch(IDS, lq, (0, 1, 2))


def results_in(folder: Path, suffix: str = "", size: int = 24) -> dict[str, np.ndarray]:
    images = {image_id: np.full((size, size, 3), 40 * i + 7, np.uint8) for i, image_id in enumerate(IDS)}
    for image_id, image in images.items():
        path = folder / f"{image_id}{suffix}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, image)
    return images


def test_results_are_taken_by_id_in_any_order(tmp_path: Path) -> None:
    images = results_in(tmp_path)
    restorer = bfrbench.load_restorer(f"folder:{tmp_path}")
    batch = batch_of()
    turned = bfrbench.Batch(IDS[::-1], batch.lq, batch.seeds)
    for given in (batch, turned):
        out = quantise(restorer.restore(given)).permute(0, 2, 3, 1).numpy()
        for image_id, result in zip(given.ids, out, strict=True):
            assert np.array_equal(result, images[image_id])


def test_a_grey_result_is_one_of_a_grey_image_only(tmp_path: Path) -> None:
    for image_id, image in results_in(tmp_path).items():
        Image.fromarray(image[..., 0]).save(tmp_path / f"{image_id}.png")
    restorer = bfrbench.load_restorer(f"folder:{tmp_path}")
    with pytest.raises(RestorerError, match="grey picture of a coloured face"):
        restorer.restore(batch_of())
    grey = bfrbench.Batch(IDS, batch_of().lq[:, :1].expand(-1, 3, -1, -1).contiguous(), (0, 1, 2))
    assert restorer.restore(grey).shape == grey.lq.shape


def test_a_pattern_finds_what_other_programs_named(tmp_path: Path) -> None:
    results_in(tmp_path, "_00")
    assert bfrbench.load_restorer(f"folder:{tmp_path}", pattern="{id}_00.png").restore(batch_of()).shape[0] == 3


def test_a_missing_result_names_the_image_and_the_nearest_file(tmp_path: Path) -> None:
    results_in(tmp_path)
    (tmp_path / "carla.png").rename(tmp_path / "karla.png")
    with pytest.raises(RestorerError, match=r"no result for image 'carla'.*did you mean karla"):
        bfrbench.load_restorer(f"folder:{tmp_path}").restore(batch_of())


def test_two_results_of_one_image_are_an_error_that_names_both(tmp_path: Path) -> None:
    images = results_in(tmp_path)
    write_image(tmp_path / "anna.jpg", images["anna"])
    with pytest.raises(InputError, match=r"anna\.jpg and .*anna\.png"):
        bfrbench.load_restorer(f"folder:{tmp_path}")


def test_results_of_another_size_are_refused(tmp_path: Path) -> None:
    results_in(tmp_path, size=48)
    with pytest.raises(RestorerError, match=r"48×48 px.*24×24 px"):
        bfrbench.load_restorer(f"folder:{tmp_path}").restore(batch_of())


@pytest.mark.parametrize("what", ["nowhere", "empty", "pattern"])
def test_a_folder_that_cannot_serve_says_why(tmp_path: Path, what: str) -> None:
    with pytest.raises((InputError, UsageError), match={"pattern": "does not contain"}.get(what, str(tmp_path))):
        if what == "pattern":
            bfrbench.load_restorer(f"folder:{tmp_path}", pattern="{}.png")
        bfrbench.load_restorer(f"folder:{tmp_path / 'x' if what == 'nowhere' else tmp_path}")


def test_a_folder_conforms(tmp_path: Path) -> None:
    results_in(tmp_path, size=64)
    outcomes = check_restorer(f"folder:{tmp_path}", ids=IDS)
    assert [outcome for outcome in outcomes if not outcome.good] == []


PROGRAM = """
import sys, time, subprocess
from pathlib import Path
from PIL import Image, ImageOps
source, target, mode = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
print("loaded checkpoint", mode, flush=True)
if mode == "fail": sys.exit(3)
if mode == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    Path(sys.argv[4]).write_text(str(child.pid))
    time.sleep(120)
if mode == "silent": sys.exit(0)
for path in sorted(source.iterdir()):
    image = ImageOps.invert(Image.open(path))
    if mode == "grey": image = image.convert("L")
    if mode == "large": image = image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST)
    folder = target / "restored_faces"
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{path.stem}_00.png")
    if mode == "double": image.save(folder / f"{path.stem}_01.png")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "infer.py"
    path.write_text(PROGRAM)
    return path


def reference(program: Path, mode: str, *more: str) -> str:
    words = [sys.executable, str(program), "{input}", "{output}", mode, *more]
    return "command:" + " ".join(shlex.quote(word) for word in words)


def test_an_authors_program_restores_whole_batches(program: Path, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "run.txt"
    batch = batch_of()
    out = bfrbench.load_restorer(reference(program, "invert"), log=str(log)).restore(batch)
    assert torch.equal(quantise(out), 255 - quantise(batch.lq))
    assert "loaded checkpoint invert" in log.read_text()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fail", "exit code 3.*loaded checkpoint fail"),
        ("silent", "wrote nothing.*loaded checkpoint silent"),
        ("large", "48×48 px, not 24×24.*resize=true"),
        ("double", "wrote 2 results for 'anna'"),
        ("grey", "is a grey picture of a coloured face"),
    ],
)
def test_a_program_that_goes_wrong_is_a_sentence_with_its_last_words(program: Path, mode: str, words: str) -> None:
    with pytest.raises(RestorerError, match=words):
        bfrbench.load_restorer(reference(program, mode)).restore(batch_of())


def test_results_of_another_size_are_resized_when_the_user_says_so(program: Path) -> None:
    batch = batch_of()
    out = bfrbench.load_restorer(reference(program, "large"), resize="true").restore(batch)
    assert out.shape == batch.lq.shape and float((out - (1 - batch.lq)).abs().mean()) < 0.1


def test_a_program_that_hangs_is_ended_with_its_children(program: Path, tmp_path: Path) -> None:
    pid_file = tmp_path / "child.pid"
    restorer = bfrbench.load_restorer(reference(program, "hang", str(pid_file)), timeout=3)
    started = time.monotonic()
    with pytest.raises(RestorerError, match=r"stopped after 3 s.*loaded checkpoint hang"):
        restorer.restore(batch_of())
    assert time.monotonic() - started < 30
    time.sleep(0.3)
    assert not running(int(pid_file.read_text()))


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


@pytest.mark.parametrize("line", ["python infer.py", "python {input}", "python '{input} {output}"])
def test_a_command_without_its_places_is_refused_before_anything_runs(line: str) -> None:
    with pytest.raises(UsageError, match="command"):
        bfrbench.load_restorer(f"command:{line}")


def test_a_program_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(RestorerError, match="'no-such-program' cannot be started"):
        bfrbench.load_restorer("command:no-such-program {input} {output}").restore(batch_of())


def test_no_shell_ever_sees_the_command(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    line = f"command:{sys.executable} -c pass {{input}} {{output}} ; touch {witness}"
    with pytest.raises(RestorerError, match="wrote nothing"):
        bfrbench.load_restorer(line).restore(batch_of())
    assert not witness.exists()
