"""What changes from shot to shot of one person: pose, expression, light, lens, background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bfrbench.studio.draws import Dice, Rgb

MAX_YAW, MAX_PITCH = 75.0, 40.0
EXPRESSIONS = ("neutral", "smile", "laugh", "talk", "surprise", "frown", "pout", "blink")


@dataclass(frozen=True, slots=True)
class Expression:
    """How far the muscles are drawn, 0 to 1 each unless said otherwise."""

    name: str
    jaw: float = 0.0
    part: float = 0.0
    """How far the lips part over closed teeth."""
    smile: float = 0.0
    """-1 to 1."""
    pucker: float = 0.0
    brow_raise: float = 0.0
    """-1 to 1."""
    brow_knit: float = 0.0
    lids: float = 1.0
    """0 closed, 1 open, more when surprised."""
    gaze: tuple[float, float] = (0.0, 0.0)
    """Degrees to the right of the image and up, relative to the head."""


@dataclass(frozen=True, slots=True)
class Light:
    """A key light, a weaker fill from the other side, and the sky and floor around."""

    azimuth: float
    """Degrees; positive from the right of the image."""
    elevation: float
    key: float
    colour: Rgb
    sky: Rgb
    floor: Rgb
    hardness: float
    rim: float


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything about one shot."""

    yaw: float
    pitch: float
    tilt: float
    """Degrees left in the picture after alignment."""
    shift: tuple[float, float]
    """Of the framing, in eye distances."""
    zoom: float
    distance: float
    """From lens to head, in eye distances."""
    expression: Expression
    light: Light
    exposure: float
    background: int
    """The key of its noise."""


def setting(seed: int, identity: int, shot: int, *, yaw: float | None, pitch: float | None) -> Setting:
    """The shot of that number; a given yaw or pitch replaces the drawn one and changes nothing else."""
    dice = Dice.keyed("shot", seed, identity, shot)
    wide = dice.chance(0.08)
    drawn_yaw = dice.between(-MAX_YAW, MAX_YAW) if wide else dice.about(0, 16)
    drawn_pitch = dice.between(-MAX_PITCH, MAX_PITCH) if wide and dice.chance(0.5) else dice.about(0, 7)
    return Setting(
        yaw=drawn_yaw if yaw is None else yaw,
        pitch=drawn_pitch if pitch is None else pitch,
        tilt=dice.about(0, 1.5),
        shift=(dice.about(0, 0.015), dice.about(0, 0.015)),
        zoom=dice.about(1, 0.015),
        distance=dice.between(10, 22),
        expression=_expression(dice),
        light=_light(dice),
        exposure=dice.about(0, 0.15),
        background=int(dice.between(0, 2**31)),
    )


def _expression(dice: Dice) -> Expression:
    shares = {"neutral": 4, "smile": 4, "laugh": 2, "talk": 1.5, "surprise": 0.7, "frown": 1, "pout": 0.6, "blink": 0.4}
    name = dice.pick(shares)
    draw = dice.between
    gaze = (dice.about(0, 5), dice.about(0, 3))
    drawn = {
        "neutral": {"smile": draw(-0.15, 0.2), "brow_raise": draw(-0.1, 0.15)},
        "smile": {"smile": draw(0.4, 0.9), "part": draw(0, 0.5), "lids": draw(0.75, 0.95)},
        "laugh": {"smile": draw(0.7, 1), "part": draw(0.6, 1), "jaw": draw(0.1, 0.5), "lids": draw(0.55, 0.85)},
        "talk": {"jaw": draw(0.15, 0.5), "part": draw(0.1, 0.4), "pucker": draw(0, 0.5)},
        "surprise": {"jaw": draw(0.3, 0.9), "brow_raise": draw(0.6, 1), "lids": draw(1.1, 1.3)},
        "frown": {"smile": draw(-0.9, -0.3), "brow_knit": draw(0.5, 1), "lids": draw(0.7, 0.9)},
        "pout": {"pucker": draw(0.5, 1), "brow_raise": draw(-0.2, 0.3)},
        "blink": {"lids": draw(0, 0.25), "smile": draw(-0.1, 0.4)},
    }[name]
    drawn["lids"] = drawn.get("lids", draw(0.85, 1.05))
    return Expression(name=name, gaze=gaze, **drawn)


def _light(dice: Dice) -> Light:
    warmth = dice.about(0, 0.07)
    colour = (1 + warmth, 1.0, 1 - warmth)
    ambient = dice.between(0.32, 0.65)
    cool = dice.about(0, 0.08)
    green = dice.about(1, 0.03)
    return Light(
        azimuth=float(np.clip(dice.about(0, 32), -60, 60)),
        elevation=dice.between(0, 50),
        key=dice.between(0.8, 1.2),
        colour=colour,
        sky=(ambient * (1 - cool), ambient * green, ambient * (1 + cool)),
        floor=(ambient * 0.75 * (1 + cool), ambient * 0.68, ambient * 0.62 * (1 - cool)),
        hardness=dice.between(0.0, 1.0),
        rim=dice.between(0, 0.5) if dice.chance(0.4) else 0.0,
    )
