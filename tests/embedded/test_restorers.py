"""The restorers in the package: what their cards say is true, and they are better than bicubic on unseen people."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

import bfrbench.embedded
from bfrbench import digests, load_restorer
from bfrbench.contracts import Batch
from bfrbench.degradations import load_recipe
from bfrbench.embedded.packing import pack
from bfrbench.errors import InputError
from bfrbench.weights import WeightStore
from tests.shared_data import shared

FOLDER = Path(bfrbench.embedded.__file__).parent
COUNT = 32


def restored(ref: str, lq: torch.Tensor) -> np.ndarray:
    restorer = load_restorer(ref)
    ids = tuple(str(number) for number in range(len(lq)))
    return restorer.restore(Batch(ids, lq, tuple(range(len(lq))))).permute(0, 2, 3, 1).numpy()


def test_the_restorer_in_the_package_is_better_than_bicubic_on_people_it_never_saw() -> None:
    from bfrbench.data import open_dataset

    faces, recipe = open_dataset(str(shared("lfw128", "test.parquet"))), load_recipe("vqfr-1@128")
    samples = [faces[index] for index in range(0, 10 * COUNT, 10)]
    pairs = [recipe.apply(sample.image, recipe.draw(7, sample.id)) for sample in samples]
    lq = torch.from_numpy(np.stack([pair.lq for pair in pairs])).permute(0, 3, 1, 2).float() / 255
    gt = np.stack([pair.gt for pair in pairs]) / 255

    def errors(ref: str) -> np.ndarray:
        return ((restored(ref, lq) - gt) ** 2).mean(axis=(1, 2, 3))

    gain = 10 * np.log10(errors("bicubic") / errors("mmrb-lite"))
    assert gain.mean() > 0.2, f"{gain.mean():.2f} dB"


@pytest.mark.parametrize("name", ["mmrb-lite", "lite-metrics"])
def test_the_card_beside_a_file_is_of_that_file(name: str) -> None:
    card = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    path = WeightStore().path(name)
    assert (card["sha256"], card["size"]) == (digests.of_file(path), path.stat().st_size)
    assert path.stat().st_size <= 12_000_000


def test_packing_halves_a_result_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_file({"a": torch.tensor([1.0, 2.0])}, tmp_path / "result.safetensors", metadata={"training": "{}"})
    packed = pack(tmp_path / "result.safetensors", "small", tmp_path)
    assert load_file(packed)["a"].dtype == torch.float16
    save_file({"a": torch.tensor([1e6])}, tmp_path / "result.safetensors", metadata={"training": "{}"})
    with pytest.raises(InputError, match="does not fit float16"):
        pack(tmp_path / "result.safetensors", "small", tmp_path)
