"""The steps a recipe is written in: their parameters, what is possible, how they are drawn and how they scale.

Lengths are pixels at the recipe's reference size, angles degrees, grey levels 0–255. What the drawn steps do to
an image stands in `exact` and in `device`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic

from bfrbench.config import Frozen
from bfrbench.contracts import Op
from bfrbench.degradations.keyed import Keys
from bfrbench.degradations.numbers import Numbers, name, number

KERNELS = ("iso", "aniso", "generalized-iso", "generalized-aniso", "plateau-iso", "plateau-aniso")
METHODS = ("linear", "area", "cubic")
FULL_TURN = Numbers("uniform", (-180, 180))

Probability = Annotated[float, pydantic.Field(ge=0, le=1)]
Side = Annotated[Numbers, number(1, 201, odd=True)]
Sigma = Annotated[Numbers, number(0, 100)]
Angle = Annotated[Numbers, number(-360, 360)]
Factor = Annotated[Numbers, number(0, 10)]


class Step(Frozen):
    """One step; `p` is the probability that it happens at all."""

    p: Probability = 1.0

    op: ClassVar[str]
    """Its name in TOML and in draws."""
    lengths: ClassVar[dict[str, str]] = {}
    """Fields in pixels, by how they follow the image size: `length`, `side` (odd), `ratio`, `scale`."""
    harder: ClassVar[dict[str, int]] = {}
    """Drawn numbers that make the image worse: +1 when more is worse, −1 when less is."""

    def draw(self, keys: Keys) -> tuple[Op, ...]:
        """The steps that happen, with their numbers; none when chance says so."""
        if self.p < 1 and keys.unit("p") >= self.p:
            return ()
        return self.happen(keys)

    def happen(self, keys: Keys) -> tuple[Op, ...]:
        return (Op(self.op, self.arguments(keys)),)

    def arguments(self, keys: Keys) -> dict[str, Any]:
        """By default every parameter, drawn."""
        return {field: value.draw(keys, field) for field, value in self if isinstance(value, Numbers)}

    def scaled(self, factor: float) -> Self:
        """The same step for images `factor` times as large as the reference."""
        given = {field: getattr(self, field) for field in self.lengths if getattr(self, field) is not None}
        return self.model_copy(update={f: _follow(v, self.lengths[f], factor) for f, v in given.items()})

    def plain(self) -> dict[str, Any]:
        """As it would stand in TOML, defaults included."""
        return {
            field: value.plain() if isinstance(value, Numbers) else value for field, value in self if value is not None
        }

    @property
    def touches_target(self) -> bool:
        """Whether the target of a pair may come out other than the ground truth."""
        return self.moves_target

    @property
    def moves_target(self) -> bool:
        """Whether what is in the target may lie elsewhere than in the ground truth."""
        return False

    def extents(self) -> dict[str, tuple[float, float]]:
        """The range of each drawn number that makes the image worse."""
        ranges = {}
        for drawn in self.harder:
            field = getattr(self, drawn.removesuffix("_x").removesuffix("_y"), None)
            if isinstance(field, Numbers):
                ranges[drawn] = (field.low, field.high)
        return ranges


class Blur(Step):
    """A blur kernel of `size` × `size` taps, as BasicSR draws them."""

    op = "blur"
    kernel: Annotated[Numbers, name(*KERNELS)]
    size: Side
    sigma: Sigma
    rotation: Angle = FULL_TURN
    beta: Annotated[Numbers, number(0.01, 20)] | None = None
    """Exponent of the generalised and plateau kernels."""
    lengths: ClassVar = {"size": "side", "sigma": "length"}
    harder: ClassVar = {"sigma": 1, "sigma_x": 1, "sigma_y": 1}

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Self:
        shaped = [str(k) for k in self.kernel.values if str(k).startswith(("generalized", "plateau"))]
        if shaped and self.beta is None:
            raise ValueError(f"kernel {shaped[0]!r} needs beta")
        return self

    def arguments(self, keys: Keys) -> dict[str, Any]:
        kernel = str(self.kernel.draw(keys, "kernel"))
        drawn: dict[str, Any] = {"kernel": kernel, "size": self.size.draw(keys, "size")}
        if kernel.endswith("aniso"):
            drawn["sigma_x"] = self.sigma.draw(keys, "sigma")
            drawn["sigma_y"] = self.sigma.draw(keys, "sigma_y")
            drawn["rotation"] = self.rotation.draw(keys, "rotation")
        else:
            drawn["sigma"] = self.sigma.draw(keys, "sigma")
        if not kernel.startswith(("iso", "aniso")) and self.beta is not None:
            drawn["beta"] = self.beta.draw(keys, "beta")
        return drawn


class Sinc(Step):
    """A circular low-pass filter, which rings; `cutoff` in radians a pixel."""

    op = "sinc"
    size: Side
    cutoff: Annotated[Numbers, number(0.05, 3.1416)]

    lengths: ClassVar = {"size": "side"}
    harder: ClassVar = {"cutoff": -1}


class Motion(Step):
    """A camera moving `length` pixels along a straight line."""

    op = "motion"
    length: Annotated[Numbers, number(0, 200)]
    angle: Angle = FULL_TURN

    lengths: ClassVar = {"length": "length"}
    harder: ClassVar = {"length": 1}


class Defocus(Step):
    """A disc, as an open aperture makes of a point."""

    op = "defocus"
    radius: Annotated[Numbers, number(0, 100)]

    lengths: ClassVar = {"radius": "length"}
    harder: ClassVar = {"radius": 1}


class Resize(Step):
    """To `int(side // ratio)`, to `int(side * scale)`, or `to = "input"`; sides are the input's or the current ones."""

    op = "resize"
    method: Annotated[Numbers, name(*METHODS)]
    ratio: Annotated[Numbers, number(0.1, 1024)] | None = None
    scale: Annotated[Numbers, number(0.001, 10)] | None = None
    to: Literal["input"] | None = None
    of: Literal["current", "input"] = "current"
    lengths: ClassVar = {"ratio": "ratio", "scale": "scale"}
    harder: ClassVar = {"ratio": 1, "scale": -1}

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Self:
        if sum(way is not None for way in (self.ratio, self.scale, self.to)) != 1:
            raise ValueError("needs exactly one of ratio, scale, to")
        return self

    def arguments(self, keys: Keys) -> dict[str, Any]:
        drawn = super().arguments(keys)
        return {**drawn, "to": self.to} if self.to else {**drawn, "of": self.of}


class Gaussian(Step):
    """Gaussian noise of `sigma` grey levels, one field for each channel or, with probability `grey`, one for all."""

    op = "gaussian"
    sigma: Annotated[Numbers, number(0, 255)]
    grey: Probability = 0.0

    harder: ClassVar = {"sigma": 1}

    def arguments(self, keys: Keys) -> dict[str, Any]:
        return {"sigma": self.sigma.draw(keys, "sigma"), "grey": keys.unit("grey") < self.grey}


class Poisson(Step):
    """Photon noise as Real-ESRGAN makes it, times `scale`."""

    op = "poisson"
    scale: Annotated[Numbers, number(0, 20)]
    grey: Probability = 0.0

    harder: ClassVar = {"scale": 1}

    def arguments(self, keys: Keys) -> dict[str, Any]:
        return {"scale": self.scale.draw(keys, "scale"), "grey": keys.unit("grey") < self.grey}


class Jpeg(Step):
    """libjpeg at 4:2:0."""

    op = "jpeg"
    quality: Annotated[Numbers, number(1, 100, whole=True)]

    harder: ClassVar = {"quality": -1}


class Webp(Step):
    """libwebp, lossy."""

    op = "webp"
    quality: Annotated[Numbers, number(1, 100, whole=True)]

    harder: ClassVar = {"quality": -1}


class Shift(Step):
    """A constant added to each channel, in grey levels."""

    op = "shift"
    amount: Annotated[Numbers, number(-255, 255)]

    def arguments(self, keys: Keys) -> dict[str, Any]:
        return {channel: self.amount.draw(keys, channel) for channel in ("red", "green", "blue")}


class Jitter(Step):
    """Brightness, contrast, saturation and hue, in random order, as torchvision changes them."""

    op = "jitter"
    brightness: Factor | None = None
    contrast: Factor | None = None
    saturation: Factor | None = None
    hue: Annotated[Numbers, number(-0.5, 0.5)] | None = None

    def arguments(self, keys: Keys) -> dict[str, Any]:
        drawn = super().arguments(keys)
        return {"order": sorted(drawn, key=lambda field: keys.unit(f"order.{field}")), **drawn}


class Grey(Step):
    """The luma of the image in every channel; with `target`, of the target as well."""

    op = "grey"
    target: bool = False

    def arguments(self, keys: Keys) -> dict[str, Any]:
        return {"target": self.target}

    @property
    def touches_target(self) -> bool:
        return self.target


class Haze(Step):
    """A mixture of the image, with weight `alpha`, and white."""

    op = "haze"
    alpha: Annotated[Numbers, number(0, 1)]

    harder: ClassVar = {"alpha": -1}


class Light(Step):
    """Uneven light: a gain that goes from `gain` at one border to 1 at the other, along `angle`."""

    op = "light"
    gain: Annotated[Numbers, number(0, 4)]
    angle: Angle = FULL_TURN


class Move(Step):
    """Moves image and target by whole pixels, mirrored at the borders."""

    op = "move"
    reach: Annotated[Numbers, number(-512, 512, whole=True)]

    lengths: ClassVar = {"reach": "whole"}

    def arguments(self, keys: Keys) -> dict[str, Any]:
        return {axis: self.reach.draw(keys, axis) for axis in ("x", "y")}

    @property
    def moves_target(self) -> bool:
        return True


class Flip(Step):
    """Mirrors image and target left to right."""

    op = "flip"

    @property
    def moves_target(self) -> bool:
        return True


class Strokes(Step):
    """White brush strokes: polylines of `corners` corners, each at most `reach` of the side from the last."""

    op = "strokes"
    count: Annotated[Numbers, number(0, 64, whole=True)]
    corners: Annotated[Numbers, number(2, 64, whole=True)]
    width: Annotated[Numbers, number(1, 256, whole=True)]
    reach: Annotated[float, pydantic.Field(gt=0, le=1)]

    lengths: ClassVar = {"width": "whole"}
    harder: ClassVar = {"count": 1}

    def arguments(self, keys: Keys) -> dict[str, Any]:
        count = int(self.count.draw(keys, "count"))
        return {"count": count, "lines": [self._line(keys.under(index)) for index in range(count)]}

    def _line(self, keys: Keys) -> dict[str, Any]:
        corners = [[keys.unit("x"), keys.unit("y")]]
        for corner in range(1, int(self.corners.draw(keys, "corners"))):
            steps = (keys.unit(f"{axis}{corner}") * 2 - 1 for axis in "xy")
            corners.append([_inside(at + step * self.reach) for at, step in zip(corners[-1], steps, strict=True)])
        return {"width": self.width.draw(keys, "width"), "corners": [[round(v, 6) for v in c] for c in corners]}


class Palette(Step):
    """Replaces the image by its parsing map in the colours of CelebAMask-HQ; the map must be given."""

    op = "palette"


def _inside(fraction: float) -> float:
    return min(max(fraction, 0.0), 1.0)


def _follow(numbers: Numbers, rule: str, factor: float) -> Numbers:
    return numbers.mapped(lambda value: _RULES[rule](value, factor))


_RULES: dict[str, Callable[[float, float], float]] = {
    "length": lambda value, factor: round(value * factor, 6),
    "whole": lambda value, factor: round(value * factor) or int(value > 0),
    "side": lambda value, factor: max(3, 2 * int(value * factor / 2) + 1),
    "ratio": lambda value, factor: max(1.0, round(value * factor, 6)),
    "scale": lambda value, factor: min(1.0, round(value / factor, 6)),
}
