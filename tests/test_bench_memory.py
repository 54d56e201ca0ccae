"""Memory of a training step: rehearsed without numbers, and measured."""

import os

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imgrec_lab import bench, models

MIB = 2**20


def rehearsed(build, batch: int = 4, side: int = 32, **choices) -> bench.MemoryUse:
    images = torch.empty(batch, 3, side, side, device="meta")
    return bench.memory_profile(build, images, torch.zeros(batch, dtype=torch.int64), **choices)


def one_layer() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1000))


def test_one_layer_by_hand():
    use = rehearsed(one_layer, batch=1)
    weights = (3 * 32 * 32 * 1000 + 1000) * 4 / MIB
    assert use.parameters_mib == pytest.approx(weights)
    assert use.optimizer_mib == pytest.approx(2 * weights + 2 * 4 / MIB)  # and two step counters
    assert use.gradients_mib == pytest.approx(weights)  # the optimizer's step is the fullest moment
    assert use.batch_mib == pytest.approx((3 * 32 * 32 * 4 + 8) / MIB)
    # The rest are two numbers for each weight of the larger tensor, on their way to its update.
    assert use.activations_mib == pytest.approx(2 * 3 * 32 * 32 * 1000 * 4 / MIB)
    named = use.parameters_mib + use.optimizer_mib + use.gradients_mib + use.batch_mib
    assert use.peak_mib == pytest.approx(named + use.activations_mib)


def test_plain_sgd_keeps_nothing_and_momentum_one_number_a_weight():
    plain = rehearsed(one_layer, optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1))
    moving = rehearsed(
        one_layer, optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9)
    )
    assert plain.optimizer_mib == 0
    assert moving.optimizer_mib == pytest.approx(moving.parameters_mib)


def test_activations_grow_with_the_batch_and_nothing_else_does():
    small, large = (rehearsed(lambda: models.TinyCNN(14), batch=batch) for batch in (64, 128))
    assert large.activations_mib == pytest.approx(2 * small.activations_mib, rel=0.02)
    assert large.parameters_mib == small.parameters_mib
    assert large.optimizer_mib == small.optimizer_mib


def test_a_network_larger_than_any_memory_is_rehearsed():
    use = rehearsed(lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 200_000_000)), batch=1)
    assert use.parameters_mib > 2_000_000  # 2 TiB


@pytest.mark.parametrize("build", [lambda: models.TinyCNN(14), lambda: models.ResNet(14)])
@pytest.mark.parametrize("batch", [8, 32])
def test_a_rehearsal_tells_what_is_then_measured(build, batch):
    layout = torch.channels_last
    model = build().train().to(memory_format=layout)
    images = torch.rand(batch, 3, 32, 32).to(memory_format=layout)
    labels = torch.zeros(batch, dtype=torch.int64)
    optimizer = torch.optim.AdamW(model.parameters())

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    step()
    optimizer.zero_grad()
    use = rehearsed(build, batch=batch)
    measured = use.before_mib + bench.measure_memory(step, torch.device("cpu"))
    assert use.peak_mib == pytest.approx(measured, rel=0.13)


def test_measured_memory_is_the_fullest_moment_not_the_end():
    def step():
        first = torch.zeros(MIB // 4)  # 1 MiB
        second = first + 1
        del first
        return second.sum()

    assert bench.measure_memory(step, torch.device("cpu")) == pytest.approx(2, abs=0.01)


def test_measuring_says_nothing_and_what_the_step_says_arrives(capfd):
    bench.measure_memory(lambda: os.write(2, b"from the step\n"), "cpu")
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "from the step\nstill here\n"


def test_an_error_of_the_step_comes_through_and_stderr_is_given_back(capfd):
    with pytest.raises(ZeroDivisionError):
        bench.measure_memory(lambda: 1 / 0, torch.device("cpu"))
    os.write(2, b"still here\n")
    assert capfd.readouterr().err.endswith("still here\n")


def test_a_device_that_cannot_tell_is_refused():
    with pytest.raises(ValueError, match="a CUDA GPU or the CPU, which can tell; got mps"):
        bench.measure_memory(lambda: None, torch.device("mps"))


def test_a_model_that_asks_for_numbers_is_refused():
    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3 * 32 * 32, 10)

        def forward(self, images):
            logits = self.layer(images.flatten(1))
            return logits * 2 if logits.sum().item() > 0 else logits

    with pytest.raises(ValueError, match=r"without numbers; they failed with: .*item"):
        rehearsed(Asks)


@pytest.mark.parametrize(
    ("build", "images", "sentence"),
    [
        (models.TinyCNN(14), torch.zeros(1, 3, 32, 32), "build must be a function that makes the"),
        (one_layer, torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "floating-point.*torch.uint8"),
        (one_layer, [1.0], "floating-point.*got list"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused(build, images, sentence):
    with pytest.raises(TypeError, match=sentence):
        bench.memory_profile(build, images, torch.zeros(1, dtype=torch.int64))


def test_pictures_of_another_size_are_named_as_the_reason():
    with pytest.raises(ValueError, match="run on images of this shape.*768"):
        rehearsed(one_layer, side=16)


def test_tied_weights_count_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(3072, 3072, bias=False)
            self.two = nn.Linear(3072, 3072, bias=False)
            self.two.weight = self.one.weight

        def forward(self, images):
            return self.two(self.one(images.flatten(1)))

    assert rehearsed(Tied).parameters_mib == pytest.approx(3072 * 3072 * 4 / MIB)


def test_an_optimizer_that_takes_all_weights_at_once_needs_more():
    def deep():
        return nn.Sequential(nn.Flatten(), *(nn.Linear(3072, 3072) for _ in range(4)))

    at_once = rehearsed(deep, optimizer=lambda weights: torch.optim.AdamW(weights, foreach=True))
    assert at_once.peak_mib > rehearsed(deep).peak_mib + 30


def test_what_the_step_itself_writes_is_kept_and_the_profilers_log_is_not(capfd):
    earlier = [torch.rand(1000)]  # its release is what the log tells of

    def step():
        earlier.clear()
        os.write(2, b"from the step\n")

    bench.measure_memory(step, "cpu")
    assert capfd.readouterr().err == "from the step\n"
