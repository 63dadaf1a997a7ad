"""Paint of brows, eyes, nostrils, lips and the inside of the mouth, over the skin."""

from __future__ import annotations

import numpy as np

from bfrbench.studio import noise
from bfrbench.studio.curves import Array, bump, ridge, step
from bfrbench.studio.face import EYE_RADIUS, Face
from bfrbench.studio.head import eyeball, front_depth
from bfrbench.studio.paint import CLASS, Pixels, linear

_F = np.float32


def paint(face: Face, pixels: Pixels, towards: Array) -> None:
    """All features. `towards` is the key light's direction in the head's frame."""
    front = pixels.z > 0.3
    side, y = np.abs(pixels.x), pixels.y
    nose = face.person.nose
    on_nose = front & (y < 0.08) & (y > nose.tip - 0.19) & (side < 0.10 + (nose.wide - 0.06) * step(y, 0.1, nose.tip))
    pixels.label[on_nose] = CLASS["nose"]
    _nostrils(face, pixels, np.flatnonzero(on_nose))
    _brows(face, pixels, np.flatnonzero(front & (y > 0.08) & (y < 0.75) & (side < 1.0)))
    reach = face.person.eyes.wide + 0.08
    near = front & (np.abs(side - face.eye_x) < reach) & (y > -0.2) & (y < 0.3)
    _lids(face, pixels, np.flatnonzero(near))
    _eyes(face, pixels, np.flatnonzero(near), towards)
    near = front & (side < face.mouth_half + 0.1) & (y < face.mouth_y + 0.3) & (y > face.chin_y + 0.1)
    _lips(face, pixels, np.flatnonzero(near))
    _inside(face, pixels, np.flatnonzero(near & (side < face.mouth_half)))


def _nostrils(face: Face, pixels: Pixels, at: Array) -> None:
    nose = face.person.nose
    side, y = np.abs(pixels.x[at] - nose.crooked), pixels.y[at]
    hole = bump(side, y, (nose.wide * 0.42, nose.tip - 0.145 + nose.upturn), (0.048, 0.022))
    pixels.mix(at, linear((0.14, 0.06, 0.05)), 0.9 * np.minimum(hole * 1.3, 1))
    wing = ridge(np.sqrt((side - nose.wide * 0.66) ** 2 + (y - nose.tip + 0.05) ** 2) - 0.125, 0.018)
    pixels.darken(at, 0.25 * wing * step(side, nose.wide * 0.66, nose.wide * 0.9))


def _brows(face: Face, pixels: Pixels, at: Array) -> None:
    brows, hair = face.person.brows, face.person.hair
    x, y = np.abs(pixels.x[at]), pixels.y[at]
    start = brows.inner - 0.05 * face.expression.brow_knit
    u = np.clip((x - start) / (2 * brows.long), -0.2, 1.2)
    _, middle = face.brow_line(np.clip(u, 0, 1))
    thick = brows.thick * (1 - 0.62 * np.clip(u, 0, 1) ** 1.6) * (0.8 + 0.2 * step(u, 0, 0.2))
    away = (y - middle) / thick
    flow = noise.read(
        noise.tile("strands", 1, 2), x * _F(2.2) - y * _F(1.6 * 1.3) + hair.offset[0], y * _F(0.35) + x * _F(0.5)
    )
    ends = step(u, -0.06, 0.10) * step(u, 1.08, 0.82)
    body = np.clip(1.2 - away * away * 0.8, 0, 1) * ends
    share = np.clip(body * (0.80 + 0.30 * flow) * brows.dense * 1.1, 0, 0.97)
    dark = tuple(min(0.34, channel * brows.tone) for channel in hair.colour)
    pixels.mix(at, linear((dark[0], dark[1], dark[2])), share)
    pixels.gloss[at] *= 1 - share
    pixels.label[at[body > 0.45]] = CLASS["brow"]


def _lids(face: Face, pixels: Pixels, at: Array) -> None:
    eyes = face.person.eyes
    x, y = np.abs(pixels.x[at]), pixels.y[at]
    along, above = face.eye_frame(x, y)
    upper, lower = face.lid_heights(np.clip(along, -1, 1))
    within = step(np.abs(along), 1.12, 0.85)
    crease = ridge(above - upper - eyes.fold * (0.6 + 0.4 * (1 - along * along)), 0.013)
    pixels.darken(at, 0.28 * crease * within)
    pouch = ridge(above - lower + 0.055 + 0.02 * along * along, 0.016)
    pixels.darken(at, (0.10 + 0.14 * face.person.skin.circles) * pouch * within)
    shade = step(above - upper, 0.09, 0.0) * step(above - upper, -0.03, 0.0) * within
    pixels.darken(at, 0.14 * eyes.lashes * shade)
    wing = 0.5 + 0.5 * np.clip(along, -1, 1)
    strands = noise.read(noise.tile("strands", 1), x * _F(4.5) - above * wing * _F(3), above * _F(0.8))
    reach = 0.012 + 0.022 * eyes.lashes * wing
    top = step(above - upper, reach * (1 + 0.45 * strands), reach * 0.25) * step(above - upper, -0.02, -0.004)
    pixels.mix(at, linear((0.04, 0.03, 0.03)), np.clip(0.9 * top * step(np.abs(along), 1.1, 0.95), 0, 1))
    bottom = ridge(above - lower + 0.006, 0.009) * (0.3 + 0.35 * eyes.lashes * wing)
    pixels.mix(at, linear((0.16, 0.08, 0.07)), np.clip(bottom * step(np.abs(along), 1.05, 0.9), 0, 1))


def _eyes(face: Face, pixels: Pixels, at: Array, towards: Array) -> None:
    eyes, e = face.person.eyes, face.expression
    x, y = np.abs(pixels.x[at]), pixels.y[at]
    along, above = face.eye_frame(x, y)
    upper, lower = face.lid_heights(np.clip(along, -1, 1))
    open_ = np.minimum(upper - above, above - lower)
    keep = (open_ > -0.004) & (np.abs(along) < 1) & (upper - lower > 0.012)
    at, along, above, upper, open_ = at[keep], along[keep], above[keep], upper[keep], open_[keep]
    if not at.size:
        return
    mirror = np.sign(pixels.x[at])
    normal = _ball(face, pixels, at, mirror)
    gaze = np.sin(np.deg2rad(e.gaze[0])) * mirror, np.sin(np.deg2rad(e.gaze[1]))
    dx, dy = normal[0] - gaze[0], normal[1] - gaze[1]
    away = np.sqrt(dx * dx + dy * dy + 1e-9) * EYE_RADIUS
    colour = _sclera(normal, along)
    size = eyes.iris_size
    fibre = noise.read(noise.tile("fibres", 1, 2), np.arctan2(dy, dx) * _F(0.5 / np.pi * 2), away * _F(1.2))
    ring = (
        (1 + 0.28 * fibre) * (1.25 - 0.5 * step(away, size * 0.45, size)) * (1 - 0.75 * step(away, size * 0.78, size))
    )
    iris = linear(eyes.iris) * 1.25 * np.maximum(ring, 0.1)
    colour += (iris - colour) * step(away, size + 0.006, size - 0.006)
    colour *= 1 - 0.97 * step(away, 0.040, 0.032)
    colour *= 1 - 0.62 * step(upper - above, 0.065, 0.0)
    share = step(open_, -0.004, 0.006)
    pixels.mix(at, colour, share)
    half = towards / np.linalg.norm(towards) + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    glint = (normal[0] - half[0] * mirror) ** 2 * 0.8 + (normal[1] - half[1] * 0.8) ** 2
    pixels.albedo[:, at] += 0.95 * step(glint, 0.0085, 0.005) * share + 0.05 * step(glint, 0.06, 0.0) * share
    pixels.gloss[at] *= 1 - share
    pixels.bump[at] *= 1 - share
    pixels.label[at[share > 0.5]] = CLASS["eye"]


def _ball(face: Face, pixels: Pixels, at: Array, mirror: Array) -> Array:
    """Unit normal of the eyeball that each pixel's ray meets, seen as the right-of-image eye."""
    centre = eyeball(face)
    start = np.stack([pixels.x[at] * mirror, pixels.y[at], pixels.z[at]]) - centre[:, None].astype(_F)
    ray = pixels.ray[:, at] * np.stack([mirror, np.ones_like(mirror), np.ones_like(mirror)])
    along = (start * ray).sum(0)
    short = along * along - (start * start).sum(0) + _F(EYE_RADIUS**2)
    hit = start + (-along - np.sqrt(np.maximum(short, 0))) * ray
    result: Array = hit / np.sqrt((hit * hit).sum(0))
    return result


def _sclera(normal: Array, along: Array) -> Array:
    veins = noise.read(noise.tile("veins", 1, 3), normal[0] * _F(0.7), normal[1] * _F(2))
    red = 0.10 * step(veins, 0.6, 1.6) * step(np.abs(along), 0.3, 1.0)
    corner = step(along, -0.80, -0.93)
    round_ = 0.62 + 0.38 * step(np.abs(along), 1.1, 0.3)
    white = np.stack([0.58 + 0 * red, 0.54 - red, 0.52 - red]) * round_
    return (white + (linear((0.75, 0.42, 0.40)) - white) * corner).astype(_F)


def _lips(face: Face, pixels: Pixels, at: Array) -> None:
    mouth = face.person.mouth
    x, y = pixels.x[at], pixels.y[at]
    u = np.clip(x / face.mouth_half, -1, 1)
    top, upper, lower, bottom = face.mouth_lines(u)
    soft = 0.012
    on_upper = step(y, top + soft, top - soft) * step(y, upper - soft, upper + soft)
    on_lower = step(y, lower + soft, lower - soft) * step(y, bottom - soft, bottom + soft)
    ends = step(np.abs(x), face.mouth_half + 0.01, face.mouth_half - 0.03)
    lines = noise.read(noise.tile("strands", 1, 2), x * _F(1.9), y * _F(0.25))
    share = np.clip((on_upper + on_lower) * ends, 0, 1) * mouth.strength
    colour = linear(mouth.colour) * (1 + 0.10 * lines) * (1 - 0.18 * on_upper)
    pixels.mix(at, colour, share)
    pixels.gloss[at] = pixels.gloss[at] * (1 - share) + share * (0.5 + 0.9 * on_lower) * (1 + 0.3 * lines)
    pixels.label[at[(on_upper > 0.5) & (ends > 0.5)]] = CLASS["upper lip"]
    pixels.label[at[(on_lower > 0.5) & (ends > 0.5)]] = CLASS["lower lip"]
    seam = ridge(y - 0.5 * (upper + lower), 0.011 + 0.25 * (upper - lower)) * step(
        np.abs(x), face.mouth_half + 0.02, face.mouth_half - 0.04
    )
    pixels.mix(at, linear((0.22, 0.07, 0.07)), 0.85 * seam)
    corner = bump(np.abs(x), y, (face.mouth_half, face.corner_y), (0.03, 0.022))
    pixels.darken(at, 0.5 * corner)


def _inside(face: Face, pixels: Pixels, at: Array) -> None:
    x, y = pixels.x[at], pixels.y[at]
    _, upper, lower, _ = face.mouth_lines(x / face.mouth_half)
    depth = np.minimum(upper - y, y - lower)
    keep = (depth > -0.003) & (upper - lower > 0.02)
    at, x, y, upper, depth = at[keep], x[keep], y[keep], upper[keep], depth[keep]
    if not at.size:
        return
    low = face.person.mouth.low
    wall = front_depth(face, np.zeros(1), np.array([low + 0.12]))[0] - 0.16
    ray = pixels.ray[:, at]
    reach = (pixels.z[at] - (wall - 0.55 * x * x)) / np.maximum(-ray[2], 0.3)
    tx, ty = x + ray[0] * reach, y + ray[1] * reach
    wide = np.abs(tx)
    width = 0.135 - 0.035 * step(wide, 0.05, 0.3)
    gap = wide / width
    seam = ridge(gap - np.round(gap), 0.07)
    edge = low + 0.0 - 0.018 * seam
    top = step(ty, edge - 0.006, edge + 0.006) * step(wide, 0.42, 0.30)
    floor = low - 0.02 - 0.75 * face.drop
    bottom = step(ty, floor + 0.006, floor - 0.006) * step(wide, 0.34, 0.26) * 0.8
    teeth = np.maximum(top, bottom)
    gum = step(ty, low + 0.15, low + 0.19)
    tongue = bump(tx, ty, (0, floor + 0.0), (0.2, 0.09))
    dark = linear((0.20, 0.06, 0.06)) + (linear((0.62, 0.28, 0.28)) - linear((0.20, 0.06, 0.06))) * tongue
    white = linear((0.90, 0.87, 0.80)) * (1 - 0.38 * seam) * (1 - 0.6 * step(wide, 0.1, 0.42))
    white = white + (linear((0.66, 0.36, 0.36)) - white) * gum
    colour = (
        (dark + (white - dark) * teeth)
        * (0.35 + 0.65 * step(depth, 0.0, 0.035))
        * (0.65 + 0.35 * step(upper - y, 0, 0.08))
    )
    share = step(depth, -0.003, 0.006)
    pixels.mix(at, colour, share)
    pixels.gloss[at] = pixels.gloss[at] * (1 - share) + 0.5 * teeth * share
    pixels.bump[at] *= 1 - share
    pixels.label[at[share > 0.5]] = CLASS["mouth"]
