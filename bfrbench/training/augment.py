"""Augmentations between images and discriminator, for small sets: ADA's, with its adaptive strength, and DiffAugment's.

Both are differentiable and treat every image of a batch by its own draw.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bfrbench.nn.layers import full_precision
from bfrbench.training.config import Augmentation

TARGET = 0.6
"""ADA's target for the mean sign of D(real): more is overfitting."""
SPEED = 500_000
"""Images in which ADA's strength may go from 0 to 1."""
LIMIT = 0.8
"""Above about this strength, augmentations leak into what the generator makes."""


class Augment:
    """`augment(images)`; `adapt` moves ADA's strength."""

    def __init__(self, kind: Augmentation, strength: float = 0.0) -> None:
        self.kind, self.strength = kind, strength

    def __call__(self, images: Tensor) -> Tensor:
        if self.kind == "none" or (self.kind == "ada" and not self.strength):
            return images
        with full_precision(images):  # places in half precision are off by half a pixel
            images = images.float()
            if self.kind == "diffaugment":
                return _cutout(_shift(_jitter(images)))
            return _colours(_geometry(images, self.strength), self.strength)

    def adapt(self, mean_sign: float, batch: int) -> None:
        """One step towards the target, after a batch whose real logits had this mean sign."""
        if self.kind == "ada":
            step = math.copysign(batch / SPEED, mean_sign - TARGET)
            self.strength = min(LIMIT, max(0.0, self.strength + step))


def _happens(images: Tensor, chance: float) -> Tensor:
    """For each image, 1 with this chance, else 0 (N)."""
    return (torch.rand(len(images), device=images.device) < chance).float()


def _uniform(images: Tensor, low: float, high: float) -> Tensor:
    return torch.rand(len(images), device=images.device) * (high - low) + low


def _geometry(images: Tensor, p: float) -> Tensor:
    """Mirror, quarter turns, shift by whole pixels' share, scale, turn, stretch, as one resampling."""
    n, device = len(images), images.device
    matrix = torch.eye(3, device=device).repeat(n, 1, 1)
    mirror = 1 - 2 * _happens(images, p) * _happens(images, 0.5)
    matrix = matrix @ _scaling(mirror, torch.ones_like(mirror))
    quarter = _happens(images, p) * torch.randint(0, 4, (n,), device=device)
    matrix = matrix @ _turning(quarter * (math.pi / 2))
    move = _happens(images, p)
    matrix = matrix @ _moving(move * _uniform(images, -0.25, 0.25), move * _uniform(images, -0.25, 0.25))
    scale = torch.exp2(_happens(images, p) * torch.randn(n, device=device) * 0.2)
    matrix = matrix @ _scaling(scale, scale)
    half = 1 - math.sqrt(1 - p)  # so that a turn before or after stretching happens with chance p
    matrix = matrix @ _turning(_happens(images, half) * _uniform(images, -math.pi, math.pi))
    stretch = torch.exp2(_happens(images, p) * torch.randn(n, device=device) * 0.2)
    matrix = matrix @ _scaling(stretch, 1 / stretch)
    matrix = matrix @ _turning(_happens(images, half) * _uniform(images, -math.pi, math.pi))
    fraction = _happens(images, p)
    shift = torch.randn(2, n, device=device) * 0.25
    matrix = matrix @ _moving(fraction * shift[0], fraction * shift[1])
    grid = F.affine_grid(matrix[:, :2].to(images.dtype), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack((x, y, torch.ones_like(x)), dim=1))


def _turning(angle: Tensor) -> Tensor:
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack((c, -s, zero, s, c, zero, zero, zero, one), dim=1).view(-1, 3, 3)


def _moving(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack((one, zero, x, zero, one, y, zero, zero, one), dim=1).view(-1, 3, 3)


def _colours(images: Tensor, p: float) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation as one affine map of RGB around the luma axis."""
    n, device = len(images), images.device
    axis = torch.full((3,), 1 / math.sqrt(3), device=device)
    luma = torch.outer(axis, axis)
    eye = torch.eye(3, device=device)
    brightness = _happens(images, p) * torch.randn(n, device=device) * 0.2
    contrast = torch.exp2(_happens(images, p) * torch.randn(n, device=device) * 0.5)
    flip = _happens(images, p) * _happens(images, 0.5)
    hue = _happens(images, p) * _uniform(images, -math.pi, math.pi)
    saturation = torch.exp2(_happens(images, p) * torch.randn(n, device=device))
    matrix = contrast.view(-1, 1, 1) * (eye - 2 * flip.view(-1, 1, 1) * luma)
    matrix = _about_luma(hue, axis, luma, eye) @ matrix
    matrix = (luma + saturation.view(-1, 1, 1) * (eye - luma)) @ matrix
    moved = torch.einsum("nij,njhw->nihw", matrix.to(images.dtype), images)
    return moved + brightness.view(-1, 1, 1, 1).to(images.dtype)


def _about_luma(angle: Tensor, axis: Tensor, luma: Tensor, eye: Tensor) -> Tensor:
    """Rodrigues' rotation about the grey axis."""
    x, y, z = axis
    zero = torch.zeros((), device=axis.device)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero)).view(3, 3)
    c, s = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    return c * eye + s * cross + (1 - c) * luma


def _jitter(images: Tensor) -> Tensor:
    """DiffAugment's colour: brightness ±0.5, saturation 0–2, contrast 0.5–1.5."""
    images = images + _uniform(images, -0.5, 0.5).view(-1, 1, 1, 1)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * _uniform(images, 0, 2).view(-1, 1, 1, 1) + grey
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - middle) * _uniform(images, 0.5, 1.5).view(-1, 1, 1, 1) + middle


def _shift(images: Tensor) -> Tensor:
    """DiffAugment's translation: up to an eighth of the side, black beyond the border."""
    side = images.shape[-1]
    x, y = ((_uniform(images, -side / 8, side / 8).round() * 2 / side) for _ in range(2))
    grid = F.affine_grid(_moving(x, y)[:, :2].to(images.dtype), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def _cutout(images: Tensor) -> Tensor:
    """DiffAugment's cutout: a square of half the side is blacked out."""
    side = images.shape[-1]
    ticks = torch.arange(side, device=images.device)
    inside = [((ticks - (_uniform(images, 0, side).floor()).view(-1, 1)).abs() < side / 4) for _ in range(2)]
    hole = inside[0].unsqueeze(2) & inside[1].unsqueeze(1)
    return images * (~hole).unsqueeze(1).to(images.dtype)
