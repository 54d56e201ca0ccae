"""Each network: shape, gradients, counts; and what the input check says."""

import pytest
import torch
from torch import nn

from imgrec_lab import models

NETWORKS = [models.Linear, models.MLP, models.TinyCNN, models.QuickCNN, models.ResNet]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_forward_gives_finite_logits_and_every_weight_a_gradient(network, in_channels):
    torch.manual_seed(0)
    model = network(5, in_channels=in_channels)
    logits = model(torch.rand(4, in_channels, 32, 32))
    assert logits.shape == (4, 5)
    logits.square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad.isfinite().all() and weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize("network", [models.TinyCNN, models.QuickCNN, models.ResNet])
def test_convolutional_networks_take_any_height_and_width(network):
    assert network(3)(torch.rand(2, 3, 24, 40)).shape == (2, 3)


@pytest.mark.parametrize("network", [models.Linear, models.MLP])
def test_fully_connected_networks_are_built_for_one_size(network):
    assert network(3, image_size=(8, 12))(torch.rand(2, 3, 8, 12)).shape == (2, 3)


def test_normalize_by_hand():
    normalize = models.Normalize([0.5, 0.0], [0.25, 2.0])
    image = torch.tensor([[[[1.0]], [[1.0]]]])
    assert normalize(image).flatten().tolist() == [2.0, 0.5]


def test_a_saved_model_carries_its_statistics():
    model = nn.Sequential(models.Normalize([0.1], [0.2]))
    assert set(model.state_dict()) == {"0.mean", "0.std"}


def test_a_residual_block_with_silent_convolutions_passes_its_input_through():
    block = models.ResidualBlock(4, 4).eval()
    nn.init.zeros_(block.conv2[1].weight)
    x = torch.rand(2, 4, 8, 8)
    assert torch.equal(block(x), x)


def test_parameters_and_flops_by_hand():
    model = models.Linear(10, image_size=(4, 4), in_channels=3)
    assert models.count_parameters(model) == 48 * 10 + 10
    assert models.count_flops(model, (4, 4)) == 2 * 48 * 10
    assert model.training  # counting leaves the model as it was
    first_layer = 2 * 3 * 16 * 9 * 32 * 32
    second = 2 * 16 * 32 * 9 * 16 * 16
    third = 2 * 32 * 64 * 9 * 8 * 8
    assert models.count_flops(models.TinyCNN(10)) == first_layer + second + third + 2 * 64 * 10


def test_bytes_where_floats_are_expected():
    with pytest.raises(TypeError, match=r"floating point in \[0, 1\]; got torch.uint8. Try images"):
        models.TinyCNN(3)(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 32, 32, 3)])
def test_wrong_shape_or_channels(shape):
    with pytest.raises(ValueError, match=r"must have shape \(N, 3, H, W\); got"):
        models.TinyCNN(3)(torch.rand(shape))


@pytest.mark.parametrize(("mean", "std"), [([0.5], [0.1, 0.2]), ([0.5], [0.0]), ([], [])])
def test_normalize_refuses_statistics_that_cannot_work(mean, std):
    with pytest.raises(ValueError, match="one entry a channel, and every std must be above 0"):
        models.Normalize(mean, std)
