"""The restorers in the package: what their cards say is true, and they are better than bicubic on unseen people."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import bfrbench.embedded
from bfrbench import digests, load_restorer
from bfrbench.contracts import Batch, Scored
from bfrbench.degradations import load_recipe
from bfrbench.embedded.packing import pack
from bfrbench.errors import InputError
from bfrbench.metrics import Scorer, load_protocol
from bfrbench.weights import WeightStore
from tests.shared_data import shared
from tests.shared_weights import shared_store

FOLDER = Path(bfrbench.embedded.__file__).parent
COUNT = 32


@pytest.fixture(scope="module")
def unseen() -> Scored:
    """Faces of people that no network here has seen, degraded by draws that none was chosen on."""
    from bfrbench.data import open_dataset

    faces, recipe = open_dataset(str(shared("lfw128", "test.parquet"))), load_recipe("vqfr-1@128")
    samples = [faces[index] for index in range(0, 10 * COUNT, 10)]
    pairs = [recipe.apply(sample.image, recipe.draw(7, sample.id)) for sample in samples]
    ids, points = tuple(sample.id for sample in samples), tuple(sample.points for sample in samples)
    lq, gt = (
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        for images in ([pair.lq for pair in pairs], [pair.gt for pair in pairs])
    )
    return Scored(ids, lq, lq, gt=gt, points=points)


@pytest.mark.parametrize("name", ["gpen-lite", "mmrb-lite"])
def test_the_restorers_in_the_package_are_better_than_bicubic_on_people_they_never_saw(
    name: str, unseen: Scored
) -> None:
    """In pixels, to a real recognition network and in landmarks, face by face."""
    store = shared_store("mobilefacenet-arcface", "pfld-68")
    scorer = Scorer(load_protocol("small-networks").only(("psnr", "ids", "lmd")), store=store)

    def scores(ref: str) -> dict[str, np.ndarray]:
        batch = Batch(unseen.ids, unseen.lq, tuple(range(COUNT)))
        rows = scorer.rows(replace(unseen, restored=load_restorer(ref).restore(batch)))
        return {metric: np.array([row.value for row in rows[metric]], float) for metric in ("psnr", "ids", "lmd")}

    ours, bicubic = scores(name), scores("bicubic")
    gain = {metric: ours[metric] - bicubic[metric] for metric in ours}
    clear = {metric: each.mean() / (each.std(ddof=1) / len(each) ** 0.5) for metric, each in gain.items()}
    assert clear["psnr"] > 3 and clear["ids"] > 2 and clear["lmd"] < -3, clear


@pytest.mark.parametrize("name", ["gpen-lite", "mmrb-lite", "lite-metrics"])
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
