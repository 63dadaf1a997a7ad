"""The cards that travel with bfrbench, and what a card may not say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bfrbench.errors import ConfigError, WeightsError
from bfrbench.plugins import PluginHost
from bfrbench.weights import WeightCard, WeightStore
from bfrbench.weights.card import read_cards, shipped_cards
from bfrbench.weights.making import make
from tests.shared_data import shared
from tests.shared_weights import FILES, shared_store
from tests.weights.conftest import card_of, left_in

# fmt: off
PROMISED = [
    "inception-fid", "inception-ffhq512-stats", "alexnet", "vgg16", "vgg19", "squeezenet1.1", "squeezenet1.1-keras",
    "lpips-alex", "lpips-vgg", "lpips-squeeze", "arcface-w600k-r50", "arcface-glint360k-r100",
    "arcface-resnet18-vqfr", "arcface-ir-se50", "mobilefacenet-arcface", "awing-wflw98", "pfld-68",
    "pose-3ddfa-mb05", "retinaface-r50", "retinaface-mobile0.25", "parsenet", "bisenet", "yunet", "scrfd-10g",
    "niqe-npz", "niqe-mat", "brisque-svm", "gpen-bfr-256", "gpen-bfr-512", "gpen-bfr-1024", "gpen-bfr-2048",
    "gpen-colorization-1024", "gpen-inpainting-1024", "gpen-seg2face-512", "realesrnet-x2", "musiq-koniq",
    "maniqa-koniq", "clipiqa-rn50", "topiq-nr-face",
]
# fmt: on


def test_every_promised_file_has_a_card():
    assert set(PROMISED) <= set(shipped_cards())


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_cards_of_the_research_data_fit_their_files(name):
    card, file = shipped_cards()[name], shared("weights", FILES[name])
    assert card.size == file.stat().st_size
    assert card.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert shared_store(name).verify(name).state == "ok"


def test_addresses_are_safe_or_pinned():
    for card in shipped_cards().values():
        for source in card.sources:
            assert source.package or source.url.startswith("https://"), card.name


def test_a_published_name_that_carries_digits_of_its_digest_agrees_with_its_card():
    named = [card for card in shipped_cards().values() if len(card.file.rpartition("-")[2].partition(".")[0]) == 8]
    assert len(named) >= 6
    for card in named:
        digits = card.file.rpartition("-")[2].partition(".")[0]
        assert (card.sha256 or card.sha256_prefix or "").startswith(digits), card.name


def test_what_judges_is_not_offered_for_training_and_the_other_way_round():
    cards = shipped_cards()
    assert cards["mobilefacenet-arcface"].use == "evaluation"
    assert cards["squeezenet1.1-keras"].use == "training"


def test_the_recogniser_is_made_from_its_published_source_to_the_byte(server, tmp_path):
    server.files["/MobileFaceNet.onnx"] = shared("weights", "mobilefacenet.onnx").read_bytes()
    card = shipped_cards()["mobilefacenet-arcface"]
    source = card.sources[0].model_copy(update={"url": server.url("/MobileFaceNet.onnx")})
    cards = {card.name: card.model_copy(update={"sources": (source,)})}
    store = WeightStore(tmp_path, False, cards=cards, host=PluginHost(installed=False))
    assert store.path(card.name).read_bytes() == shared("weights", "mobilefacenet_arcface.onnx").read_bytes()
    assert left_in(store) == [card.file]


def test_making_from_the_wrong_file_is_told(tmp_path):
    (tmp_path / "other.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="cannot be made"):
        make("fold-imagenet-normalisation", tmp_path / "other.onnx", tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"file": "../escape.bin"}, "file"),
        ({"name": "Net"}, "name"),
        ({"sha256": "abc"}, "sha256"),
        ({"sources": []}, "needs a source"),
        ({"sources": [{"url": "https://a", "package": "b", "member": "c"}]}, "either a url or a package"),
        ({"sources": [{"package": "b"}]}, "needs the member"),
        ({"sources": [{"package": "b", "member": "c"}], "sha256": None}, "needs its sha256"),
        ({"sha256_prefix": "0" * 8}, "no need of a prefix"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(facts, why):
    with pytest.raises(ValueError, match=why):
        card_of("https://example.org/net.bin", **facts)


def test_a_card_must_be_called_as_its_file(tmp_path: Path):
    card = card_of("https://example.org/net.bin")
    text = "\n".join(f'{key} = "{getattr(card, key)}"' for key in ("name", "file", "summary", "licence"))
    (tmp_path / "else.toml").write_text(text + '\nneeded_by = ["tests"]\nby_hand = "ask"\n')
    with pytest.raises(ConfigError, match="holds the card 'net'"):
        read_cards(tmp_path)
    (tmp_path / "else.toml").rename(tmp_path / "net.toml")
    assert isinstance(read_cards(tmp_path)["net"], WeightCard)
