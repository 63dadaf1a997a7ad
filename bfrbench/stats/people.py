"""Who is resampled: people where identities are known, else images; and the sums that resampling people needs.

A column is one quantity averaged over images (a metric's difference in one cell of a breakdown); columns may
cover different images. What is averaged over resampled people is a ratio of sums: values over image counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from bfrbench.errors import InputError, NotComparable, TooLittleMeasured
from bfrbench.stats.bits import Floats, Ints

People = Sequence[str | None] | None
"""One identity per image; an image whose person is not known (None) counts as a person of its own."""


def codes(count: int, people: People) -> tuple[Ints, int]:
    """A person's number per image, and how many people there are."""
    if people is None:
        return np.arange(count, dtype=np.int64), count
    if len(people) != count:
        raise InputError(f"{len(people)} identities for {count} images", "give one identity per image")
    names = [f"person:{name}" if name is not None else f"image:{index}" for index, name in enumerate(people)]
    _, numbers = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    return numbers.astype(np.int64), int(numbers.max(initial=-1)) + 1


@dataclass(frozen=True, slots=True)
class Sums:
    """Per person (rows) and column: the sum of values and the number of images."""

    values: Floats
    images: Floats

    @property
    def people(self) -> int:
        return len(self.values)

    def means(self) -> Floats:
        total: Floats = self.values.sum(0) / self.images.sum(0)
        return total

    def errors(self) -> Floats:
        """The standard error of each mean, people being independent (linearised ratio)."""
        residuals = self.values - self.means() * self.images
        present = (self.images > 0).sum(0)
        scale: Floats = np.sqrt(present / np.maximum(present - 1, 1)) / self.images.sum(0)
        errors: Floats = scale * np.sqrt((residuals**2).sum(0))
        return errors

    def freedom(self) -> Floats:
        """How many people the spread of each mean really rests on, less one.

        One person with 55 images of 1,232 weighs as much as hundreds with one each. The variance of a person's
        sum is modelled as a·n + b·n², n images that are partly alike, and fitted; equal weights give people - 1.
        """
        squares, n = (self.values - self.means() * self.images) ** 2, self.images
        present = n > 0
        per_image = np.divide(squares, n, out=np.zeros_like(n), where=present)
        count = present.sum(0)
        n_mean, y_mean = n.sum(0) / count, per_image.sum(0) / count
        spread = (np.where(present, n - n_mean, 0.0) ** 2).sum(0)
        slope = np.where(present, (n - n_mean) * (per_image - y_mean), 0.0).sum(0) / np.where(spread > 0, spread, 1.0)
        slope = np.clip(slope, 0.0, (n * per_image).sum(0) / (n**2).sum(0))
        own = np.maximum(y_mean - slope * n_mean, 0.0)
        variance = own * n + slope * n**2
        largest = variance.max(0)
        variance = np.where(largest > 0, variance / np.where(largest > 0, largest, 1.0), present)
        freedom: Floats = np.maximum(variance.sum(0) ** 2 / (variance**2).sum(0) - 1, 1.0)
        return freedom

    def widening(self, level: float) -> Floats:
        """Student's quantile over the normal one: what few effective people cost beyond what resampling shows."""
        upper = (1 + level) / 2
        ratio: Floats = stdtrit(self.freedom(), upper) / ndtri(upper)
        return ratio


def sums(columns: npt.ArrayLike, people: People = None) -> Sums:
    """Sum N×K values per person; NaN marks an image that a column does not cover."""
    values = np.asarray(columns, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if np.isinf(values).any():
        raise InputError("an infinite value cannot be averaged", "leave such rows out, and say how many there are")
    numbers, count = codes(len(values), people)
    covered = ~np.isnan(values)
    summed, images = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(summed, numbers, np.where(covered, values, 0.0))
    np.add.at(images, numbers, covered.astype(np.float64))
    fewest = int((images > 0).sum(0).min(initial=count))
    if fewest < 2:
        what = "person" if people is not None else "image"
        raise TooLittleMeasured(f"{fewest} {what} gives no interval", "measure at least 2, better 30")
    return Sums(summed, images)


def aligned(candidate: Sequence[str], baseline: Sequence[str]) -> tuple[Ints, Ints]:
    """Positions that put two lists of the same ids into one order; any id on one side only is an error."""
    missing, extra = sorted(set(baseline) - set(candidate)), sorted(set(candidate) - set(baseline))
    if missing or extra:
        named = [
            f"{len(ids)} {where} (first: {ids[0]})"
            for ids, where in ((missing, "only in the baseline"), (extra, "only in the candidate"))
            if ids
        ]
        raise NotComparable(f"the two sides hold different images: {' and '.join(named)}", "compare the same ids")
    if len(set(candidate)) != len(candidate) or len(set(baseline)) != len(baseline):
        raise NotComparable("an id stands twice on one side", "give each id once")
    return np.argsort(np.asarray(candidate)), np.argsort(np.asarray(baseline))
