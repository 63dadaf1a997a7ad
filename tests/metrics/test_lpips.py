from __future__ import annotations

import lpips
import pytest
import torch

from bfrbench.metrics.catalogue import KINDS
from bfrbench.metrics.lpips import Lpips, LpipsChoices
from bfrbench.weights import WeightStore, load_state_dict
from bfrbench.weights.handing import LPIPS_CARDS
from tests.metrics.real_pairs import faces, scored, spoilt
from tests.weights.seeded import seeded_store

SPEC = next(spec for spec in KINDS if spec.id == "lpips")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> WeightStore:
    return seeded_store(tmp_path_factory.mktemp("lpips"), *(trunk for trunk, _ in LPIPS_CARDS.values()))


def rows(store, restored, gt, **choices) -> list[float]:
    fixed = LpipsChoices(**({"net": "alex", "range": "-1..1", "channels": "rgb"} | choices))
    measure = Lpips(SPEC, fixed, "leave-out").open(store, "cpu")
    with torch.inference_mode():
        return [row.value for row in measure.rows(scored(restored, gt))]


def library(store, net: str) -> lpips.LPIPS:
    """The library as a user builds it, its published heads with it, and our seeded trunk put into it."""
    network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    trunk = load_state_dict(store.path(LPIPS_CARDS[net][0]))
    network.net.load_state_dict({name: trunk["features." + name.split(".", 1)[1]] for name in network.net.state_dict()})
    return network.eval()


@pytest.mark.parametrize("net", ["alex", "squeeze", pytest.param("vgg", marks=pytest.mark.slow)])
def test_lpips_agrees_with_the_library_on_real_faces(store, net):
    gt = faces(2, 192)
    restored = spoilt(gt)
    with torch.inference_mode():
        theirs = library(store, net)(restored * 2 - 1, gt * 2 - 1).flatten().tolist()
    assert min(theirs) > 0
    assert rows(store, restored, gt, net=net) == pytest.approx(theirs, rel=1e-5)


def test_range_and_order_of_channels_change_the_distance(store):
    gt = faces(1, 128)
    restored = spoilt(gt)
    plain = rows(store, restored, gt)
    assert rows(store, restored, gt, range="0..1") != pytest.approx(plain, rel=1e-3)
    assert rows(store, restored, gt, channels="bgr") != pytest.approx(plain, rel=1e-3)
