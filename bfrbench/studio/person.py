"""Who is in the picture: everything that stays the same from shot to shot.

Lengths are in eye distances of an average face.
"""

from __future__ import annotations

from dataclasses import dataclass

from bfrbench.studio.draws import Dice, Rgb

SKINS: tuple[Rgb, ...] = (
    (0.97, 0.83, 0.75),
    (0.92, 0.75, 0.64),
    (0.84, 0.64, 0.50),
    (0.70, 0.49, 0.36),
    (0.52, 0.34, 0.24),
    (0.36, 0.23, 0.17),
)
"""sRGB, from light to dark; people lie between neighbours."""
HAIRS: dict[str, Rgb] = {
    "black": (0.07, 0.06, 0.06),
    "dark": (0.16, 0.11, 0.08),
    "brown": (0.30, 0.19, 0.12),
    "chestnut": (0.42, 0.25, 0.14),
    "auburn": (0.50, 0.21, 0.10),
    "blond": (0.72, 0.56, 0.33),
    "fair": (0.84, 0.74, 0.55),
    "grey": (0.55, 0.53, 0.51),
    "white": (0.84, 0.83, 0.81),
}
IRISES: dict[str, Rgb] = {
    "brown": (0.26, 0.14, 0.07),
    "dark": (0.13, 0.08, 0.05),
    "hazel": (0.40, 0.29, 0.13),
    "green": (0.34, 0.42, 0.25),
    "blue": (0.36, 0.51, 0.66),
    "grey": (0.47, 0.53, 0.57),
}
CLOTHES = ("crew", "v-neck", "collar", "bare")


@dataclass(frozen=True, slots=True)
class Skull:
    width: float
    depth: float
    crown: float
    forehead: float
    brow_ridge: float
    cheekbone: float
    cheek: float
    jaw: float
    jaw_angle: float
    chin: float
    chin_out: float
    chin_width: float
    neck: float
    lean: float
    """Lopsidedness: how far the lower face lies to one side."""


@dataclass(frozen=True, slots=True)
class Eyes:
    apart: float
    wide: float
    upper: float
    lower: float
    tilt: float
    deep: float
    fold: float
    iris: Rgb
    iris_size: float
    lashes: float


@dataclass(frozen=True, slots=True)
class Brows:
    high: float
    arch: float
    tilt: float
    thick: float
    dense: float
    long: float
    inner: float
    tone: float
    """How light against the hair."""


@dataclass(frozen=True, slots=True)
class Nose:
    tip: float
    out: float
    bridge: float
    bridge_width: float
    hump: float
    ball: float
    wide: float
    upturn: float
    crooked: float


@dataclass(frozen=True, slots=True)
class Mouth:
    low: float
    wide: float
    upper: float
    lower: float
    bow: float
    out: float
    corners: float
    colour: Rgb
    strength: float


@dataclass(frozen=True, slots=True)
class Skin:
    colour: Rgb
    red: float
    rough: float
    oil: float
    freckles: float
    moles: tuple[tuple[float, float, float], ...]
    """(x, y, radius) each."""
    wrinkles: float
    circles: float
    offset: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Hair:
    style: str
    colour: Rgb
    line: float
    recess: float
    thick: float
    length: float
    wave: float
    curl: float
    fringe: float
    part: float
    shine: float
    offset: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Beard:
    style: str
    dense: float
    colour: Rgb


@dataclass(frozen=True, slots=True)
class Glasses:
    shape: str
    wide: float
    high: float
    rim: float
    colour: Rgb


@dataclass(frozen=True, slots=True)
class Person:
    """Everything about one identity."""

    age: float
    skull: Skull
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    skin: Skin
    hair: Hair
    beard: Beard
    glasses: Glasses | None
    ear: float
    ear_out: float
    clothes: str
    cloth: Rgb


def person(seed: int, identity: int) -> Person:
    """The person of that number: always the same one."""
    dice = Dice.keyed("person", seed, identity)
    man = dice.chance(0.5)
    age = dice.between(0, 1)
    shade = dice.between(0, len(SKINS) - 1.001)
    hair_colour = _hair_colour(dice, shade, age)
    skin = _skin(dice, shade, age)
    return Person(
        age=age,
        skull=_skull(dice, man, age),
        eyes=_eyes(dice, man, shade, age),
        brows=_brows(dice, man),
        nose=_nose(dice, man),
        mouth=_mouth(dice, man, skin.colour, age),
        skin=skin,
        hair=_hair(dice, man, age, hair_colour),
        beard=_beard(dice, man, hair_colour),
        glasses=_glasses(dice) if dice.chance(0.12) else None,
        ear=dice.about(1, 0.1),
        ear_out=dice.about(0.5, 0.16),
        clothes=dice.pick({"crew": 4, "v-neck": 3, "collar": 3, "bare": 1}),
        cloth=(dice.between(0.04, 0.9), dice.between(0.04, 0.9), dice.between(0.04, 0.9)),
    )


def _skull(dice: Dice, man: bool, age: float) -> Skull:
    sign = 1 if man else -1
    return Skull(
        width=dice.about(1.0 + 0.01 * sign, 0.07),
        depth=dice.about(1.0, 0.035),
        crown=dice.about(1.0, 0.06),
        forehead=dice.about(0, 0.07),
        brow_ridge=dice.about(0.04 + 0.025 * sign, 0.025),
        cheekbone=dice.about(0.07, 0.06),
        cheek=dice.about(0.02 - 0.04 * age, 0.08),
        jaw=dice.about(1.02 + 0.045 * sign, 0.09),
        jaw_angle=dice.about(-1.1 - 0.04 * sign, 0.12),
        chin=dice.about(-1.80 - 0.04 * sign, 0.11),
        chin_out=dice.about(0.10 + 0.02 * sign, 0.06),
        chin_width=dice.about(0.27 + 0.05 * sign, 0.06),
        neck=dice.about(1.0 + 0.08 * sign, 0.07),
        lean=dice.about(0, 0.02),
    )


def _eyes(dice: Dice, man: bool, shade: float, age: float) -> Eyes:
    colours = {"brown": 4.0, "dark": 1 + 2 * shade, "hazel": 1.5, "green": 1.0, "blue": 2.5, "grey": 1.0}
    if shade > 2.2:
        colours = {"brown": 3.0, "dark": 4.0, "hazel": 0.4}
    return Eyes(
        apart=dice.about(1.0, 0.055),
        wide=dice.about(0.24, 0.025),
        upper=dice.about(0.106 - 0.012 * age - (0.006 if man else 0), 0.021),
        lower=dice.about(0.062, 0.012),
        tilt=dice.about(0.04, 0.07),
        deep=dice.about(0.115, 0.03),
        fold=dice.about(0.06, 0.025),
        iris=dice.tint(IRISES[dice.pick(colours)], 0.03),
        iris_size=dice.about(0.100, 0.005),
        lashes=dice.between(0.4, 0.8) if man else dice.between(0.7, 1.3),
    )


def _brows(dice: Dice, man: bool) -> Brows:
    return Brows(
        high=dice.about(0.21 if man else 0.25, 0.045),
        arch=dice.about(0.065 if man else 0.095, 0.035),
        tilt=dice.about(0.0, 0.06),
        thick=dice.about(0.070 if man else 0.052, 0.025),
        dense=dice.between(0.5, 1.2),
        long=dice.about(0.355, 0.03),
        inner=dice.about(0.20, 0.05),
        tone=dice.between(0.35, 1.1),
    )


def _nose(dice: Dice, man: bool) -> Nose:
    return Nose(
        tip=dice.about(-0.59 if man else -0.565, 0.05),
        out=dice.about(0.31 if man else 0.28, 0.045),
        bridge=dice.about(0.13, 0.035),
        bridge_width=dice.about(0.115, 0.025),
        hump=dice.about(0.01, 0.03),
        ball=dice.about(0.07, 0.025),
        wide=dice.about(0.30 if man else 0.28, 0.052),
        upturn=dice.about(0.0, 0.025),
        crooked=dice.about(0, 0.016),
    )


def _mouth(dice: Dice, man: bool, skin: Rgb, age: float) -> Mouth:
    made_up = not man and dice.chance(0.4)
    red, green, blue = skin
    natural = (red * 0.82, green * 0.62, blue * 0.64)
    painted = dice.tint((0.62, 0.13, 0.18), 0.1)
    return Mouth(
        low=dice.about(-1.02, 0.045),
        wide=dice.about(0.43, 0.045),
        upper=dice.about(0.095 - 0.025 * age, 0.03),
        lower=dice.about(0.155 - 0.025 * age, 0.038),
        bow=dice.about(0.25, 0.12),
        out=dice.about(0.05, 0.025),
        corners=dice.about(0.05, 0.02),
        colour=painted if made_up else dice.tint(natural, 0.03),
        strength=dice.between(0.6, 0.9) if made_up else dice.between(0.5, 0.85),
    )


def _skin(dice: Dice, shade: float, age: float) -> Skin:
    low, part = int(shade), shade % 1
    base = tuple(a + (b - a) * part for a, b in zip(SKINS[low], SKINS[low + 1], strict=True))
    colour = dice.tint((base[0], base[1], base[2]), 0.02)
    moles = tuple(
        (dice.between(-0.9, 0.9), dice.between(-1.5, 0.9), dice.between(0.006, 0.016))
        for _ in range(int(dice.between(0, 6)))
    )
    return Skin(
        colour=colour,
        red=dice.between(0.0, 1.3),
        rough=dice.between(0.5, 1.2) + 0.4 * age,
        oil=dice.between(0.25, 0.9),
        freckles=dice.between(0.3, 1.0) if shade < 2 and dice.chance(0.25) else 0.0,
        moles=moles,
        wrinkles=max(0.0, age - 0.35) * dice.between(0.8, 1.6),
        circles=dice.between(0.0, 1.1),
        offset=(dice.between(0, 1), dice.between(0, 1)),
    )


def _hair_colour(dice: Dice, shade: float, age: float) -> Rgb:
    if dice.chance(max(0.0, age - 0.55) * 1.7):
        name = dice.pick({"grey": 2, "white": 1.2})
    elif shade > 2.5:
        name = dice.pick({"black": 6, "dark": 2})
    else:
        name = dice.pick({"black": 2.5, "dark": 3, "brown": 3, "chestnut": 2, "auburn": 1, "blond": 2, "fair": 1})
    return dice.tint(HAIRS[name], 0.02)


def _hair(dice: Dice, man: bool, age: float, colour: Rgb) -> Hair:
    if man:
        styles = {"bald": 0.5 + age, "buzz": 1.2, "short": 4, "side": 3, "curly": 1.2, "long": 0.5, "receding": 2 * age}
    else:
        styles = {"short": 0.8, "side": 0.5, "curly": 1.2, "bob": 3, "long": 4.5, "tied": 2.5, "buzz": 0.1}
    style = dice.pick(styles)
    reach = {"long": dice.between(-3.0, -2.0), "bob": dice.between(-1.7, -1.0)}.get(style, dice.between(-0.55, 0.0))
    full = {"curly": 0.42, "buzz": 0.03, "bald": 0.0, "receding": 0.09, "tied": 0.08}.get(style, 0.2)
    return Hair(
        style=style,
        colour=colour,
        line=dice.about(1.02, 0.07),
        recess=dice.about(0.1, 0.08) + (0.5 if style == "receding" else 0),
        thick=full * dice.between(0.7, 1.4),
        length=reach,
        wave=dice.between(0, 1),
        curl=dice.between(0.6, 1) if style == "curly" else 0.0,
        fringe=dice.between(0.3, 0.6) if style in ("bob", "long", "short") and dice.chance(0.35) else 0.0,
        part=dice.about(0, 0.5),
        shine=dice.between(0.2, 1),
        offset=(dice.between(0, 1), dice.between(0, 1)),
    )


def _beard(dice: Dice, man: bool, colour: Rgb) -> Beard:
    styles = {"none": 3, "shadow": 2, "stubble": 2, "full": 1.6, "goatee": 0.8, "moustache": 0.6}
    style = dice.pick(styles) if man else "none"
    return Beard(style, dice.between(0.6, 1), dice.tint(colour, 0.03))


def _glasses(dice: Dice) -> Glasses:
    shape = dice.pick({"round": 1, "oval": 1, "square": 2})
    return Glasses(
        shape=shape,
        wide=dice.between(0.34, 0.41),
        high=dice.between(0.22, 0.33),
        rim=dice.between(0.006, 0.016),
        colour=dice.tint({"round": (0.2, 0.15, 0.1), "oval": (0.5, 0.45, 0.4)}.get(shape, (0.05, 0.05, 0.06)), 0.08),
    )
