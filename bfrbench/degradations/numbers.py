"""How a recipe writes a number that is to be drawn, and how it is drawn from one or two uniform numbers.

A number is written as a constant, as `[low, high]` (uniform), or as a table of one of the kinds of `KINDS`.
Only + - * /, floor and comparison are used, and results are rounded to six decimals: the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from bfrbench.degradations.keyed import Keys

Plain: TypeAlias = int | float | str | bool
Kind: TypeAlias = Literal["constant", "uniform", "floor", "integers", "odd", "split", "choice"]

KINDS = {
    "uniform": "[low, high]: any number between",
    "floor": "[low, high]: a uniform number without its decimals, so `high` itself never comes",
    "integers": "[low, high]: a whole number, both ends included",
    "odd": "[low, high]: an odd number, both ends included",
    "split": "[low, middle, high]: half of the time below `middle`, half above, uniform on each side",
    "choice": "[values], with `weights` when they are not equal",
}
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Numbers:
    """A distribution of plain values."""

    kind: Kind
    values: tuple[Plain, ...]
    weights: tuple[float, ...] = ()

    @property
    def low(self) -> float:
        return float(min(self._numeric()))

    @property
    def high(self) -> float:
        return float(max(self._numeric()))

    def draw(self, keys: Keys, label: str) -> Plain:
        if self.kind == "constant":
            return self.values[0]
        unit = keys.unit(label)
        if self.kind == "choice":
            return self._choose(unit)
        if self.kind == "split":
            low, middle, high = self._numeric()
            ends = (low, middle) if keys.unit(f"{label}.side") < 0.5 else (middle, high)
            return _round(ends[0] + (ends[1] - ends[0]) * unit)
        low, high = self._numeric()
        if self.kind == "integers":
            return int(low) + math.floor(unit * (int(high) - int(low) + 1))
        if self.kind == "odd":
            return int(low) + 2 * math.floor(unit * ((int(high) - int(low)) // 2 + 1))
        value = _round(low + (high - low) * unit)
        return math.floor(value) if self.kind == "floor" else value

    def mean(self) -> float:
        """The expected value, for tests and for lists."""
        values = self._numeric()
        if self.kind == "choice":
            weights = self.weights or (1.0,) * len(values)
            return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
        if self.kind == "split":
            return (values[0] + 2 * values[1] + values[2]) / 4
        middle = sum(values) / len(values)
        return middle - 0.5 if self.kind == "floor" and values[0] != values[1] else middle

    def mapped(self, change: Callable[[float], float]) -> Numbers:
        """The same distribution with every end changed (lengths in pixels, for another image size)."""
        return replace(self, values=tuple(change(float(value)) for value in self._numeric()))

    def plain(self) -> Any:
        """As it would stand in TOML; part of a recipe's digest."""
        if self.kind == "constant":
            return _tidy(self.values[0])
        shown: dict[str, Any] = {self.kind: [_tidy(value) for value in self.values]}
        if self.weights:
            shown["weights"] = [_tidy(weight) for weight in self.weights]
        return shown

    def _numeric(self) -> tuple[float, ...]:
        return tuple(value for value in self.values if not isinstance(value, str))

    def _choose(self, unit: float) -> Plain:
        weights = self.weights or (1.0,) * len(self.values)
        return self.values[pick(weights, unit)]


def pick(weights: Sequence[float], unit: float) -> int:
    """The index on which a uniform number falls when weights are laid end to end."""
    rest = unit * sum(weights)
    for index, weight in enumerate(weights):
        if rest < weight:
            return index
        rest -= weight
    return max(index for index, weight in enumerate(weights) if weight > 0)


def number(
    low: float = -math.inf, high: float = math.inf, *, whole: bool = False, odd: bool = False
) -> BeforeValidator:
    """The pydantic validator of a numeric parameter with its possible values."""

    def check(given: Any) -> Numbers:
        numbers = _parse(given)
        for value in numbers.values:
            if isinstance(value, (bool, str)) or not math.isfinite(value):
                raise _error(f"must be made of numbers, not {value!r}")
            if not low <= value <= high:
                raise _error(f"must lie within [{low:g}, {high:g}], not {value:g}")
            if (whole or odd) and value != int(value):
                raise _error(f"must be a whole number, not {value:g}")
            if odd and int(value) % 2 == 0:
                raise _error(f"must be odd, not {value:g}")
        if (whole or odd) and numbers.kind in ("uniform", "split"):
            raise _error("must be whole: write {integers = [low, high]}, {odd = [low, high]} or {floor = [low, high]}")
        if odd and numbers.kind in ("integers", "floor"):
            raise _error("must be odd: write {odd = [low, high]}")
        return numbers

    return BeforeValidator(check)


def name(*allowed: str) -> BeforeValidator:
    """The pydantic validator of a parameter that is one of some words, or a weighted choice of them."""

    def check(given: Any) -> Numbers:
        numbers = _parse(given)
        for value in numbers.values:
            if value not in allowed:
                raise _error(f"must be one of {', '.join(allowed)}, not {value!r}")
        return numbers

    return BeforeValidator(check)


def _parse(given: Any) -> Numbers:
    if isinstance(given, Numbers):
        return given
    if isinstance(given, (int, float, str)):
        return Numbers("constant", (given,))
    if isinstance(given, list):
        return _ranged("uniform", given, [])
    if isinstance(given, dict):
        kinds = [key for key in given if key != "weights"]
        if len(kinds) == 1 and kinds[0] in KINDS and isinstance(given[kinds[0]], list):
            return _ranged(kinds[0], given[kinds[0]], given.get("weights", []))
    raise _error(f"must be a number, [low, high], or a table with one of {', '.join(KINDS)}")


def _ranged(kind: Any, values: list[Any], weights: Any) -> Numbers:
    if kind == "choice":
        if not values:
            raise _error("has no value to choose from")
        if weights and (not isinstance(weights, list) or len(weights) != len(values)):
            raise _error(f"needs one weight for each of its {len(values)} values")
        if weights and (any(not isinstance(w, (int, float)) or w < 0 for w in weights) or sum(weights) <= 0):
            raise _error("needs weights that are not negative, and one above zero")
        return Numbers(kind, tuple(values), tuple(weights))
    wanted = 3 if kind == "split" else 2
    if len(values) != wanted or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in values):
        raise _error(f"must be written as {KINDS[kind].split(':')[0]}, not {values!r}")
    if list(values) != sorted(values):
        raise _error(f"has its low end above its high end: {values!r}")
    if weights:
        raise _error("takes weights only with choice")
    return Numbers(kind, tuple(values))


def _tidy(value: Plain) -> Plain:
    """10 and 10.0 are the same number in TOML, so they must be in a digest."""
    return int(value) if isinstance(value, float) and value == int(value) else value


def _round(value: float) -> float:
    return round(value, _DECIMALS)


def _error(message: str) -> PydanticCustomError:
    return PydanticCustomError("number", "{text}", {"text": message})
