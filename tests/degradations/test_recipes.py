from __future__ import annotations

import math
from pathlib import Path

import pytest

from bfrbench.config import read_toml
from bfrbench.contracts import Draw
from bfrbench.degradations import Recipe, load_recipe, shipped_names
from bfrbench.degradations.grammar import OneOf, plain_steps
from bfrbench.degradations.toml import to_toml
from bfrbench.errors import BfrbenchError, ConfigError, PluginError, UnknownName, UsageError
from bfrbench.hookspecs import hookimpl
from bfrbench.plugins import PluginHost
from bfrbench.specs import DegradationSpec

# The published ranges, written a second time: blur sigma, ratio, noise, JPEG quality.
PUBLISHED = {
    "gfpgan-paper": ((0.2, 10), (1, 8), (0, 15), (60, 100)),
    "gfpgan": ((0.1, 10), (0.8, 8), (0, 20), (60, 100)),
    "gpen-code": ((0.1, 10), (0.8, 8), (0, 20), (60, 100)),
    "gpen-paper": ((0.1, 10), (10, 200), (0, 25), (5, 50)),
    "codeformer-2": ((1, 15), (4, 30), (0, 20), (30, 80)),
    "codeformer-3-small": ((0.1, 10), (1, 12), (0, 15), (60, 100)),
    "codeformer-3-large": ((1, 15), (4, 30), (0, 20), (30, 80)),
    "vqfr-1": ((0.1, 10), (0.8, 8), (0, 20), (60, 100)),
    "vqfr-2": ((1, 15), (1, 30), (0, 20), (30, 90)),
    "restoreformer": ((0.1, 10), (0.8, 8), (0, 20), (60, 100)),
    "restoreformer-pp": ((0.1, 10), (0.8, 8), (0, 20), (60, 100)),
    "restoreformer-pp-paper": ((0.2, 10), (1, 8), (0, 20), (60, 100)),
    "refldm-train": ((0, 16), (1, 32), (0, 20), (30, 100)),
    "refldm-moderate": ((0, 8), (1, 8), (0, 15), (60, 100)),
    "refldm-severe": ((8, 16), (8, 32), (0, 20), (30, 100)),
    "difface": ((0.1, 15), (0.8, 32), (0, 20), (30, 100)),
}
CHANCES = {
    "gfpgan-paper": {"shift": 0.3},
    "gfpgan": {"shift": 0.3, "jitter": 0.3, "grey": 0.01},
    "gpen-code": {"flip": 0.5, "grey": 0.2},
    "gpen-paper": {"motion": 0.5},
    "restoreformer-pp": {"move": 0.2, "patch": 0.1, "haze": 0.008, "grey": 0.008},
    "difface": {"grey": 0.01},
}
NAMES = {
    *PUBLISHED, "lite", "difface-grid", "real-esrgan", "grey", "strokes", "palette",
    *(f"sr-x{k}" for k in (4, 8, 16, 32, 64, 128, 256)), *(f"sr-bicubic-x{k}" for k in (4, 8, 16)),
}  # fmt: skip


def test_every_recipe_of_the_plan_is_shipped() -> None:
    assert set(shipped_names()) == NAMES


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_parameters_lie_in_the_published_ranges_with_the_right_means(name: str) -> None:
    _check(name, 400)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_ten_thousand_draws_lie_in_the_published_ranges_with_the_right_means(name: str) -> None:
    _check(name, 10_000)


def _check(name: str, count: int) -> None:
    recipe = load_recipe(name)
    draws = [recipe.draw(5, str(i)) for i in range(count)]
    sigma, ratio, noise, quality = PUBLISHED[name]
    blurs = _numbers(draws, "blur", "sigma", "sigma_x", "sigma_y")
    _uniform(blurs, *sigma)
    _uniform(_numbers(draws, "resize", "ratio"), *ratio)
    _uniform(_numbers(draws, "gaussian", "sigma"), *noise)
    qualities = _numbers(draws, "jpeg", "quality")
    assert min(qualities) >= quality[0] and max(qualities) <= quality[1] - 1
    _near(sum(qualities) / count, (sum(quality) - 1) / 2, (quality[1] - quality[0]) / math.sqrt(12 * count))
    if count > 5000:  # every whole number comes up, and none much more than its share
        share = count / (quality[1] - quality[0])
        counts = [qualities.count(value) for value in range(*quality)]
        assert all(abs(found - share) < 5 * math.sqrt(share) for found in counts)
    iso = [op.args["kernel"] == "iso" for draw in draws for op in draw.ops if op.name == "blur"]
    _near(sum(iso) / len(iso), 0.5, 0.5 / math.sqrt(len(iso)))
    turns = _numbers(draws, "blur", "rotation")
    _uniform(turns, -180, 180)
    for op, chance in CHANCES.get(name, {}).items():
        share = sum(any(happened.name == op for happened in draw.ops) for draw in draws) / count
        _near(share, chance, math.sqrt(chance * (1 - chance) / count))


def _numbers(draws: list[Draw], op: str, *names: str) -> list[float]:
    return [float(h.args[n]) for d in draws for h in d.ops if h.name == op for n in names if n in h.args]


def _uniform(values: list[float], low: float, high: float) -> None:
    assert values and low <= min(values) and max(values) <= high
    spread = (high - low) / math.sqrt(12)
    _near(sum(values) / len(values), (low + high) / 2, spread / math.sqrt(len(values)))
    # Every twentieth of the range is met, and none much more than its share.
    counts = [0] * 20
    for value in values:
        counts[min(int((value - low) / (high - low) * 20), 19)] += 1
    expected = len(values) / 20
    assert all(abs(count - expected) < 5 * math.sqrt(expected) + 1 for count in counts)


def _near(found: float, expected: float, error: float) -> None:
    assert abs(found - expected) < 4.5 * error, (found, expected, error)


def test_lite_is_half_vqfr_and_half_codeformer() -> None:
    lite = load_recipe("lite")
    both = [load_recipe(name).steps for name in ("vqfr-1", "codeformer-2")]
    choice, back = lite.steps
    assert isinstance(choice, OneOf) and [branch.weight for branch in choice.branch] == [1, 1]
    for branch, shipped in zip(choice.branch, both, strict=True):
        assert plain_steps([*branch.steps, back]) == plain_steps(shipped)
    qualities = [op.args["quality"] for i in range(2000) for op in lite.draw(0, str(i)).ops if op.name == "jpeg"]
    _near(sum(q >= 80 for q in qualities) / 2000, 0.5 * 20 / 40, math.sqrt(0.25 * 0.75 / 2000))
    ratios = _numbers([lite.draw(0, str(i)) for i in range(2000)], "resize", "ratio")
    _near(sum(r < 4 for r in ratios) / 2000, 0.5 * 3.2 / 7.2, math.sqrt(0.22 * 0.78 / 2000))
    _near(sum(r > 8 for r in ratios) / 2000, 0.5 * 22 / 26, math.sqrt(0.42 * 0.58 / 2000))


def test_gfpgan_colours_and_restoreformer_kernels_are_as_published() -> None:
    draws = [load_recipe("gfpgan").draw(0, str(i)) for i in range(600)]
    jitters = [op.args for draw in draws for op in draw.ops if op.name == "jitter"]
    assert all(0.5 <= j["brightness"] <= 1.5 and 0.5 <= j["contrast"] <= 1.5 for j in jitters)
    assert all(0 <= j["saturation"] <= 1.5 and -0.1 <= j["hue"] <= 0.1 for j in jitters)
    assert len({tuple(j["order"]) for j in jitters}) == 24
    shifts = [op.args for draw in draws for op in draw.ops if op.name == "shift"]
    assert all(-20 <= s[c] <= 20 for s in shifts for c in ("red", "green", "blue"))
    sizes = {load_recipe("restoreformer").draw(0, str(i)).ops[0].args["size"] for i in range(60)}
    assert sizes == {39, 41}


def test_real_esrgan_is_second_order_with_the_published_weights() -> None:
    recipe = load_recipe("real-esrgan")
    draws = [recipe.draw(0, str(i)) for i in range(1500)]
    first = [draw.ops[0] for draw in draws]
    _near(sum(op.name == "sinc" for op in first) / 1500, 0.1, math.sqrt(0.09 / 1500))
    _near(sum(op.args.get("kernel") == "iso" for op in first) / 1500, 0.9 * 0.45, 0.0127)
    assert {op.args["size"] for op in first} == set(range(7, 22, 2))
    assert all(sum(op.name == "jpeg" for op in draw.ops) == 2 for draw in draws)
    assert all(sum(op.name in ("gaussian", "poisson") for op in draw.ops) == 2 for draw in draws)
    scales = [draw.ops[1].args["scale"] for draw in draws]
    _near(sum(s > 1 for s in scales) / 1500, 0.2, 0.0103)
    _near(sum(s < 1 for s in scales) / 1500, 0.7, 0.0118)
    assert min(scales) >= 0.15 and max(scales) <= 1.5
    assert {draw.ops[1].args["method"] for draw in draws} == {"area", "linear", "cubic"}


def test_the_grid_of_difface_has_its_four_thousand_cells() -> None:
    draws = [load_recipe("difface-grid").draw(0, str(i)) for i in range(800)]
    assert set(_numbers(draws, "blur", "sigma_x", "sigma_y")) == {4, 8, 12, 16}
    assert set(_numbers(draws, "blur", "rotation")) == {0, 45, 90, 135}
    assert set(_numbers(draws, "resize", "ratio")) == set(range(4, 41, 4))
    assert set(_numbers(draws, "gaussian", "sigma")) == {1, 5, 10, 15, 20}
    assert set(_numbers(draws, "jpeg", "quality")) == {30, 40, 50, 60, 70}


@pytest.mark.parametrize("name", shipped_names())
@pytest.mark.parametrize("size", [128, 256])
def test_a_scaled_recipe_has_a_name_a_digest_and_a_file_of_its_own(name: str, size: int, tmp_path: Path) -> None:
    recipe, scaled = load_recipe(name), load_recipe(f"{name}@{size}")
    assert scaled.name == f"{name}@{size}" and scaled.digest != recipe.digest and scaled.reference_size == size
    text = to_toml(scaled)
    assert f"Scaled from {recipe.reference_size} to {size} px" in text
    (tmp_path / "own.toml").write_text(text)
    assert load_recipe(tmp_path / "own.toml").digest == scaled.digest
    assert load_recipe(f"{name}@{recipe.reference_size}").digest == recipe.digest


def test_scaling_follows_one_rule() -> None:
    draws = [load_recipe("codeformer-2@128").draw(0, str(i)) for i in range(400)]
    assert {draw.ops[0].args["size"] for draw in draws} == {11}
    _uniform(_numbers(draws, "blur", "sigma", "sigma_x", "sigma_y"), 0.25, 3.75)
    _uniform(_numbers(draws, "resize", "ratio"), 1, 7.5)
    _uniform(_numbers(draws, "gaussian", "sigma"), 0, 20)
    assert load_recipe("gfpgan@128").draw(0, "a").ops[1].args["ratio"] >= 1
    assert load_recipe("gpen-paper@512").steps[1].ratio.values == (5, 100)  # type: ignore[attr-defined]


def test_a_digest_is_of_what_a_recipe_does(tmp_path: Path) -> None:
    text = 'summary = "A."\nsource = "me"\n[[step]]\nop = "jpeg"\nquality = 50\n'
    digests = []
    for place, changed in enumerate((text, "# words\n" + text.replace("A.", "B."), text.replace("50", "50.0"))):
        (tmp_path / f"{place}.toml").write_text(changed)
        digests.append(load_recipe(tmp_path / f"{place}.toml").digest)
    assert len(set(digests)) == 1
    (tmp_path / "other.toml").write_text(text.replace("50", "51"))
    assert load_recipe(tmp_path / "other.toml").digest != digests[0]


HEAD = 'summary = "A."\nsource = "me"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD, "key 'step' is missing"),
        (HEAD + "step = []", "there are no steps"),
        (HEAD + "[[step]]\nquality = 3", "step 1 has no op"),
        (HEAD + '[[step]]\nop = "jpg"', "no operation 'jpg'; did you mean jpeg"),
        (
            HEAD + '[[step]]\nop = "jpeg"\nqualty = 30',
            r"1 \(jpeg\): .*unknown key 'qualty' \(did you mean quality",
        ),
        (HEAD + '[[step]]\nop = "jpeg"\nquality = 101', r"'quality': must lie within \[1, 100\], not 101"),
        (HEAD + '[[step]]\nop = "jpeg"\nquality = [80, 30]', "low end above its high end"),
        (HEAD + '[[step]]\nop = "jpeg"\nquality = [30, 80]', "must be whole"),
        (HEAD + '[[step]]\nop = "jpeg"\nquality = { evens = [2, 4] }', "uniform, floor, integers"),
        (HEAD + '[[step]]\nop = "gaussian"\nsigma = -1', "must lie within"),
        (HEAD + '[[step]]\nop = "gaussian"\nsigma = nan', "made of numbers"),
        (HEAD + '[[step]]\nop = "gaussian"\nsigma = 3\np = 1.5', "'p'.*less than or equal to 1"),
        (HEAD + '[[step]]\nop = "blur"\nkernel = "isso"\nsize = 41\nsigma = 2', "one of iso, aniso"),
        (HEAD + '[[step]]\nop = "blur"\nkernel = "iso"\nsize = 40\nsigma = 2', "must be odd, not 40"),
        (HEAD + '[[step]]\nop = "blur"\nkernel = "plateau-iso"\nsize = 9\nsigma = 2', "needs beta"),
        (HEAD + '[[step]]\nop = "resize"\nmethod = "linear"', "exactly one of ratio, scale, to"),
        (HEAD + '[[step]]\nop = "one-of"', "has no branches"),
        (HEAD + '[[step]]\nop = "one-of"\n[[step.branch]]\nsteps = [{ op = "flap" }]', "branch 1: step 1.*flip"),
        (HEAD + 'colour = 3\n[[step]]\nop = "flip"', "unknown key 'colour'"),
        ("summary = ", "is not TOML"),
    ],
)
def test_a_faulty_file_is_told_with_its_name_place_and_what_is_allowed(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"(?s)mine.toml.*{told}"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("gfpgn", UnknownName),
        ("gfpgan@4", UsageError),
        ("gfpgan@99999", UsageError),
        ("nowhere.toml", ConfigError),
        ("given", UsageError),
        ("../gfpgan", UnknownName),
        ("", UnknownName),
    ],
)
def test_a_reference_that_leads_nowhere_is_an_error_of_ours(reference: str, error: type[BfrbenchError]) -> None:
    with pytest.raises(error):
        load_recipe(reference)


class _Offers:
    def __init__(self, *specs: DegradationSpec) -> None:
        self.specs = list(specs)

    @hookimpl
    def bfrbench_degradations(self) -> list[DegradationSpec]:
        return self.specs


def _host(spec: DegradationSpec) -> PluginHost:
    return PluginHost({"mine": _Offers(spec)}, installed=False)


def test_a_plugin_offers_a_recipe_as_text() -> None:
    text = HEAD + '[[step]]\nop = "blur"\nkernel = "iso"\nsize = 41\nsigma = [1, 2]\n'
    host = _host(DegradationSpec(id="mine-1", target="none:None", summary="Mine.", recipe=text))
    recipe = load_recipe("mine-1@256", host)
    assert isinstance(recipe, Recipe)
    assert recipe.draw(0, "a").ops[0].args["size"] == 21
    faulty = _host(DegradationSpec(id="mine-1", target="none:None", summary="Mine.", recipe=text.replace("41", "4")))
    with pytest.raises(ConfigError, match="recipe 'mine-1' of plugin 'mine'"):
        load_recipe("mine-1", faulty)


def test_a_plugin_offers_a_recipe_as_code() -> None:
    spec = DegradationSpec(id="mine-2", target="tests.degradations.coded:Inverted", summary="Mine.")
    recipe = load_recipe("mine-2", _host(spec))
    assert recipe.draw(0, "a").ops == ()
    with pytest.raises(UsageError, match="has no sizes"):
        load_recipe("mine-2@128", _host(spec))
    for target in ("tests.degradations.coded:Missing", "nowhere.at.all:X", "tests.degradations.coded:Empty"):
        with pytest.raises(PluginError, match="mine-3"):
            load_recipe("mine-3", _host(DegradationSpec(id="mine-3", target=target, summary="Mine.")))


def test_recipe_files_are_tidy() -> None:
    folder = Path(load_recipe.__code__.co_filename).with_name("recipes")
    for path in sorted(folder.glob("*.toml")):
        head = read_toml(path)
        assert head["summary"].endswith(".") and head["source"], path
        assert all(len(line) <= 120 for line in path.read_text().splitlines() if line.startswith("#")), path
