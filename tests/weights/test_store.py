"""The store: what it gives was verified, and what it cannot give is one sentence."""

from __future__ import annotations

import hashlib
import io
import types
import zipfile
from pathlib import Path

import pytest

from bfrbench import hookimpl
from bfrbench.errors import UnknownName, WeightsError
from bfrbench.plugins import PluginHost
from bfrbench.weights import WeightStore, record
from tests.weights.conftest import BODY, left_in


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "mine.bin"
    file.write_bytes(BODY)
    return file


def test_a_missing_file_gives_file_digest_source_and_command_in_one_sentence(store_of, server):
    with pytest.raises(WeightsError) as caught:
        store_of(offline=True, licence="CC-BY-4.0").path("net")
    sentence = str(caught.value)
    sha256 = hashlib.sha256(BODY).hexdigest()
    for part in ("net.bin", "1,000,000 bytes", sha256, server.url(), "CC-BY-4.0", "bfrbench weights add net FILE"):
        assert part in sentence
    assert "\n" not in sentence
    assert server.asked == []


def test_an_unknown_name_is_told_with_the_nearest(store_of):
    with pytest.raises(UnknownName, match="did you mean net"):
        store_of().path("nett")


def test_a_local_copy_is_added_and_found_offline(store_of, good):
    store = store_of(offline=True)
    assert store.find("net") is None
    store.add("net", good)
    good.unlink()
    assert store.path("net").read_bytes() == BODY
    assert store.digest("net") == hashlib.sha256(BODY).hexdigest()


def test_a_wrong_copy_is_refused_and_leaves_the_right_one(store_of, good, tmp_path):
    store = store_of(offline=True)
    store.add("net", good)
    wrong = tmp_path / "wrong.bin"
    wrong.write_bytes(b"x" * len(BODY))
    with pytest.raises(WeightsError, match=r"wrong\.bin is not weight file net: its sha256 is"):
        store.add("net", wrong)
    wrong.write_bytes(b"x")
    with pytest.raises(WeightsError, match="it has 1 bytes, expected 1,000,000"):
        store.add("net", wrong)
    with pytest.raises(WeightsError, match="there is no file"):
        store.add("net", tmp_path / "none")
    with pytest.raises(WeightsError, match="not a regular file"):
        store.add("net", tmp_path)
    assert store.path("net").read_bytes() == BODY
    assert left_in(store) == ["net.bin"]


def test_a_file_that_changes_under_the_store_is_noticed(store_of, good):
    store = store_of(offline=True)
    place = store.add("net", good)
    assert store.path("net") == place
    place.write_bytes(BODY[:-1] + b"!")
    with pytest.raises(WeightsError, match="its sha256 is"):
        store.path("net")
    assert store.verify("net").state == "bad"
    assert store.remove("net")
    assert store.verify("net").state == "missing"


def test_a_digest_nobody_published_is_recorded_by_the_first_use_and_checked_later(store_of, good, tmp_path):
    unknown = {"sha256": None, "size": None}
    store = store_of(offline=True, **unknown)
    store.add("net", good)
    noted = record.record_path(store.place("net")).read_text()
    assert noted == f"{hashlib.sha256(BODY).hexdigest()}  net.bin\n"
    other = tmp_path / "other.bin"
    other.write_bytes(b"another network")
    with pytest.raises(WeightsError, match="its sha256 is"):
        store_of(offline=True, **unknown).add("net", other)
    store.remove("net")
    with pytest.raises(WeightsError, match="its sha256 is"):
        store_of(offline=True, **unknown).add("net", other)
    store.remove("net", forget=True)
    assert store_of(offline=True, **unknown).add("net", other).read_bytes() == b"another network"


def test_a_download_without_a_published_digest_is_recorded_too(store_of, server):
    store_of(sha256=None, size=None).path("net")
    server.files["/net.bin"] = b"something else"
    store = store_of(sha256=None, size=None)
    store.remove("net")
    with pytest.raises(WeightsError, match="expected " + hashlib.sha256(BODY).hexdigest()):
        store.path("net")


def test_the_first_digits_of_a_digest_are_checked(store_of, good):
    digest = hashlib.sha256(BODY).hexdigest()
    store_of(offline=True, sha256=None, sha256_prefix=digest[:8]).add("net", good)
    with pytest.raises(WeightsError, match="expected 00000000"):
        store_of(Path(good.parent / "h2"), offline=True, sha256=None, sha256_prefix="00000000").add("net", good)


@pytest.mark.parametrize(
    ("page", "what"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"", "an empty file"),
    ],
)
def test_what_is_plainly_no_network_is_never_recorded(store_of, server, page, what):
    server.files["/net.bin"] = page
    store = store_of(sha256=None, size=None)
    with pytest.raises(WeightsError, match=what):
        store.path("net")
    assert left_in(store) == []


def test_a_damaged_record_is_told(store_of, good):
    store = store_of(offline=True, sha256=None)
    place = store.add("net", good)
    record.record_path(place).write_text("nonsense")
    with pytest.raises(WeightsError, match="not a record of a digest"):
        store_of(offline=True, sha256=None).path("net")


def test_a_file_of_an_installed_package_is_verified_and_used_where_it_lies(store_of):
    store = WeightStore(offline=True)
    path = store.path("lpips-vgg")
    assert path.parts[-4:] == ("lpips", "weights", "v0.1", "vgg.pth")
    source = [{"package": "lpips", "member": "weights/v0.1/vgg.pth"}]
    with pytest.raises(WeightsError, match="is not weight file net"):
        store_of(offline=True, size=None, sources=source).path("net")


def zipped(name: str, body: bytes, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as bundle:
        bundle.writestr("readme.txt", "hello")
        bundle.writestr(name, body)
    return buffer.getvalue()


def test_a_file_inside_a_zip_is_taken_out_and_the_zip_is_thrown_away(store_of, server):
    server.files["/pack.zip"] = zipped("pack/net.bin", BODY)
    sources = [{"url": server.url("/pack.zip"), "member": "pack/net.bin"}]
    store = store_of(sources=sources)
    assert store.path("net").read_bytes() == BODY
    assert left_in(store) == ["net.bin"]


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"not a zip at all", "is not a zip that holds"),
        (zipped("elsewhere/net.bin", BODY), "is not a zip that holds"),
        (zipped("net.bin", bytes(30_000_000)), "expected 1,000,000"),
        (zipped("net.bin", b"short"), "expected 1,000,000"),
    ],
    ids=["no zip", "no member", "zip bomb", "short member"],
)
def test_a_zip_that_does_not_hold_the_file_leaves_nothing(store_of, server, archive, reason):
    server.files["/pack.zip"] = archive
    store = store_of(sources=[{"url": server.url("/pack.zip"), "member": "net.bin"}])
    with pytest.raises(WeightsError, match=reason):
        store.path("net")
    assert left_in(store) == []


class Mirror:
    """A plugin that resolves addresses to files of its own."""

    def __init__(self, answer: object) -> None:
        self.answer, self.asked = answer, []

    @hookimpl
    def bfrbench_resolve_weights(self, uri: str, cache_dir: Path) -> object:
        self.asked.append(uri)
        return self.answer


def host_of(plugin: object) -> PluginHost:
    module = types.SimpleNamespace(__name__="mirror", bfrbench_resolve_weights=plugin.bfrbench_resolve_weights)
    return PluginHost({"mirror": module}, installed=False)


def test_a_plugin_may_resolve_an_address_and_is_checked_like_any_source(store_of, server, good):
    plugin = Mirror(good)
    store = store_of(host=host_of(plugin), url="lab://nets/net.bin")
    assert store.path("net").read_bytes() == BODY
    assert plugin.asked == ["lab://nets/net.bin"]
    assert good.exists() and server.asked == []
    good.write_bytes(b"x" * len(BODY))
    store = store_of(good.parent / "second", host=host_of(plugin), url="lab://nets/net.bin")
    with pytest.raises(WeightsError, match=r"what a plugin gave for lab://nets/net.bin is not weight file net"):
        store.path("net")


def test_an_address_that_no_plugin_knows_is_told(store_of):
    with pytest.raises(WeightsError, match=r"no plugin answers to lab://nets/net\.bin"):
        store_of(host=host_of(Mirror(None)), url="lab://nets/net.bin").path("net")
    with pytest.raises(WeightsError, match="which is not a file"):
        store_of(host=host_of(Mirror("a string")), url="lab://nets/net.bin").path("net")


def test_a_folder_is_added_by_digest_whatever_the_names(store_of, good):
    (good.parent / "notes.txt").write_text("not a network")
    store = store_of(offline=True)
    assert store.add_folder(good.parent) == {"net": store.place("net")}
    assert store.path("net").read_bytes() == BODY


class Bringer:
    """A plugin that brings weight cards."""

    def __init__(self, folder: object) -> None:
        self.folder = folder

    @hookimpl
    def bfrbench_weight_cards(self) -> object:
        return self.folder


def bringing(**folders: object) -> WeightStore:
    modules = {
        name: types.SimpleNamespace(__name__=name, bfrbench_weight_cards=Bringer(folder).bfrbench_weight_cards)
        for name, folder in folders.items()
    }
    return WeightStore(offline=True, host=PluginHost(modules, installed=False))


CARD = """
name = "{name}"
file = "net.bin"
summary = "a stranger's network"
licence = "MIT"
needed_by = ["restorer stranger"]
by_hand = "ask the stranger"
"""


def test_a_plugin_brings_cards_of_its_own(good, tmp_path):
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "stranger-net.toml").write_text(CARD.format(name="stranger-net"))
    store = bringing(stranger=tmp_path / "cards")
    assert "yunet" in store.cards and store.faults == []
    store.add("stranger-net", good)
    assert store.path("stranger-net").read_bytes() == BODY
    assert store.card("stranger-net").licence == "MIT"


def test_broken_cards_of_a_plugin_are_told_and_harm_no_other(good, tmp_path):
    for folder, name in (("clash", "yunet"), ("fine", "stranger-net")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.toml").write_text(CARD.format(name=name))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.toml").write_text("colour = 1")
    store = bringing(a=tmp_path / "broken", b=tmp_path / "clash", c=tmp_path / "fine", d="no path", e=None)
    assert store.card("stranger-net").summary == "a stranger's network"
    assert store.card("yunet").file == "yunet_n_640.onnx"
    assert len(store.faults) == 3
    with pytest.raises(UnknownName, match="plugin 'a' cannot be used"):
        store.card("x")
