"""From (seed, identity, shot) to a picture with its labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.contracts import Pose
from bfrbench.errors import UsageError
from bfrbench.studio import features, labels, light, noise, outfit, scene, skin
from bfrbench.studio.backdrop import backdrop
from bfrbench.studio.camera import Camera, aim
from bfrbench.studio.curves import Array
from bfrbench.studio.draws import Dice
from bfrbench.studio.face import Face
from bfrbench.studio.mesh import Part, merge
from bfrbench.studio.paint import Pixels, linear
from bfrbench.studio.person import person
from bfrbench.studio.raster import look
from bfrbench.studio.shoot import MAX_PITCH, MAX_YAW, Light, Setting, setting

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Points, U8Image

SIZES = (64, 512)
LIGHT = ("azimuth", "elevation", "key", "hardness", "rim")
"""What is told of the light."""
_F = np.float32


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture and everything that is known about it."""

    image: U8Image
    identity: int
    shot: int
    seed: int
    pose: Pose
    expression: str
    points: Points
    """Eyes, nose tip, mouth corners, left of the image first; pixel centres are at integers."""
    landmarks: Points
    """68 points."""
    parsing: npt.NDArray[np.uint8]
    """Class numbers of `bfrbench.studio.CLASSES`."""
    light: Light

    def facts(self) -> dict[str, Any]:
        """Every label but the parsing map, as plain data."""
        return {
            "yaw": self.pose.yaw,
            "pitch": self.pose.pitch,
            "roll": self.pose.roll,
            "expression": self.expression,
            "points": self.points.tolist(),
            "landmarks": self.landmarks.tolist(),
            "light": {name: float(getattr(self.light, name)) for name in LIGHT},
        }


def render(
    identity: int, shot: int, *, seed: int = 0, size: int = 256, yaw: float | None = None, pitch: float | None = None
) -> Shot:
    """Picture number `shot` of person number `identity`; a given yaw or pitch replaces the drawn one."""
    check_size(size)
    for name, value, limit in (("yaw", yaw, MAX_YAW), ("pitch", pitch, MAX_PITCH)):
        if value is not None and not abs(value) <= limit:
            raise UsageError(f"a {name} of {value:g} degrees", f"choose one from {-limit:g} to {limit:g}")
    chosen = setting(seed, identity, shot, yaw=yaw, pitch=pitch)
    face = Face(person(seed, identity), chosen.expression)
    five = labels.five(face)
    camera = aim(chosen, five)
    inner = max(256, size * 3 // 2)
    picture, parsing = _draw(face, chosen, camera, inner)
    points, landmarks = (camera.pixels(on_head, size) for on_head in (five, labels.sixty_eight(face)))
    return Shot(
        image=_develop(picture, chosen.background, _gain(face, chosen), size),
        identity=identity,
        shot=shot,
        seed=seed,
        pose=Pose(chosen.yaw, chosen.pitch, camera.roll),
        expression=chosen.expression.name,
        points=points,
        landmarks=landmarks,
        parsing=_shrink(parsing, size),
        light=chosen.light,
    )


def check_size(size: int) -> None:
    if not SIZES[0] <= size <= SIZES[1]:
        raise UsageError(f"a studio picture of {size} pixels", f"choose a size from {SIZES[0]} to {SIZES[1]}")


def _draw(face: Face, chosen: Setting, camera: Camera, size: int) -> tuple[Array, Array]:
    """Linear light (size×size×3) and parsing map."""
    patches = scene.patches(face)
    mesh = merge(patches, [camera.pose(patch.points, patch.follows) for patch in patches])
    seen = look(mesh, camera.project(mesh.points) * size, -mesh.points[:, 2], size)
    values = np.concatenate([mesh.normals, mesh.head, mesh.chart, light.exposure(mesh, chosen.light)], axis=1)
    at = seen.interpolate(mesh.faces, values)
    picture = backdrop(chosen.background, size).reshape(-1, 3)
    parsing = np.zeros(size * size, np.uint8)
    for part in Part:
        own = np.flatnonzero(mesh.parts[seen.face] == part)
        if own.size:
            pixels = _pixels(at[:, own], camera)
            _paint(part, face, pixels, light.direction(chosen.light) @ camera.head)
            picture[seen.pixel[own]] = light.shade(part, pixels, at[9:11, own], chosen.light).T
            parsing[seen.pixel[own]] = pixels.label
    return picture.reshape(size, size, 3), parsing.reshape(size, size)


def _pixels(values: Array, camera: Camera) -> Pixels:
    normal = values[0:3]
    normal /= np.sqrt(_dot(normal, normal) + _F(1e-12))
    eye = camera.lens().astype(_F)
    ray = values[3:6] - eye[:, None]
    ray /= np.sqrt(_dot(ray, ray))
    facing = _dot(camera.head.astype(_F) @ ray, normal)
    normal *= np.where(facing > 0, _F(-1), _F(1))
    return Pixels(values[3], values[4], values[5], normal, values[6:9], ray)


def _dot(a: Array, b: Array) -> Array:
    product: Array = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def _paint(part: Part, face: Face, pixels: Pixels, towards: Array) -> None:
    if part == Part.SKIN:
        skin.paint(face, pixels, towards)
        features.paint(face, pixels, towards)
    elif part == Part.HAIR:
        outfit.hair(face, pixels)
    elif part == Part.EAR:
        outfit.ear(face, pixels)
    elif part == Part.CLOTHES:
        outfit.clothes(face, pixels)
    else:
        outfit.frames(face, pixels)


def _gain(face: Face, chosen: Setting) -> float:
    """Exposure: a camera meets dark skin part of the way."""
    red, green, blue = linear(face.person.skin.colour)[:, 0]
    brightness = 0.3 * red + 0.6 * green + 0.1 * blue
    return float((0.42 / brightness) ** 0.33 * (1 + chosen.exposure))


def _develop(picture: Array, key: int, gain: float, size: int) -> U8Image:
    """Light to sRGB: shrink, expose, roll the highlights off, add a trace of grain."""
    import cv2

    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) * _F(gain)
    small = np.where(small > 0.6, 0.6 + (small - 0.6) / (1 + (small - 0.6) * 1.6), small)
    tone = np.sqrt(np.maximum(small, 0)) ** _F(0.909)
    dice = Dice.keyed("grain", key)
    steps = (np.arange(size, dtype=_F) + 0.5) / noise.SIDE
    u, v = np.meshgrid(steps + _F(dice.between(0, 1)), steps + _F(dice.between(0, 1)))
    grain = noise.read(noise.tile("grain", 0), u, v)
    finished: U8Image = np.clip(tone * 255 + 0.9 * grain[..., None] + 0.5, 0, 255).astype(np.uint8)
    return finished


def _shrink(parsing: Array, size: int) -> npt.NDArray[np.uint8]:
    centre = ((np.arange(size) + 0.5) * len(parsing) / size).astype(np.intp)
    return np.ascontiguousarray(parsing[np.ix_(centre, centre)])
