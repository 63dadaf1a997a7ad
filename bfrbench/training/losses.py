"""Losses as small functions. Each returns a scalar, mean over the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bfrbench.nn.layers import full_precision


def generator_logistic(fake_logits: Tensor) -> Tensor:
    """Non-saturating: softplus(−D(fake))."""
    return F.softplus(-fake_logits).mean()


def discriminator_logistic(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """softplus(−D(real)) + softplus(D(fake))."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1(judge: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Mean squared norm of the discriminator's gradient at real images (weigh it by γ/2)."""
    real = real.detach().requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(judge(real).sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def path_lengths(images: Tensor, ws: Tensor) -> Tensor:
    """For each sample, the length of the Jacobian of its image along w, seen by one random image direction.

    `ws` is N×layers×D and must require gradients; the direction is scaled so that its expected norm does not
    depend on the image's size.
    """
    direction = torch.randn_like(images) / (images.shape[-2] * images.shape[-1]) ** 0.5
    (gradient,) = torch.autograd.grad((images * direction).sum(), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_mean(mean: Tensor, length: Tensor | float, decay: float = 0.01) -> Tensor:
    """The running mean, moved towards a length."""
    return mean + decay * (length - mean)


def path_penalty(lengths: Tensor, mean: Tensor, decay: float = 0.01) -> Tensor:
    """Squared distance of path lengths to their running mean, moved towards them."""
    moved = path_mean(mean, lengths.mean().detach(), decay)
    return (lengths - moved).square().mean()


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """GPEN's: the sum over the discriminator's layers of the root mean squared distance of their features.

    The paper writes an L2 norm without saying how it scales with a layer's size; the root mean square keeps every
    layer's share alike.
    """
    parts = [(a.detach() - b).square().mean(dim=(1, 2, 3)).add(1e-12).sqrt().mean() for a, b in _paired(real, fake)]
    return torch.stack(parts).sum()


def perceptual(real: Sequence[Tensor], fake: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Weighted L1 between features of a trunk, layer by layer."""
    if len(weights) != len(real):
        raise ValueError(f"{len(weights)} weights for {len(real)} layers")
    parts = [(a.detach() - b).abs().mean() for a, b in _paired(real, fake)]
    return torch.stack([weight * part for weight, part in zip(weights, parts, strict=True)]).sum()


def style(real: Sequence[Tensor], fake: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The same between Gram matrices, as GFPGAN's released code adds it."""
    return perceptual([gram(features) for features in real], [gram(features) for features in fake], weights)


def gram(features: Tensor) -> Tensor:
    """Channel correlations N×C×C, divided by C·H·W; in float32, whose range the sums need."""
    with full_precision(features):
        flat = features.flatten(2).float()
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def identity(real: Tensor, fake: Tensor) -> Tensor:
    """1 − cosine of recognition embeddings."""
    return (1 - F.cosine_similarity(real.detach(), fake, dim=1)).mean()


def crops(images: Tensor, boxes: Tensor, side: int) -> Tensor:
    """One box a sample (x0, y0, x1, y1 in pixels, N×4) cut out and brought to side×side: eyes and mouth for
    GFPGAN's facial components. Differentiable in the images."""
    height, width = images.shape[-2:]
    steps = (torch.arange(side, device=images.device, dtype=images.dtype) + 0.5) / side
    x = boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * steps
    y = boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * steps
    across = (2 * x / width - 1).unsqueeze(1).expand(-1, side, -1)
    down = (2 * y / height - 1).unsqueeze(2).expand(-1, -1, side)
    grid = torch.stack((across, down), dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _paired(real: Sequence[Tensor], fake: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    if len(real) != len(fake):
        raise ValueError(f"{len(real)} layers of features beside {len(fake)}")
    return list(zip(real, fake, strict=True))
