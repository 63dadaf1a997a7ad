"""A mask that follows the face, from facexlib's ParseNet or BiSeNet, for pasting back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench.errors import UnknownName
from bfrbench.faces.networks import fill, store_or_default
from bfrbench.faces.paste import soft_mask

if TYPE_CHECKING:
    from bfrbench.contracts import U8Image
    from bfrbench.faces.paste import Mask
    from bfrbench.weights import WeightStore

PARSERS = {
    # name: classes that are no part of the face (CelebAMask-HQ, in each network's own order)
    "parsenet": (0, 14, 18),  # background, hat, cloth
    "bisenet": (0, 16, 18),  # background, cloth, hat
}
_SIDE = 512
_FEATHER = 1 / 48


class FaceParser:
    """Sees an aligned face, gives the soft mask of what belongs to it."""

    def __init__(self, name: str, path: Path, device: str = "cpu") -> None:
        self.name, self.device = name, device
        self._network: Any = fill(_empty(name), path, device=device)

    def __call__(self, face: U8Image) -> Mask:
        """The mask is never wider than `soft_mask`, so that it too ends before the border of the crop."""
        import cv2
        import torch

        side = face.shape[0]
        image = cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
        pixels = torch.from_numpy(image).to(self.device).permute(2, 0, 1)[None].float().sub(127.5).div(127.5)
        with torch.inference_mode():
            classes = self._network(_normalised(self.name, pixels))[0].argmax(dim=1)[0].cpu().numpy()
        belongs = (~np.isin(classes, PARSERS[self.name])).astype(np.float32)
        soft = cv2.GaussianBlur(belongs, (0, 0), _FEATHER * _SIDE)
        mask: Mask = np.minimum(cv2.resize(soft, (side, side), interpolation=cv2.INTER_LINEAR), soft_mask(side))
        return mask


def load_parser(name: str = "parsenet", store: WeightStore | None = None, device: str = "cpu") -> FaceParser:
    """A parser ready to draw masks."""
    if name not in PARSERS:
        raise UnknownName("face parser", name, PARSERS)
    return FaceParser(name, store_or_default(store).path(name), device)


def _empty(name: str) -> Any:
    if name == "parsenet":
        from facexlib.parsing.parsenet import ParseNet

        return ParseNet(in_size=_SIDE, out_size=_SIDE, parsing_ch=19)
    from facexlib.parsing.bisenet import BiSeNet

    return BiSeNet(num_class=19)


def _normalised(name: str, pixels: Any) -> Any:
    """ParseNet takes [-1, 1]; BiSeNet ImageNet's mean and deviation."""
    if name == "parsenet":
        return pixels
    mean = pixels.new_tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
    deviation = pixels.new_tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
    return (pixels.add(1).div(2) - mean) / deviation
