"""Random numbers that depend on nothing but their key: seed, recipe, image id, view and the parameter's own label.

Parameters come straight from blake2b, so no generator has a state that order, batch or worker could move.
Noise fields, which need millions of numbers, are made in `noise`.
"""

from __future__ import annotations

import hashlib

from bfrbench.digests import Digest, canonical_json

_UNIT = 2.0**-53


class Keys:
    """A place in the tree of labels; each label under it has its own bits."""

    __slots__ = ("_path", "_root")

    def __init__(self, root: bytes, path: str = "") -> None:
        self._root, self._path = root, path

    def under(self, label: object) -> Keys:
        return Keys(self._root, f"{self._path}/{label}")

    def unit(self, label: str) -> float:
        """A multiple of 2⁻⁵³ in [0, 1)."""
        return (self._bits(label) >> 11) * _UNIT

    def word(self, label: str) -> int:
        """A non-negative integer below 2⁶³."""
        return self._bits(label) >> 1

    def _bits(self, label: str) -> int:
        data = f"{self._path}/{label}".encode()
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._root).digest(), "little")


def keys(seed: int, recipe: Digest, image_id: str, view: int) -> Keys:
    """The root of all numbers of one draw."""
    return Keys(hashlib.blake2b(canonical_json([seed, recipe, image_id, view]), digest_size=32).digest())
