"""Each loss against its formula written out, or against autograd done the long way."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bfrbench.training import losses


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_logistic_losses_are_binary_cross_entropy() -> None:
    real, fake = torch.randn(6, 1), torch.randn(6, 1)
    wanted = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    wanted = wanted + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    assert torch.allclose(losses.discriminator_logistic(real, fake), wanted)
    fooled = F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
    assert torch.allclose(losses.generator_logistic(fake), fooled)


def test_r1_of_a_linear_judge_is_its_squared_weight() -> None:
    weight = torch.randn(3 * 4 * 4, dtype=torch.float64, requires_grad=True)
    penalty = losses.r1(lambda images: images.flatten(1) @ weight, torch.randn(5, 3, 4, 4, dtype=torch.float64))
    assert torch.allclose(penalty, weight.square().sum())
    (gradient,) = torch.autograd.grad(penalty, weight)
    assert torch.allclose(gradient, 2 * weight)


def test_r1_is_the_mean_squared_gradient_sample_by_sample() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 1)).double()
    images = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    alone = []
    for image in images:
        image = image[None].clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(network(image).sum(), image)
        alone.append(gradient.square().sum())
    assert torch.allclose(losses.r1(network, images), torch.stack(alone).mean())


def test_path_lengths_of_a_linear_generator_have_the_norm_of_its_matrix() -> None:
    """For image = A·w, the expected squared length is the squared Frobenius norm of A over layers and pixels."""
    matrix = torch.randn(3 * 4 * 4, 6, dtype=torch.float64)
    ws = torch.randn(20_000, 1, 6, dtype=torch.float64, requires_grad=True)
    images = (ws[:, 0] @ matrix.T).view(-1, 3, 4, 4)
    lengths = losses.path_lengths(images, ws)
    assert math.isclose(float(lengths.square().mean()), float(matrix.square().sum()) / 16, rel_tol=0.02)


def test_the_path_mean_follows_and_is_no_part_of_the_gradient() -> None:
    lengths = torch.tensor([1.0, 3.0], requires_grad=True)
    penalty = losses.path_penalty(lengths, torch.tensor(0.0), decay=0.5)  # the mean is moved to 1
    (gradient,) = torch.autograd.grad(penalty, lengths)
    assert torch.allclose(gradient, torch.tensor([0.0, 2.0]))


def test_feature_matching_is_zero_for_equal_features_and_does_not_teach_the_real_side() -> None:
    real = [torch.randn(2, 4, 5, 5, requires_grad=True), torch.randn(2, 8, 3, 3, requires_grad=True)]
    assert float(losses.feature_matching(real, real)) < 1e-5
    fake = [layer.detach().add(2.0).requires_grad_(True) for layer in real]
    loss = losses.feature_matching(real, fake)
    assert math.isclose(float(loss), 4.0, rel_tol=1e-5)
    loss.backward()
    assert real[0].grad is None and fake[0].grad is not None


def test_layers_that_do_not_pair_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 layers of features beside 2"):
        losses.feature_matching([torch.zeros(1, 1, 1, 1)], [torch.zeros(1, 1, 1, 1)] * 2)


def test_gram_is_the_scaled_product_of_channels() -> None:
    features = torch.randn(2, 3, 4, 5)
    wanted = torch.einsum("nchw,ndhw->ncd", features, features) / (3 * 4 * 5)
    assert torch.allclose(losses.gram(features), wanted, atol=1e-6)


def test_perceptual_and_style_weigh_layers() -> None:
    real, fake = [torch.zeros(1, 2, 2, 2)] * 2, [torch.ones(1, 2, 2, 2), torch.full((1, 2, 2, 2), 3.0)]
    assert float(losses.perceptual(real, fake, [1.0, 0.5])) == 2.5
    assert float(losses.style(real, fake, [1.0, 0.5])) == 0.5 + 0.5 * 4.5
    with pytest.raises(ValueError, match="1 weights for 2 layers"):
        losses.perceptual(real, fake, [1.0])


def test_identity_is_one_minus_the_cosine() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    assert math.isclose(float(losses.identity(a, b)), 1 - math.sqrt(0.5), rel_tol=1e-6)


def test_crops_cut_what_slicing_cuts() -> None:
    images = torch.rand(2, 3, 16, 16)
    boxes = torch.tensor([[2.0, 4.0, 10.0, 12.0], [0.0, 0.0, 8.0, 8.0]])
    out = losses.crops(images, boxes, 8)
    assert torch.allclose(out[0], images[0, :, 4:12, 2:10], atol=1e-5)
    assert torch.allclose(out[1], images[1, :, 0:8, 0:8], atol=1e-5)


def test_gram_matrices_hold_their_sums_in_half_precision() -> None:
    features = torch.ones(1, 2, 256, 256, dtype=torch.float16)
    with torch.autocast("cpu", torch.float16):
        assert torch.allclose(losses.gram(features), torch.full((1, 2, 2), 0.5))
