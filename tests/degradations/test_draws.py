from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrbench.degradations import load_recipe, shipped_names
from bfrbench.degradations.draws import Replay, from_plain, to_plain, write_table
from bfrbench.degradations.keyed import keys
from bfrbench.degradations.numbers import Numbers, pick
from bfrbench.digests import of_data
from bfrbench.errors import InputError, UsageError
from tests.degradations.golden import draws, golden


def test_the_same_seed_and_id_draw_the_same_whatever_was_drawn_before() -> None:
    recipe = load_recipe("real-esrgan")
    alone = recipe.draw(7, "b")
    others = [recipe.draw(7, name) for name in ("c", "a", "b")]
    assert others[2] == alone
    assert load_recipe("real-esrgan").draw(7, "b") == alone


def test_seed_id_view_and_recipe_each_change_the_draw() -> None:
    recipe = load_recipe("gfpgan")
    draws = [
        recipe.draw(0, "a"),
        recipe.draw(1, "a"),
        recipe.draw(0, "b"),
        recipe.draw(0, "a", view=1),
        load_recipe("gfpgan@256").draw(0, "a"),
    ]
    assert len({draw.noise_key for draw in draws}) == 5
    assert len({draw.ops[0].args["sigma" if "sigma" in draw.ops[0].args else "sigma_x"] for draw in draws}) == 5


def test_another_process_with_another_hash_seed_draws_the_same() -> None:
    program = (
        "from bfrbench.degradations import load_recipe as l; from bfrbench.degradations.draws import to_plain as p;"
        "from bfrbench.digests import of_data as d; print(d([p(l('real-esrgan').draw(3, str(i))) for i in range(20)]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "123", "PATH": ""},
    )
    recipe = load_recipe("real-esrgan")
    assert told.stdout.strip() == of_data([to_plain(recipe.draw(3, str(i))) for i in range(20)])


def test_bits_are_blake2b_of_seed_recipe_image_view_and_label() -> None:
    root = hashlib.blake2b(b'[0,"r","i",2]', digest_size=32).digest()
    word = int.from_bytes(hashlib.blake2b(b"/3/sigma", digest_size=8, key=root).digest(), "little")
    assert keys(0, "r", "i", 2).under(3).unit("sigma") == (word >> 11) / 2**53
    assert keys(0, "r", "i", 2).under(3).word("sigma") == word >> 1


def test_draws_are_what_they_always_were() -> None:
    # A change here changes every low-quality set ever made: raise GRAMMAR in recipe.py and say so in the changelog.
    assert draws() == golden()["draws"]


@pytest.mark.parametrize("name", shipped_names())
def test_a_draw_is_plain_json_and_comes_back_from_it(name: str) -> None:
    draw = load_recipe(name).draw(11, "person/7")
    data = json.loads(json.dumps(dataclasses.asdict(draw), allow_nan=False))
    assert from_plain(data) == draw


def test_bits_are_uniform() -> None:
    units = [keys(0, "r", str(i), 0).unit("x") for i in range(20_000)]
    counts = [0] * 20
    for unit in units:
        counts[int(unit * 20)] += 1
    chi2 = sum((count - 1000) ** 2 / 1000 for count in counts)
    assert chi2 < 43.8  # the 0.1 % point of 19 degrees of freedom


@given(st.floats(0, 1, exclude_max=True), st.lists(st.floats(0, 5), min_size=1, max_size=6))
def test_a_weighted_choice_never_takes_a_weight_of_nothing(unit: float, weights: list[float]) -> None:
    if sum(weights) > 0:
        assert weights[pick(weights, unit)] > 0


@given(st.integers(0, 2**32), st.text(max_size=8))
def test_every_kind_of_number_stays_within_its_ends(seed: int, image_id: str) -> None:
    root = keys(seed, "r", image_id, 0)
    assert 2.5 <= Numbers("uniform", (2.5, 3)).draw(root, "a") <= 3
    assert Numbers("integers", (-2, 2)).draw(root, "b") in range(-2, 3)
    assert Numbers("odd", (7, 21)).draw(root, "c") in range(7, 22, 2)
    assert Numbers("floor", (60, 100)).draw(root, "d") in range(60, 101)
    assert 0.5 <= Numbers("split", (0.5, 1, 4)).draw(root, "e") <= 4
    assert Numbers("choice", (3, "x"), (0, 1)).draw(root, "f") == "x"


def test_stored_draws_are_replayed_and_can_be_edited(tmp_path) -> None:  # type: ignore[no-untyped-def]
    recipe = load_recipe("vqfr-1")
    draw = recipe.draw(0, "a")
    ops = [dataclasses.asdict(op) for op in draw.ops]
    ops[3]["args"]["quality"] = 5
    row = {
        "id": "a", "recipe": draw.recipe, "seed": 0, "view": 0, "noise_key": draw.noise_key, "severity": 0.5,
        "psnr": 20.0, "sha256": "0" * 64, "height": 9, "width": 9, "ops": json.dumps(ops),
    }  # fmt: skip
    write_table(tmp_path / "draws.parquet", [row])
    again = load_recipe(f"draws:{tmp_path / 'draws.parquet'}")
    assert isinstance(again, Replay)
    replayed = again.draw(99, "a")
    assert replayed.ops[:3] == draw.ops[:3]
    assert replayed.ops[3].args == {"quality": 5}
    with pytest.raises(InputError, match="no draw for 'b'"):
        again.draw(0, "b")


def test_a_seed_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(UsageError, match="whole numbers"):
        load_recipe("gfpgan").draw("0", "a")  # type: ignore[arg-type]


def test_severity_rises_with_what_makes_an_image_worse() -> None:
    recipe = load_recipe("codeformer-2")
    draw = recipe.draw(0, "a")
    mild = dataclasses.replace(draw, ops=tuple(dataclasses.replace(op, args=_set(op.args, 0)) for op in draw.ops))
    hard = dataclasses.replace(draw, ops=tuple(dataclasses.replace(op, args=_set(op.args, 1)) for op in draw.ops))
    assert recipe.severity(mild) == 0
    assert recipe.severity(hard) == 1
    assert 0 < recipe.severity(draw) < 1


def _set(args, end: int):  # type: ignore[no-untyped-def]
    ends = {"sigma": (1, 15), "sigma_x": (1, 15), "sigma_y": (1, 15), "ratio": (4, 30), "quality": (80, 30)}
    if "grey" in args:
        ends = {"sigma": (0, 20)}
    return {key: ends[key][end] if key in ends else value for key, value in args.items()}
