"""Paint of skin: tone and mottling, pores, freckles and moles, wrinkles, stubble and the edge of the scalp's hair."""

from __future__ import annotations

import numpy as np

from bfrbench.studio import noise
from bfrbench.studio.curves import Array, bump, ridge, step
from bfrbench.studio.face import Face
from bfrbench.studio.paint import CLASS, Pixels, linear

_POROUS = 2.3
"""Width of skin that one tile of pores covers."""
_F = np.float32


def paint(face: Face, pixels: Pixels, towards: Array) -> None:
    """The whole skin of head and neck; features go over it. `towards` is the key light's direction, head frame."""
    skin = face.person.skin
    u = skin.offset[0] + pixels.chart[0] * _F(2 * np.pi * 1.25 / _POROUS)
    v = skin.offset[1] + pixels.y * _F(1 / _POROUS)
    mottle = noise.read(noise.tile("mottle", 2, 5), u * _F(0.7), v * _F(0.7))
    pores = noise.tile("pores", 1, 2)
    here = noise.read(pores, u, v)
    lit = noise.read(pores, u + _F(towards[0] * 0.006), v + _F(towards[1] * 0.006))
    pixels.bump[:] = (here - lit) * _F(0.055 * skin.rough)
    tone = 1 + _F(0.045) * mottle + _F(0.022 * skin.rough) * here
    pixels.albedo[:] = linear(skin.colour) * tone
    pixels.gloss[:] = skin.oil * (0.55 + 0.9 * _shiny(face, pixels)) * (1 + 0.25 * here)
    pixels.label[:] = CLASS["skin"]
    pixels.label[(pixels.y < face.chin_y - 0.02) | ((pixels.z < 0.2) & (pixels.y < -1.25))] = CLASS["neck"]
    _blood(face, pixels, mottle)
    _spots(face, pixels, u, v)
    _wrinkles(face, pixels)
    _beard(face, pixels, u, v)
    _scalp(face, pixels)


def _shiny(face: Face, pixels: Pixels) -> Array:
    side = np.abs(pixels.x)
    tip = face.person.nose.tip
    return (
        bump(side, pixels.y, (0, 0.7), (0.4, 0.25))
        + bump(side, pixels.y, (0, tip + 0.05), (0.14, 0.25))
        + 0.5 * bump(side, pixels.y, (0.6, -0.35), (0.2, 0.15))
    ) * step(pixels.z, 0.2, 0.8)


def _blood(face: Face, pixels: Pixels, mottle: Array) -> None:
    side, y, skin = np.abs(pixels.x), pixels.y, face.person.skin
    tip = face.person.nose.tip
    red = bump(side, y, (0.66, -0.55), (0.28, 0.22)) + 0.8 * bump(side, y, (0.0, tip), (0.2, 0.16))
    red += 0.35 * bump(side, y, (0.0, face.chin_y + 0.2), (0.25, 0.15))
    red *= skin.red * (1 + 0.3 * mottle)
    pixels.albedo *= np.stack([1 + 0.06 * red, 1 - 0.15 * red, 1 - 0.13 * red])
    bags = bump(side, y, (face.eye_x, -0.14), (0.2, 0.05)) + 0.8 * bump(side, y, (0.27, -0.05), (0.07, 0.07))
    lids = bump(side, y, (face.eye_x, 0.1), (0.24, 0.08))
    tired = bags * (0.30 + 0.36 * skin.circles) + (0.16 + 0.2 * skin.circles) * lids
    pixels.albedo *= np.stack([1 - 0.55 * tired, 1 - 0.75 * tired, 1 - 0.6 * tired])


def _spots(face: Face, pixels: Pixels, u: Array, v: Array) -> None:
    skin = face.person.skin
    everywhere = slice(None)
    if skin.freckles:
        speckle = noise.read(noise.tile("freckles", 2), u * _F(1.1), v * _F(1.1))
        where = bump(np.abs(pixels.x), pixels.y, (0.35, -0.3), (0.4, 0.3)) + 0.25
        share = step(speckle, _F(0.9), _F(1.7)) * where * _F(0.5 * skin.freckles)
        pixels.mix(everywhere, linear((0.50, 0.28, 0.16)), share)
    for x, y, radius in skin.moles:
        near = np.flatnonzero(
            (np.abs(pixels.x - x) < 3 * radius) & (np.abs(pixels.y - y) < 3 * radius) & (pixels.z > 0)
        )
        spot = bump(pixels.x[near], pixels.y[near], (x, y), (radius, radius))
        pixels.mix(near, linear((0.25, 0.14, 0.10)), 0.85 * spot)


def _wrinkles(face: Face, pixels: Pixels) -> None:
    person, e = face.person, face.expression
    x, y = pixels.x, pixels.y
    side = np.abs(x)
    fold = side - (person.nose.wide + 0.10 + (face.mouth_half + 0.10 - person.nose.wide) * step(y, -0.6, -1.15))
    deep = 0.12 + 0.3 * person.skin.wrinkles + 0.35 * max(e.smile, 0)
    dark = deep * ridge(fold, 0.022) * step(y, -0.58, -0.75) * step(y, -1.25, -1.0)
    lined = 0.55 * person.skin.wrinkles + 0.45 * max(e.brow_raise, 0)
    if lined > 0.02:
        wave = (y - 0.05 * x * x + 0.012 * np.sin(x * 9)) * 7.5
        lines = ridge(wave - np.round(wave), 0.11)
        dark += lined * 0.4 * lines * bump(side, y, (0, 0.72), (0.42, 0.17))
    crow = (0.5 * person.skin.wrinkles + 0.35 * max(e.smile, 0)) * 0.55
    if crow > 0.02:
        fan = (y - 0.02) / np.maximum(side - 0.55, 0.05) * 2.2
        dark += crow * ridge(fan - np.round(fan), 0.16) * bump(side, y, (0.86, 0.0), (0.06, 0.1))
    if e.brow_knit > 0.1:
        dark += 0.5 * e.brow_knit * ridge(side - 0.085, 0.018) * bump(side, y, (0.085, 0.32), (1, 0.08))
    front = np.where(pixels.z > 0, dark, 0)
    pixels.albedo *= np.stack([1 - 0.5 * front, 1 - 0.7 * front, 1 - 0.75 * front])


def beard_region(face: Face, x: Array, y: Array) -> Array:
    """Where a beard of the person's style grows, 0 to 1."""
    style = face.person.beard.style
    side = np.abs(x)
    base = face.person.nose.tip - 0.2
    top, _, _, bottom = face.mouth_lines(np.clip(x / face.mouth_half, -1, 1))
    off_lips = np.maximum(step(y, top + 0.005, top + 0.03), step(y, bottom - 0.005, bottom - 0.03))
    off_lips = np.where(side < face.mouth_half, off_lips, 1)
    low = step(y, face.chin_y - 0.42, face.chin_y - 0.15)
    moustache = bump(side, y, (0.14, face.mouth_y + 0.17), (0.24, 0.07))
    chin = bump(side, y, (0, face.chin_y + 0.2), (0.24, 0.24))
    line = -0.98 + 0.95 * step(side, 0.62, 1.08)
    cheeks = step(y, line + 0.12, line - 0.10)
    if style == "moustache":
        return np.minimum(moustache * 1.5, 1) * off_lips
    if style == "goatee":
        ring = ridge(side - face.mouth_half - 0.02, 0.06) * step(y, base - 0.05, base - 0.25)
        ring = ring * step(y, face.chin_y + 0.25, face.chin_y + 0.5)
        result: Array = np.minimum(moustache * 1.3 + chin * 1.5 + ring, 1) * off_lips * low
        return result
    full = np.maximum(cheeks, np.minimum(moustache * 1.4, 1)) * step(y, face.chin_y - 0.35, face.chin_y - 0.1)
    bare = bump(side, y, (0, bottom.min() - 0.05), (0.09, 0.04))
    return full * off_lips * low * (1 - 0.6 * bare)


def _beard(face: Face, pixels: Pixels, u: Array, v: Array) -> None:
    beard = face.person.beard
    if beard.style == "none":
        return
    near = np.flatnonzero((pixels.y < 0.25) & (pixels.z > -0.3))
    x, y = pixels.x[near], pixels.y[near]
    region = beard_region(face, x, y)
    strands = noise.read(noise.tile("strands", 1, 2), u[near] * _F(2.6), v[near] * _F(0.9))
    sparse = {"shadow": 0.30, "stubble": 0.6}.get(beard.style, 1.0)
    if sparse < 1:
        dots = noise.read(noise.tile("pores", 1), u[near] * _F(1.9), v[near] * _F(1.9))
        share = region * sparse * beard.dense * np.clip(0.55 + 0.35 * dots, 0, 1)
    else:
        share = np.clip(region * 1.5 - 0.25 + 0.22 * strands, 0, 1) * beard.dense
    colour = linear(beard.colour) * (1 + 0.35 * strands * (sparse == 1))
    pixels.mix(near, np.maximum(colour, 0.004), share)
    pixels.gloss[near] *= 1 - 0.7 * share
    pixels.bump[near] += 0.10 * strands * share


def _scalp(face: Face, pixels: Pixels) -> None:
    """Short hair that shows the skin: all of it on the shorn, single strands at the hairline of the others."""
    hair = face.person.hair
    if hair.style == "bald":
        return
    inside = pixels.chart[2]
    near = np.flatnonzero((inside > -0.15) & (pixels.y > -0.95))
    u, v = pixels.chart[0, near], pixels.chart[1, near]
    strands = noise.read(noise.tile("strands", 1, 2), u * _F(5), v * _F(1.6))
    share = np.clip(step(inside[near], -0.06, 0.10) + 0.28 * strands - 0.1, 0, 1)
    share *= step(inside[near], -0.13, 0.0)
    if hair.style == "buzz":
        dots = noise.read(noise.tile("pores", 1), u * _F(3), v * _F(4))
        share = np.clip(step(inside[near], -0.05, 0.1) * (0.82 + 0.2 * dots), 0, 1)
        pixels.label[near[inside[near] > 0.02]] = CLASS["hair"]
    pixels.mix(near, linear(hair.colour), share)
    pixels.gloss[near] *= 1 - 0.8 * share
