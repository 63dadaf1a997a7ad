"""Digests, files that land whole, TOML configuration, and where things are found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrbench import atomic, config, digests, places
from bfrbench.errors import ConfigError

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(json_like)
def test_plain_data_keeps_its_digest_through_json(data: object) -> None:
    assert digests.of_data(json.loads(json.dumps(data))) == digests.of_data(data)


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_changes_no_digest(data: dict[str, int]) -> None:
    assert digests.of_data(dict(reversed(data.items()))) == digests.of_data(data)


def test_nan_has_no_digest() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digests.of_data({"value": float("nan")})


def test_an_array_digest_sees_type_and_shape_but_not_byte_order() -> None:
    array = np.arange(6, dtype="<i4")
    assert digests.of_array(array) == digests.of_array(array.astype(">i4"))
    assert digests.of_array(array) != digests.of_array(array.reshape(2, 3))
    assert digests.of_array(array) != digests.of_array(array.astype("<u4"))


def test_a_file_digest_is_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert digests.of_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    atomic.write_json(path, {"a": 1})
    with pytest.raises(ZeroDivisionError), atomic.landing(path) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]


class Inner(config.Frozen):
    size: int = 1
    kind: str = "x"


class Outer(config.Frozen):
    inner: Inner = Inner()
    steps: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[inner]\nsiez = 3\n", ["inner.siez", "did you mean size?"]),
        ("[[steps]]\nsize = 1\n[[steps]]\nsise = 2\n", ["steps.1.sise", "did you mean size?"]),
        ('[inner]\nsize = "big"\n', ["inner.size", "integer", "big"]),
        ("[inner]\nsize = inf\n", ["inner.size"]),
        ("inner = \n", ["not TOML", "line 1"]),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_file(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(path, Outer)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        config.load(tmp_path / "none.toml", Outer)


def test_the_users_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BFRBENCH_HOME", str(tmp_path))
    assert places.home() == tmp_path
    monkeypatch.delenv("BFRBENCH_HOME")
    assert places.home().name == "bfrbench"


def test_the_checkouts_own_boards_are_found_from_the_checkout() -> None:
    root = places.checkout()
    assert root is not None and places.carried("leaderboards") == root / "leaderboards"
