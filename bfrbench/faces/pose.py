"""Head pose by 3DDFA-V2's network: yaw, pitch and roll in degrees, from an image and five points of the face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.contracts import Pose
from bfrbench.errors import UnknownName
from bfrbench.faces.align import warp
from bfrbench.faces.euler import pose_of
from bfrbench.faces.networks import fill, store_or_default

if TYPE_CHECKING:
    import numpy.typing as npt

    from bfrbench.contracts import Points, U8Image
    from bfrbench.faces.align import Matrix
    from bfrbench.weights import WeightStore

_SIDE = 120
_CHUNK = 64
_HEAD = 3.4
"""Side of the square around a head, in distances between the eyes (from 2.6 to 4.2 the angles hardly change)."""
# Mean and deviation of the first two rows of the 3×4 camera matrix, without its shifts, over the training set:
# the network gives parameters whitened by them (62 in all; pose needs these six).
_ROTATION = [0, 1, 2, 4, 5, 6]
_MEAN = np.array([3.4926363e-4, 2.5279013e-7, -6.8751979e-7, -6.2955132e-7, 5.7572004e-4, -5.0853912e-5])
_DEVIATION = np.array([1.76321526e-4, 6.73794348e-5, 4.47084894e-4, 1.23137695e-4, 4.49302170e-5, 7.92367064e-5])


class PoseNetwork:
    """3DDFA-V2's MobileNet of half width."""

    def __init__(self, name: str, path: Path, device: str = "cpu") -> None:
        from bfrbench.faces.mobilenet import MobileNet

        self.name, self.device = name, device
        self._network: Any = fill(MobileNet(width=0.5), path, key="state_dict", device=device)

    def __call__(self, images: Sequence[U8Image], points: Sequence[Points]) -> list[Pose]:
        """The pose of the face that each image's five points mark."""
        found: list[Pose] = []
        for start in range(0, len(images), _CHUNK):
            pairs = zip(images[start : start + _CHUNK], points[start : start + _CHUNK], strict=True)
            crops = [warp(image, _window(five), (_SIDE, _SIDE), border="mirror", shrink=True) for image, five in pairs]
            found += [_angles(row) for row in self._parameters(np.stack(crops))]
        return found

    def _parameters(self, crops: U8Image) -> npt.NDArray[np.float64]:
        """N×2×3: the upper rows of each face's scaled rotation."""
        import torch

        bgr = np.ascontiguousarray(crops[..., ::-1])
        pixels = torch.from_numpy(bgr).to(self.device).permute(0, 3, 1, 2).float().sub(127.5).div(128)
        with torch.inference_mode():
            white = self._network(pixels).double().cpu().numpy()[:, _ROTATION]
        rows: npt.NDArray[np.float64] = (white * _DEVIATION + _MEAN).reshape(-1, 2, 3)
        return rows


def load_pose(name: str = "pose-3ddfa-mb05", store: WeightStore | None = None, device: str = "cpu") -> PoseNetwork:
    """The pose network ready to estimate."""
    if name != "pose-3ddfa-mb05":
        raise UnknownName("pose network", name, ["pose-3ddfa-mb05"])
    return PoseNetwork(name, store_or_default(store).path(name), device)


def _window(points: Points) -> Matrix:
    """The square that the network was trained on, from the five points: the whole head, level with the image."""
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    reach = max(float(np.linalg.norm(mouth - eyes)), float(np.linalg.norm(points[1] - points[0])))
    side = _HEAD * reach
    centre = (eyes + mouth) / 2
    scale = _SIDE / side
    return np.array([[scale, 0, _SIDE / 2 - 0.5 - scale * centre[0]], [0, scale, _SIDE / 2 - 0.5 - scale * centre[1]]])


def _angles(rows: npt.NDArray[np.float64]) -> Pose:
    """The pose whose rotation has these rows, up to their scale; the model's y points up."""
    right = rows[0] / np.linalg.norm(rows[0])
    ahead = np.cross(right, rows[1])
    ahead /= np.linalg.norm(ahead)
    return pose_of(np.stack([right, np.cross(ahead, right), ahead]))
