"""Feature maps: equal to running the layers by hand, and nothing of the model is changed."""

import pytest
import torch
from torch import nn

from imgrec_lab import explain, models


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3, stride=2)
    )


def test_maps_equal_the_layers_run_by_hand():
    model, images = small_net().eval(), torch.rand(2, 3, 9, 9)
    maps = explain.feature_maps(model, images)
    assert list(maps) == ["0", "3"]
    torch.testing.assert_close(maps["0"], model[0](images).detach())
    torch.testing.assert_close(maps["3"], model(images).detach())


def test_named_layers_only():
    maps = explain.feature_maps(small_net(), torch.rand(1, 3, 9, 9), layers=["2"])
    assert list(maps) == ["2"]
    assert maps["2"].min() >= 0  # after the ReLU


def test_model_is_left_as_it_was():
    model = small_net().train()
    model[1].eval()  # a frozen layer stays frozen
    mean = model[1].running_mean.clone()
    explain.feature_maps(model, torch.rand(1, 3, 9, 9))
    assert [module.training for module in model] == [True, False, True, True]
    assert torch.equal(model[1].running_mean, mean)
    assert not any(module._forward_hooks for module in model)


def test_hooks_are_removed_when_the_model_raises():
    model = small_net()
    with pytest.raises(RuntimeError):
        explain.feature_maps(model, torch.rand(1, 5, 9, 9))
    assert not any(module._forward_hooks for module in model)


def test_convolutions_of_the_course_networks_are_found():
    maps = explain.feature_maps(models.TinyCNN(10), torch.rand(1, 3, 32, 32))
    assert [tuple(value.shape[1:]) for value in maps.values()] == [
        (16, 32, 32), (32, 16, 16), (64, 8, 8)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "layers", "message"),
    [
        (nn.Sequential(nn.Flatten()), None, "by default its nn.Conv2d"),
        (nn.Sequential(nn.Conv2d(3, 1, 1)), ["conv9"], "got ['conv9']. It has: 0."),
    ],
)
def test_missing_layers_are_refused_in_words(model, layers, message):
    with pytest.raises(ValueError) as error:
        explain.feature_maps(model, torch.rand(1, 3, 4, 4), layers=layers)
    assert message in str(error.value)
