"""Paint of hair, ears, clothes and frames."""

from __future__ import annotations

import numpy as np

from bfrbench.studio import noise
from bfrbench.studio.curves import step
from bfrbench.studio.face import Face
from bfrbench.studio.paint import CLASS, Pixels, linear

_F = np.float32


def hair(face: Face, pixels: Pixels) -> None:
    """Strands along the shell's columns, lighter and darker locks, a band of shine."""
    look = face.person.hair
    u, v = pixels.chart[0] + _F(look.offset[0]), pixels.chart[1] + _F(look.offset[1])
    fine = noise.read(noise.tile("strands", 1), u * _F(7), v * _F(0.55 + 1.6 * look.curl))
    locks = noise.read(noise.tile("locks", 2, 2), u * _F(2), v * _F(0.30 + 1.2 * look.curl))
    tone = 1 + 0.26 * fine + 0.22 * locks
    edge = step(pixels.chart[2], 0.0, 0.25)
    pixels.albedo[:] = linear(look.colour) * np.maximum(tone, 0.15) * (0.6 + 0.4 * edge)
    pixels.bump[:] = 0.16 * fine + 0.14 * locks
    band = 0.5 + 0.5 * np.clip(locks + 0.6 * fine, -1, 1)
    pixels.gloss[:] = look.shine * 0.8 * band
    pixels.label[:] = CLASS["hair"]


def ear(face: Face, pixels: Pixels) -> None:
    """Skin, redder, with the folds' shade."""
    skin = face.person.skin
    grain = noise.read(noise.tile("mottle", 2, 5), pixels.chart[0] * _F(0.5), pixels.chart[1] * _F(0.5))
    tone = (1 + 0.06 * grain) * (0.35 + 0.65 * pixels.chart[2])
    red = np.array([[1.02], [0.86], [0.84]], _F)
    pixels.albedo[:] = linear(skin.colour) * red * tone
    pixels.gloss[:] = 0.35 * skin.oil
    pixels.label[:] = CLASS["ear"]


def clothes(face: Face, pixels: Pixels) -> None:
    """Woven cloth with a seam at the neckline, and skin above it."""
    person = face.person
    u, v = pixels.x * _F(0.6), (pixels.y + pixels.z) * _F(0.6)
    weave = noise.read(noise.tile("pores", 1), u * _F(2), v * _F(2))
    folds = noise.read(noise.tile("locks", 2, 2), u * _F(0.3), v * _F(0.12))
    cloth = linear(person.cloth) * (1 + 0.08 * weave + 0.10 * folds)
    skin = linear(person.skin.colour) * (1 + 0.04 * folds) * 0.96
    below = pixels.chart[2]
    share = step(below, -0.008, 0.008)
    seam = step(below, 0.0, 0.02) * step(below, 0.10, 0.07)
    pixels.albedo[:] = skin + (cloth * (1 - 0.25 * seam) - skin) * share
    pixels.bump[:] = (0.05 * weave + 0.12 * folds) * share
    pixels.gloss[:] = 0.2 * (1 - share)
    pixels.label[:] = np.where(below > 0, CLASS["clothes"], CLASS["neck"])


def frames(face: Face, pixels: Pixels) -> None:
    """Plastic or metal."""
    if face.person.glasses is not None:
        pixels.albedo[:] = linear(face.person.glasses.colour)
    pixels.gloss[:] = 1.2
    pixels.label[:] = CLASS["glasses"]
