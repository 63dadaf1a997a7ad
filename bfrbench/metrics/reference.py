"""Reference statistics: what a distribution metric compares with, as a file that says how it was made.

A reference is a safetensors file with the mean, the covariance and - where it was built so - the ids and features of
its images. Its extractor is a digest: a metric whose features are made otherwise refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from bfrbench import atomic, digests
from bfrbench.digests import Digest
from bfrbench.errors import InputError, NotComparable, TooLittleMeasured
from bfrbench.metrics.frechet import Gaussian, Moments, of_moments

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.metrics.frechet import F64

_KIND = "bfrbench reference statistics"


@dataclass(frozen=True)
class Reference:
    """Statistics of one set of images under one extractor."""

    name: str
    extractor: Digest
    """Of the choices that its features were made with: `ProtocolMetric.extractor`."""
    protocol: str
    n: int | None
    """None where a published file does not say."""
    mean: F64
    covariance: F64
    ids: tuple[str, ...] = ()
    features: npt.NDArray[np.float32] | None = None
    source: str = ""
    left_out: tuple[str, ...] | None = None
    """The images that were taken away from it because they are under test; None where none were to be."""
    whole: Digest = ""
    """The digest before they were taken away."""

    @cached_property
    def gaussian(self) -> Gaussian:
        return Gaussian(self.n, self.mean, covariance=self.covariance)

    @cached_property
    def radii(self) -> dict[int, npt.NDArray[np.float32]]:
        """How far it is from each image to its k-th nearest other one, by k, as far as somebody worked it out."""
        return {}

    @cached_property
    def digest(self) -> Digest:
        """Of everything that a number can depend on; of what is left, by ids: sums differ in their last bits."""
        if self.left_out:
            return digests.of_data({"whole": self.whole, "without": sorted(self.left_out)})
        arrays = [digests.of_array(self.mean), digests.of_array(self.covariance)]
        if self.features is not None:
            arrays.append(digests.of_array(self.features))
        return digests.of_data({"extractor": self.extractor, "n": self.n, "ids": self.ids, "arrays": arrays})

    def check(self, extractor: Digest, metric: str) -> None:
        if self.extractor != extractor:
            problem = f"the reference {self.name} was made for {self.protocol} with another extractor than {metric}'s"
            raise NotComparable(problem, "build it again with 'bfrbench reference build --protocol' of this protocol")

    def without(self, ids: Collection[str]) -> Reference:
        """The statistics of the other images: none of those under test may be in the reference too."""
        taken = frozenset(ids) & frozenset(self.ids)
        left = self._without.get(taken)
        if left is None:
            left = self._without[taken] = self._left(taken)
        return left

    @cached_property
    def _without(self) -> WeakValueDictionary[frozenset[str], Reference]:
        """What was left for metrics that are still at it: several share one copy of the features."""
        return WeakValueDictionary()

    def check_without(self, ids: Collection[str]) -> None:
        """Raises what `without` would, at once."""
        self._check_left(frozenset(ids) & frozenset(self.ids))

    def _check_left(self, taken: frozenset[str]) -> None:
        if not self.ids:
            raise InputError(
                f"the reference {self.name} does not know its images, so none can be left out",
                "build it with 'bfrbench reference build --keep-features'",
            )
        if taken and (self.features is None or self.n is None):
            raise InputError(
                f"the reference {self.name} holds {len(taken)} of the images under test and kept no features",
                "build it with 'bfrbench reference build --keep-features'",
            )
        if taken and sum(name not in taken for name in self.ids) < 2:
            raise TooLittleMeasured(f"the reference {self.name} has no images but those under test", "take another")

    def _left(self, taken: frozenset[str]) -> Reference:
        self._check_left(taken)
        if not taken:
            return replace(self, left_out=())
        assert self.features is not None and self.n is not None
        kept = np.array([name not in taken for name in self.ids])
        whole = Moments(self.n, self.mean, self.covariance * (self.n - 1))
        left = of_moments(whole.without(Moments.of(self.features[~kept])))
        return replace(
            self,
            n=left.n,
            mean=left.mean,
            covariance=left.covariance,
            ids=tuple(name for name in self.ids if name not in taken),
            features=self.features[kept],
            left_out=tuple(sorted(taken)),
            whole=self.digest,
        )

    def save(self, path: Path) -> None:
        from safetensors.numpy import save_file

        arrays: dict[str, npt.NDArray[Any]] = {"mean": self.mean, "covariance": self.covariance}
        if self.features is not None:
            arrays["features"] = self.features
        about = {"name": self.name, "extractor": self.extractor, "protocol": self.protocol, "source": self.source}
        plain = about | {"n": self.n, "ids": list(self.ids), "digest": self.digest}
        with atomic.landing(path) as part:
            save_file(arrays, part, metadata={"kind": _KIND, "about": json.dumps(plain)})


_opened: WeakValueDictionary[tuple[str, int, int], Reference] = WeakValueDictionary()
"""By path, time and size: metrics of one protocol share what one file holds, as long as any of them has it."""


def load_reference(path: Path) -> Reference:
    """Read a file that `Reference.save` wrote, and check that it is still what its digest says."""
    try:
        status = path.stat()
        key = (str(path.resolve()), status.st_mtime_ns, status.st_size)
    except OSError:
        return _load(path)
    if (held := _opened.get(key)) is None:
        held = _opened[key] = _load(path)
    return held


def _load(path: Path) -> Reference:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("kind") != _KIND:
                raise InputError(f"{path} holds no reference statistics", "make them with 'bfrbench reference build'")
            about = json.loads(metadata["about"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        problem = f"{path} cannot be read as reference statistics ({type(error).__name__}: {error})"
        raise InputError(problem, "build it again, or import it with 'bfrbench reference import'") from error
    reference = Reference(
        about["name"],
        about["extractor"],
        about["protocol"],
        about["n"],
        arrays["mean"],
        arrays["covariance"],
        tuple(about["ids"]),
        arrays.get("features"),
        about["source"],
    )
    if reference.digest != about["digest"]:
        raise InputError(f"{path} was altered after it was made", "get it again, or build it again")
    return reference
