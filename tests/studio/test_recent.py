"""The memory of pictures rendered last: the same picture, within its limit, and nothing that a caller could spoil."""

from __future__ import annotations

import pytest

from bfrbench.studio.recent import Recent
from bfrbench.studio.rendering import render
from bfrbench.studio.splits import split


def test_a_picture_asked_for_again_is_not_rendered_again() -> None:
    recent, made = Recent(), []

    def make(identity: int) -> object:
        made.append(identity)
        return render(identity, 0, size=64)

    first = recent.get("a", lambda: make(1))  # type: ignore[arg-type, return-value]
    assert recent.get("a", lambda: make(1)) is first  # type: ignore[arg-type, return-value]
    assert made == [1]


def test_the_oldest_pictures_go_when_the_limit_is_reached() -> None:
    shots = [render(identity, 0, size=64) for identity in range(3)]
    recent = Recent(limit=2 * (shots[0].image.nbytes + shots[0].parsing.nbytes))
    for name, shot in zip("abc", shots, strict=True):
        recent.get(name, lambda shot=shot: shot)
    assert recent.get("c", lambda: shots[0]) is shots[2], "kept"
    assert recent.get("a", lambda: shots[1]) is shots[1], "gone, so made anew"


def test_a_shared_picture_cannot_be_written_to() -> None:
    image = split("studio-ci", size=64)[0].image
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0
