"""Schedules, clipping, averages, early stopping and the range test, against hand-made values."""

import math
import time

import pytest
import torch
from torch import nn

from imgrec_lab import datasets, models, train
from imgrec_lab.train import learning_rates


def rates(schedule_of, steps: int = 8, lr: float = 0.5) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = schedule_of(optimizer, steps=steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_cosine_and_constant_by_hand():
    assert rates(train.constant) == [0.5] * 8
    by_hand = [0.25 + 0.25 * math.cos(math.pi * step / 8) for step in range(8)]
    assert rates(train.cosine) == pytest.approx(by_hand)
    torchs = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(torchs, 8)
    for rate in rates(train.cosine):
        assert rate == pytest.approx(torchs.param_groups[0]["lr"])
        torchs.step()
        reference.step()


def test_clipping_shortens_only_long_gradients():
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))]
    optimizer = train.clip_gradients(torch.optim.SGD(weights, lr=1.0), max_norm=1.0)
    for length in (10.0, 0.5):
        for weight in weights:
            weight.grad = torch.tensor([length, 0.0])
        before = torch.cat([weight.detach().clone() for weight in weights])
        optimizer.step()
        moved = (before - torch.cat(weights)).norm().item()
        assert moved == pytest.approx(min(1.0, length * math.sqrt(2)), rel=1e-4)
    with pytest.raises(ValueError, match="max_norm must be above 0; got 0"):
        train.clip_gradients(optimizer, max_norm=0)


def test_the_average_follows_the_steps_slowly():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = train.average_of_steps(model, decay=0.9)
    seen = []
    for value in (1.0, 2.0, 3.0):
        model.weight.data.fill_(value)
        average.update_parameters(model)
        seen.append(average.module.weight.item())
    assert seen == pytest.approx([1.0, 1.1, 1.29])  # the first step is taken as it is
    with pytest.raises(ValueError, match="ema_decay must lie above 0 and below 1; got 1"):
        train.average_of_steps(model, decay=1.0)


def test_the_range_test_finds_a_rate_that_trains_and_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(2, (256,), generator=generator)
    images = 0.8 * torch.rand(256, 3, 16, 16, generator=generator)
    images[torch.arange(256), 2 * labels] += 0.2
    loader = list(zip(images.split(32), labels.split(32), strict=True))
    torch.manual_seed(0)
    model = models.TinyCNN(2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = train.lr_range_test(model, loader, lowest=1e-6, highest=50.0, steps=60)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert len(found.lrs) == len(found.losses) and list(found.lrs) == sorted(found.lrs)
    assert found.losses[0] > 1.5 * min(found.losses)
    history = train.fit(model, loader, epochs=3, lr=found.suggestion)
    assert history.epochs[-1].train_accuracy > 0.9
    with pytest.raises(ValueError, match="steps at least 10; got 1e-05, 1.0 and 3"):
        train.lr_range_test(model, loader, steps=3)
    with pytest.raises(ValueError, match="at least one batch; got none"):
        train.lr_range_test(model, [])


def test_the_range_test_leaves_the_loader_where_it_was():
    images = torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8)
    data = datasets.ImageSet(images, torch.arange(40) % 2, ("a", "b"))
    loader = datasets.make_loader(data, batch_size=8, shuffle=True, device="cpu")
    loader.epoch = 3
    train.lr_range_test(models.TinyCNN(2), loader, steps=12)
    assert loader.epoch == 3


def test_early_stopping_counts_epochs_without_a_better_one():
    from imgrec_lab.history import History, Score

    stop, history, answers = train.stop_early(patience=2), History(), []
    for accuracy in (0.5, 0.7, 0.6, 0.7, 0.8, 0.8, 0.8):
        history = history.add(Score(1.0, 0.5, 9), Score(1.0, accuracy, 9), seconds=1.0)
        answers.append(stop(history))
    assert answers == [False, False, False, True, False, False, True]
    with pytest.raises(ValueError, match="patience must be at least 1 epoch; got 0"):
        learning_rates.stop_early(patience=0)


def test_rates_of_a_schedule_are_its_own():
    assert train.rates_of(train.constant, steps=3) == [1, 1, 1]
    falling = train.rates_of(train.cosine, steps=4)
    assert falling == pytest.approx([1, 0.8536, 0.5, 0.1464], abs=1e-4)
    cycle = train.rates_of(train.one_cycle, steps=8)
    assert max(cycle) == cycle[1] == 1 and cycle[0] == 0.5 and 0 < cycle[-1] < 0.1


def test_stopwatch_counts_the_waiting_and_nothing_else():
    class Slow:
        def __len__(self):
            return 2

        def __iter__(self):
            for number in range(2):
                time.sleep(0.05)
                yield number

    watch, start = train.Stopwatch(Slow()), time.perf_counter()
    for number, batch in enumerate(watch):
        assert batch == number
        time.sleep(0.1)
    assert len(watch) == 2 and 0.1 <= watch.seconds <= time.perf_counter() - start - 0.2
    list(watch)
    assert watch.seconds >= 0.2
