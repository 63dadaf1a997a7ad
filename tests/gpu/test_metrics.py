"""Every metric on a GPU against the CPU, and a batch against its images one by one.

Values lie within 1e-4 of each other (1e-5 for a batch and its images), features within 1e-4 of their length: networks
compute in float32, and a GPU may take another algorithm for another batch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bfrbench.contracts import Scored
from bfrbench.metrics import Scorer, load_protocol
from bfrbench.metrics.scorer import take
from bfrbench.weights import WeightStore
from tests.gpu.comparing import DEVICE, assert_near, batch
from tests.shared_weights import shared_store
from tests.weights.seeded import seeded_store

pytestmark = pytest.mark.cuda

GIVEN = ("lq", "gt", "draws", "identity")
SMALL = ("retinaface-mobile0.25", "mobilefacenet-arcface", "yunet", "pfld-68")
PUBLISHED = ("lpips-alex", "fid-gt", "niqe")


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, WeightStore]:
    """A store for each protocol, once it is asked for."""
    return {}


def store_of(stores: dict[str, WeightStore], name: str, home: Path) -> WeightStore:
    if name not in stores:
        if name == "bfrbench-v1":
            seeded = seeded_store(home, "alexnet", "inception-fid")
            shared = shared_store("niqe-npz", home=home)
            stores[name] = WeightStore(home, offline=True, cards={**shared.cards, **seeded.cards})
        else:
            stores[name] = shared_store(*(SMALL if name == "small-networks" else ()), home=home)
    return stores[name]


def scorer(name: str, store: WeightStore, device: str) -> Scorer:
    protocol = load_protocol(name)
    if name == "bfrbench-v1":
        pytest.importorskip("lpips")
        pytest.importorskip("torch_fidelity")
        protocol = protocol.only(PUBLISHED)
    return Scorer(protocol, device, store, available=GIVEN)


def images(name: str, device: str) -> Scored:
    """NIQE wants two blocks of 96 pixels or more."""
    return batch(device, 4, 256) if name == "bfrbench-v1" else batch(device)


@pytest.mark.parametrize("name", ["basic-v1", "lite", "small-networks", "bfrbench-v1"])
def test_a_device_measures_what_the_cpu_measures(
    name: str, stores: dict[str, WeightStore], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = store_of(stores, name, tmp_path_factory.mktemp(name))
    found = scorer(name, store, DEVICE).rows(images(name, DEVICE))
    expected = scorer(name, store, "cpu").rows(images(name, "cpu"))
    assert all(row.status == "ok" for rows in expected.values() for row in rows)
    assert_near(found, expected, values=1e-4, features=1e-4)


@pytest.mark.parametrize("name", ["basic-v1", "lite", "small-networks", "bfrbench-v1"])
def test_a_batch_on_a_device_equals_its_images(
    name: str, stores: dict[str, WeightStore], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = store_of(stores, name, tmp_path_factory.mktemp(name))
    whole, there = images(name, DEVICE), scorer(name, store, DEVICE)
    together, alone = there.rows(whole), [there.rows(take(whole, [index])) for index in range(len(whole.ids))]
    pieces = {key: [row for one in alone for row in one[key]] for key in together}
    assert_near(together, pieces, values=1e-5, features=1e-4)


def test_pyiqas_networks_run_there(tmp_path: Path) -> None:
    pytest.importorskip("pyiqa")
    from bfrbench.metrics.pyiqa_metric import PyiqaModel
    from bfrbench.weights.handing import pyiqa_network

    store = shared_store("niqe-mat", home=tmp_path)
    found = {}
    for device in (DEVICE, "cpu"):
        network = pyiqa_network("niqe", store, device)
        with torch.inference_mode():
            found[device] = {"niqe": PyiqaModel(network, "nothing").rows(batch(device, 2, 256))}
    assert_near(found[DEVICE], found["cpu"], values=1e-3, features=0)
    assert not torch.backends.cuda.matmul.allow_tf32


def test_an_image_with_nan_is_left_out_there_too(tmp_path: Path) -> None:
    there = Scorer(load_protocol("basic-v1"), DEVICE, available=GIVEN)
    whole = batch(DEVICE)
    whole.restored[2, 0, 0, 0] = torch.nan
    for rows in there.rows(whole).values():
        assert [row.status for row in rows] == ["ok"] * 2 + ["nan"] + ["ok"] * 5


def test_faces_without_points_are_found_there_too(tmp_path: Path) -> None:
    """YuNet stays on the CPU, the networks behind it do not."""
    store, name = shared_store(*SMALL, home=tmp_path), "small-networks"
    found = {}
    for device in (DEVICE, "cpu"):
        blind = replace(batch(device), points=None)
        found[device] = Scorer(load_protocol(name).only(["ids"]), device, store, available=GIVEN).rows(blind)
    assert_near(found[DEVICE], found["cpu"], values=1e-4, features=1e-4)
