"""What is shown of a training, and what is not scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bfrbench.errors import InputError
from bfrbench.imaging.read import read_image
from bfrbench.training import start
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order
from tests.training.conftest import TINY

SHOWN = [*TINY, "run.images=8", "run.sample_every=8", "run.validate_every=8", "run.samples=3"]


def trained(recipe: str, data: Path, out: Path, *more: str, validation: Path | None = None) -> Path:
    held = str(validation) if validation else None
    start.train(Order.of(recipe, [str(data)], sets=[*SHOWN, *more], validation=held), out)
    return out / "samples" / "000000000008.png"


@pytest.mark.parametrize(
    ("recipe", "rows", "more"),
    [("stylegan2-prior@32", 2, ()), ("gpen-code@32", 3, ("task.identity=0", "degradation=vqfr-1@32"))],
)
def test_without_a_held_out_set_faces_of_the_training_are_shown_and_nothing_is_scored(
    photographs: Path, tmp_path: Path, recipe: str, rows: int, more: tuple[str, ...]
) -> None:
    grid = trained(recipe, photographs, tmp_path / "run", *more)
    assert read_image(grid).shape == (rows * 32, 3 * 32, 3)
    assert not any(name.startswith("validation/") for line in read_stats(tmp_path / "run") for name in line)


def test_a_bad_file_is_not_shown_but_is_refused_where_it_would_be_scored(photographs: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(photographs, copied)
    (copied / "00.png").write_bytes(b"not an image")
    assert read_image(trained("stylegan2-prior@32", copied, tmp_path / "run")).shape == (2 * 32, 2 * 32, 3)
    with pytest.raises(InputError, match="00"):
        trained("stylegan2-prior@32", photographs, tmp_path / "other", validation=copied)
