"""The exercises of lesson 09: answers of learners, right and wrong; the solutions themselves.

``test_exercises`` puts RIGHT and WRONG to the checks, as it does for the other lessons.
"""

import math
import statistics
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imgrec_lab import exercises, train
from imgrec_lab.exercises import hardware, timing_exercises

# --- right answers, written differently --------------------------------------------------------


def honest_ms_in_numpy(run, wait, clock, repeats):
    wait()
    run()
    times = np.empty(repeats)
    for i in range(repeats):
        wait()
        start = clock()
        run()
        wait()
        times[i] = clock() - start
    return np.median(1e3 * times)


def honest_ms_by_readings(run, wait, clock, repeats):
    readings = []
    for _ in range(repeats + 1):
        run()
        wait()
        readings.append(clock())
    return torch.tensor(readings, dtype=torch.float64).mul(1000).diff().quantile(0.5)


def honest_ms_first_left_out(run, wait, clock, repeats):
    times = []
    for _ in range(repeats + 1):
        start = clock()
        run()
        wait()
        times.append(clock() - start)
    return statistics.median(times[1:]) * 1000


def accumulate_by_shares(model, optimizer, batches):
    num_images = sum(images.shape[0] for images, _ in batches)
    optimizer.zero_grad(set_to_none=False)
    total = 0.0
    for images, labels in batches:
        loss = nn.CrossEntropyLoss()(model(images), labels) * len(images) / num_images
        loss.backward()
        total += loss.item()
    optimizer.step()
    optimizer.zero_grad()
    return total


def accumulate_divided_afterwards(model, optimizer, batches):
    model.zero_grad()
    num_images = 0
    for images, labels in batches:
        F.cross_entropy(model(images), labels, reduction="sum").backward()
        num_images += len(labels)
    for weight in model.parameters():
        weight.grad /= num_images
    optimizer.step()


def accumulate_by_autograd(model, optimizer, batches):
    weights, num_images = list(model.parameters()), sum(len(labels) for _, labels in batches)
    totals = [torch.zeros_like(weight) for weight in weights]
    for images, labels in batches:
        loss = F.cross_entropy(model(images), labels, reduction="sum")
        for total, gradient in zip(totals, torch.autograd.grad(loss, weights), strict=True):
            total += gradient / num_images
    for weight, total in zip(weights, totals, strict=True):
        weight.grad = total
    optimizer.step()


def accumulate_one_by_one(model, optimizer, batches):
    num_images = sum(len(labels) for _, labels in batches)
    optimizer.zero_grad()
    for images, labels in batches:
        for image, label in zip(images.split(1), labels.split(1), strict=True):
            (F.cross_entropy(model(image), label) / num_images).backward()
    optimizer.step()


def accumulate_after_a_look(model, optimizer, batches):
    with torch.no_grad():
        for images, _ in batches:
            model(images)
    accumulate_by_shares(model, optimizer, batches)


def _ring_by_rounds(num_gpus, gradient_bytes, link_gb_s):
    total = 0
    for _ in range(2):
        for _ in range(num_gpus - 1):
            total += gradient_bytes / num_gpus / link_gb_s / 1e6
    return total


RIGHT = {
    "honest_ms": [honest_ms_in_numpy, honest_ms_by_readings, honest_ms_first_left_out],
    "attainable_gflops": [
        lambda flops, size, peak, width: torch.tensor([peak, flops / size * width]).min(),
        lambda flops, size, peak, width: np.minimum(peak, width * flops / size),
        lambda flops, size, peak, width: flops / max(flops / peak, size / width),
        lambda flops, size, peak, width: (
            peak if flops / size > peak / width else width * flops / size
        ),
    ],
    "accumulate": [
        accumulate_by_shares,
        accumulate_divided_afterwards,
        accumulate_by_autograd,
        accumulate_one_by_one,
        accumulate_after_a_look,
    ],
    "training_gib": [
        lambda w, a, n: (4 * w + 4 * w + 8 * w + 4 * a * n) / 1024**3,
        lambda w, a, n: np.array([w, w, 2 * w, a * n]).sum() * np.float32().itemsize / (1 << 30),
        lambda w, a, n: torch.tensor(16.0 * w + 4.0 * a * n) / 2**30,
    ],
    "project_speedup": [
        lambda hours, factors: statistics.harmonic_mean(factors, weights=hours),
        lambda hours, factors: sum(hours) / (np.array(hours) / factors).sum(),
        lambda hours, factors: 1 / (torch.tensor(hours) / sum(hours) / torch.tensor(factors)).sum(),
    ],
    "all_reduce_ms": [
        _ring_by_rounds,
        lambda n, size, speed: np.float64(2 - 2 / n) * size / (speed * 1e6),
        lambda n, size, speed: 0 if n == 1 else torch.tensor(2e-6 * (n - 1) * size / n / speed),
    ],
}


# --- wrong answers, and words that the reply must hold ------------------------------------------


def _timed(before=(), inside=("run", "wait"), after=(), *, reduce=statistics.median, scale=1000):
    """A learner's answer that does these things before the loop and in it."""

    def answer(run, wait, clock, repeats):
        do, times = {"run": run, "wait": wait}, []
        for name in before:
            do[name]()
        for _ in range(repeats):
            start = clock()
            for name in inside:
                do[name]()
            times.append(clock() - start)
            for name in after:
                do[name]()
        return reduce([scale * t for t in times])

    return answer


def _block(run, wait, clock, repeats):
    run()
    wait()
    start = clock()
    for _ in range(repeats):
        run()
    wait()
    return (clock() - start) / repeats * 1e3


def _own_clock(run, wait, clock, repeats):
    start = time.perf_counter()
    run()
    wait()
    return 1000 * (time.perf_counter() - start)


def _clock_after_run(run, wait, clock, repeats):
    run()
    wait()
    times = []
    for _ in range(repeats):
        run()
        start = clock()
        wait()
        times.append(clock() - start)
    return 1000 * float(np.median(times))


def _never_restarted(run, wait, clock, repeats):
    run()
    wait()
    start, times = clock(), []
    for _ in range(repeats):
        run()
        wait()
        times.append((clock() - start) * 1000)
    return float(np.median(times))


def _not_subtracted(run, wait, clock, repeats):
    run()
    wait()
    times = []
    for _ in range(repeats):
        run()
        wait()
        times.append(clock() * 1000)
    return float(np.median(times))


def _all_in_the_median(run, wait, clock, repeats):
    return _timed()(run, wait, clock, repeats + 1)


def _one_only(run, wait, clock, repeats):
    return _timed(WARM)(run, wait, clock, 1)


WARM = ("run", "wait")


def _accumulated(loss_of, *, zero="before", step="after"):
    """A learner's loop with zero_grad and step in these places."""

    def answer(model, optimizer, batches):
        count = sum(len(labels) for _, labels in batches)
        if zero == "before":
            optimizer.zero_grad()
        for images, labels in batches:
            if zero == "inside":
                optimizer.zero_grad()
            loss_of(model(images), labels, count, len(batches)).backward()
            if step == "inside":
                optimizer.step()
        if zero == "between":
            optimizer.zero_grad()
        if step == "after":
            optimizer.step()
        if zero == "at the end":
            optimizer.zero_grad()

    return answer


def _mean(logits, labels, count, parts):
    return F.cross_entropy(logits, labels)


def _mean_of(logits, labels, count, parts):
    return F.cross_entropy(logits, labels) / parts


def _share(logits, labels, count, parts):
    return F.cross_entropy(logits, labels, reduction="sum") / count


def _losses_summed(model, optimizer, batches):
    count = sum(len(labels) for _, labels in batches)
    optimizer.zero_grad()
    loss = 0
    for images, labels in batches:
        loss = loss + F.cross_entropy(model(images), labels, reduction="sum")
    (loss / count).backward()
    optimizer.step()


def _losses_stacked(model, optimizer, batches):
    optimizer.zero_grad()
    sum(
        F.cross_entropy(model(images), labels) / len(batches) for images, labels in batches
    ).backward()
    optimizer.step()


def _concatenated(model, optimizer, batches):
    images = torch.cat([images for images, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    accumulate_by_shares(model, optimizer, [(images, labels)])


def _no_backward(model, optimizer, batches):
    optimizer.zero_grad()
    total = sum(F.cross_entropy(model(images), labels) for images, labels in batches)
    optimizer.step()
    return total


def _sgd_by_hand(model, optimizer, batches):
    _accumulated(_share, step="never")(model, optimizer, batches)
    for weight in model.parameters():
        weight.data.add_(weight.grad, alpha=-optimizer.param_groups[0]["lr"])


def _normalised_in_place(model, optimizer, batches):
    for images, _ in batches:
        images.sub_(0.5)
    accumulate_by_shares(model, optimizer, batches)


def _bytes(weights, activations, *, unit=2**30):
    return lambda w, a, n: (weights(w, n) + activations(a, n)) / unit


def _sixteen(w, n):
    return 16 * w


def _four(a, n):
    return 4 * a * n


def _new(hours, factors):
    return sum(np.array(hours) / factors)


WRONG = {
    "honest_ms": [
        (_timed(), "The first call counts here"),
        (_timed(("wait",)), "The first call counts here"),
        (_all_in_the_median, "its time counts with the others"),
        (_timed(("run", *WARM)), "Two calls do not count"),
        (_timed(("run",)), "still busy with earlier work"),
        (_timed(WARM, ("run",)), "only how long it takes to start the work"),
        (_timed((), ("run",)), "only how long it takes to start the work"),
        (_timed(WARM, ("run",), ("wait",)), "only how long it takes to start the work"),
        (lambda run, wait, clock, n: _timed((), ("run",))(run, wait, clock, 1), "is back before"),
        (_timed(WARM, ("wait", "run")), "wait() stands before run() here"),
        (_clock_after_run, "The clock starts after run()"),
        (_never_restarted, "The clock starts once"),
        (_not_subtracted, "what the clock shows at the end"),
        (_one_only, "Only one call is timed"),
        (_timed(WARM, reduce=np.mean), "This is the mean, which one disturbed call"),
        (_block, "timed together and divided"),
        (_timed(WARM, reduce=sum), "the time of all calls together"),
        (_timed(WARM, reduce=min), "the fastest call"),
        (_timed(WARM, reduce=lambda times: times[len(times) // 2]), "the middle of the list"),
        (_timed(WARM, reduce=lambda times: torch.tensor(times).median()), "one of them"),
        (_timed(WARM, reduce=lambda times: sorted(times)[len(times) // 2]), "one of them"),
        (_timed(WARM, scale=1), "These are seconds"),
        (_timed(WARM, scale=1e6), "microseconds"),
        (_timed(WARM, reduce=list), "Return their median"),
        (_own_clock, "clock() was read: Expected True; got False."),
        (_timed(WARM, reduce="{} ms".format), "milliseconds: Expected a float; got a str."),
        (lambda run, wait, clock, repeats: run.start(), "has no attribute 'start'"),
    ],
    "attainable_gflops": [
        (lambda f, b, p, w: max(p, f / b * w), "the higher of the two"),
        (lambda f, b, p, w: p if f / b < p / w else f / b * w, "the higher of the two"),
        (lambda f, b, p, w: p + f / b * w, "The two limits are added"),
        (lambda f, b, p, w: np.mean([p, f / b * w]), "the mean of the two limits"),
        (lambda f, b, p, w: min(p, b / f * w), "the wrong way round"),
        (lambda f, b, p, w: w * f / b, "the limit of memory alone"),
        (lambda f, b, p, w: p, "what the machine computes at best"),
        (lambda f, b, p, w: min(p, f / b * w * 1e9), "Are both limits in 10^9"),
        (lambda f, b, p, w: f / b, "calculations a byte. Multiply them"),
        (lambda f, b, p, w: min(f / b, p), "calculations a byte. Multiply them"),
        (lambda f, b, p, w: min(w, p), "Bytes a second are compared"),
        (lambda f, b, p, w: min(p, f / (b * w)), "the bytes must cancel"),
        (lambda f, b, p, w: min(p, f // b * w), "rounded down to a whole number"),
        (lambda f, b, p, w: 1 / (1 / p + b / f / w), "as if one waited for the other"),
        (lambda f, b, p, w: max(f / p, b / w) * 1e-9, "the seconds that the layer takes"),
        (lambda f, b, p, w: min(p, f / b * w) / p, "a fraction of the peak"),
        (lambda f, b, p, w: min(p * 1e9, f / b * w * 1e9), "10^9 times fewer"),
        (lambda f, b, p, w: min(p, f / b * w) / 1e3, "TFLOP/s"),
        (lambda f, b, p, w: "memory", "Expected a float; got a str."),
        (lambda f, b, p, w: (p, f / b * w), "Expected shape (); got (2,)."),
    ],
    "accumulate": [
        (_accumulated(_mean), "The means of the parts are added up"),
        (_accumulated(_mean_of), "the mean of the parts' means"),
        (
            _accumulated(lambda x, y, n, k: F.cross_entropy(x, y, reduction="sum")),
            "is the sum over",
        ),
        (_accumulated(lambda x, y, n, k: _share(x, y, k, k)), "divided by the number of parts"),
        (_accumulated(lambda x, y, n, k: _mean(x, y, n, k) / n), "everything is divided twice"),
        (_accumulated(_share, zero="inside"), "Only the last part counts"),
        (_accumulated(_mean, zero="inside"), "Only the last part counts"),
        (_accumulated(_mean, zero="inside", step="inside"), "The weights move after every part"),
        (_accumulated(_mean_of, step="inside"), "The weights move after every part"),
        (_accumulated(_share, step="inside"), "The weights move after every part"),
        (_accumulated(_share, zero="never"), "Gradients of earlier steps are still there"),
        (_accumulated(_mean, zero="never"), "Gradients of earlier steps are still there"),
        (_accumulated(_share, zero="at the end"), "emptied after the step only"),
        (_accumulated(_share, zero="between"), "zero_grad comes between backward and step"),
        (_accumulated(_share, step="never"), "optimizer.step() is missing"),
        (_no_backward, "backward is missing"),
        (_losses_summed, "nothing is saved"),
        (_losses_stacked, "nothing is saved"),
        (_concatenated, "nothing is saved"),
        (_sgd_by_hand, "moved by hand"),
        (_normalised_in_place, "images is not what it was"),
        (lambda model, optimizer, batches: "done", "weights after each call: 8 of 8 numbers"),
        (lambda model, optimizer, batches: model(batches), "TypeError"),
    ],
    "training_gib": [
        (_bytes(_sixteen, _four, unit=10**9), "These are GB"),
        (_bytes(_sixteen, _four, unit=1024**2), "These are MiB"),
        (_bytes(_sixteen, _four, unit=1), "These are bytes"),
        (_bytes(lambda w, n: 12 * w, _four), "three are counted here"),
        (_bytes(lambda w, n: 8 * w, _four), "two are counted here"),
        (_bytes(lambda w, n: 4 * w, _four), "Each weight is counted once"),
        (_bytes(lambda w, n: 4 * w, lambda a, n: a * n), "Numbers were taken for bytes"),
        (_bytes(lambda w, n: 8 * w, lambda a, n: 2 * a * n), "float16"),
        (_bytes(lambda w, n: 32 * w, lambda a, n: 8 * a * n), "float64"),
        (_bytes(lambda w, n: 128 * w, lambda a, n: 32 * a * n), "32 bits, which are 4 bytes"),
        (_bytes(_sixteen, lambda a, n: 8 * a * n), "Activations are counted twice"),
        (_bytes(_sixteen, lambda a, n: 16 * a * n), "counted four times"),
        (_bytes(_sixteen, lambda a, n: 0), "Activations are missing"),
        (_bytes(lambda w, n: 0, _four), "the activations alone"),
        (_bytes(lambda w, n: 16 * w * n, _four), "Everything is multiplied by the batch"),
        (_bytes(lambda w, n: 12 * w + 4 * w * n, _four), "Gradients are counted for each picture"),
        (_bytes(_sixteen, lambda a, n: 4 * a), "activations of one picture"),
        (_bytes(_sixteen, lambda a, n: 4 * a / n), "divided by the batch"),
        (lambda w, a, n: (16 * w + 4 * a * n) // 2**30, "Expected 3.00343; got 3."),
        (lambda w, a, n: [4 * w, 4 * w, 8 * w, 4 * a * n], "Expected shape (); got (4,)."),
    ],
    "project_speedup": [
        (lambda h, f: np.mean(f), "the mean of the factors"),
        (lambda h, f: np.average(f, weights=h), "averaged with the hours as weights"),
        (lambda h, f: len(f) / sum(1 / np.array(f)), "harmonic mean of the factors"),
        (lambda h, f: np.prod(f), "The factors were multiplied"),
        (lambda h, f: sum(f), "The factors were added up"),
        (lambda h, f: max(f), "the factor of one phase"),
        (
            lambda h, f: (
                sum(a for a, b in zip(h, f, strict=True) if b > 1)
                / sum(a / b for a, b in zip(h, f, strict=True) if b > 1)
            ),
            "Only phases that become faster are counted",
        ),
        (
            lambda h, f: sum(h) / sum(a / b for a, b in zip(h, f, strict=True) if b > 1),
            "They take as long as before",
        ),
        (_new, "the hours that the project will take"),
        (lambda h, f: sum(h) - _new(h, f), "These are the hours saved"),
        (lambda h, f: _new(h, f) / sum(h), "upside down"),
        (lambda h, f: (sum(h) - _new(h, f)) / sum(h), "the share of the time that is saved"),
        (lambda h, f: sum(h) / _new(h, f) - 1, "how much more gets done"),
        (lambda h, f: sum(h) / np.dot(h, f), "Hours were multiplied by the factors"),
        (lambda h, f: 100 * sum(h) / _new(h, f), "This is in percent"),
        (lambda h, f: f"{sum(h) / _new(h, f)}x", "Expected a float; got a str."),
        (lambda h, f: np.array(h) / f, "Expected shape (); got (1,)."),
        (lambda h, f: (h.append(0), f.append(1), sum(h) / _new(h, f))[2], "hours is not what it"),
    ],
    "all_reduce_ms": [
        (lambda n, b, w: (n - 1) / n * b / w * 1e-6, "This is half of the time"),
        (lambda n, b, w: 2 * (n - 1) / n * b / (2 * w) * 1e-6, "hold for one direction"),
        (
            lambda n, b, w: 2 * (n - 1) * b / w * 1e-6,
            "In each round all gradients are sent here. It",
        ),
        (lambda n, b, w: (n - 1) * b / w * 1e-6, "the second half of the rounds is missing"),
        (lambda n, b, w: 2 * b / w * 1e-6, "twice the gradients over a link"),
        (lambda n, b, w: 2 * b / w * 1e-6 * (n > 1), "twice the gradients over a link"),
        (lambda n, b, w: b / w * 1e-6, "to send the gradients once over a link"),
        (lambda n, b, w: n * b / w * 1e-6, "as many times as there are GPUs"),
        (lambda n, b, w: n * (n - 1) * b / w * 1e-6, "to every other, one after the other"),
        (lambda n, b, w: b / n / w * 1e-6, "This is one round"),
        (lambda n, b, w: 2 * (n - 1) / n * (b / n) / w * 1e-6, "a second time"),
        (lambda n, b, w: 2 * ((n - 1) // n) * b / w * 1e-6, "This is always 0"),
        (lambda n, b, w: 2 * (n - 1) // n * b / w * 1e-6, "rounded down to a whole number"),
        (lambda n, b, w: 2 * math.log2(n) * b / w * 1e-6, "This is a tree"),
        (lambda n, b, w: 8 * _ring_by_rounds(n, b, w), "Bytes were made bits"),
        (lambda n, b, w: 4 * _ring_by_rounds(n, b, w), "multiplied by 4"),
        (lambda n, b, w: _ring_by_rounds(n, b, w) / 1000, "These are seconds"),
        (lambda n, b, w: _ring_by_rounds(n, b, w) * 1000, "These are microseconds"),
        (lambda n, b, w: 2 * (n - 1) / n * b / (w * 2**30) * 1e3, "not 2**30"),
        (lambda n, b, w: "4 ms", "Expected a float; got a str."),
        (lambda n, b, w: b / w / 1e6 / (n - n), "ZeroDivisionError"),
    ],
}

# Wrong in a way that no sentence is there for.
WITHOUT_A_STORY = {
    "honest_ms": [
        _timed(WARM, reduce=max),
        lambda *args: round(honest_ms_in_numpy(*args)),
    ],
    "attainable_gflops": [
        lambda f, b, p, w: math.sqrt(p * f / b * w),
        lambda f, b, p, w: p / w,
        lambda f, b, p, w: p if f > b else f / b * w,
    ],
    "accumulate": [
        lambda model, optimizer, batches: accumulate_by_shares(model, optimizer, batches[:1]),
        _accumulated(lambda x, y, n, k: _share(x.softmax(dim=1), y, n, k)),
    ],
    "training_gib": [
        lambda w, a, n: 20 * w / 2**30 + 4 * a * n / 2**30,
        lambda w, a, n: (16 * w * n + 4 * a) / 2**30,
    ],
    "project_speedup": [
        lambda h, f: math.exp(sum(map(math.log, f)) / len(f)),
        lambda h, f: sum(h) / sum(f),
    ],
    "all_reduce_ms": [
        lambda n, b, w: (2 * n - 1) / n * b / w * 1e-6,
        lambda n, b, w: 2 * (n - 1) / n * b / w,
    ],
}


@pytest.mark.parametrize("exercise", hardware.EXERCISES, ids=lambda exercise: exercise.name)
def test_an_unknown_mistake_is_given_no_known_name(exercise):
    for answer in WITHOUT_A_STORY[exercise.name]:
        result = exercise.check(answer)
        assert result.outcome == "wrong values"
        assert not any(known.message in result.text for known in exercise.misconceptions), result


@pytest.mark.parametrize("nothing", [None, ...], ids=["None", "Ellipsis"])
@pytest.mark.parametrize("exercise", hardware.EXERCISES, ids=lambda exercise: exercise.name)
def test_a_function_that_does_and_returns_nothing_is_not_attempted(exercise, nothing):
    assert exercise.check(lambda *args: nothing).outcome == "not attempted"


# --- the solutions themselves, by hand and against torch and the package -------------------------


def test_the_device_works_by_itself_one_call_after_another():
    device = timing_exercises._Device(3.0, 0.5, [10.0, 2.0])
    start = device.clock()
    device.run()
    device.run()
    device.run()
    assert device.clock() - start == pytest.approx(1.5e-3)  # three starts, no wait
    device.wait()
    assert device.clock() - start == pytest.approx(17e-3)  # 3 earlier, 10, 2, and 2 again
    device.wait()
    assert device.clock() - start == pytest.approx(17e-3) and device.calls == 3


def test_honest_ms_by_hand():
    device = timing_exercises._Device(50.0, 1.0, [90.0, 4.0, 30.0, 6.0])
    ms = hardware.honest_ms.reference(device.run, device.wait, device.clock, 3)
    assert ms == pytest.approx(7.0)


def test_attainable_gflops_by_hand():
    reference = hardware.attainable_gflops.reference
    assert reference(6, 12, 100.0, 50.0) == 25.0
    assert reference(60, 12, 100.0, 50.0) == 100.0


def test_accumulate_equals_a_package_epoch_of_one_batch():
    torch.manual_seed(1)
    ours, theirs = (nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    images, labels = torch.randn(9, 6), torch.arange(9) % 3
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.5, momentum=0.9) for m in (ours, theirs)]
    parts = list(zip(images.split([4, 4, 1]), labels.split([4, 4, 1]), strict=True))
    for _ in range(3):
        hardware.accumulate.reference(ours, optimizers[0], parts)
        train.train_one_epoch(theirs, [(images, labels)], optimizers[1])
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_training_gib_counts_what_adamw_holds():
    model = nn.Linear(300, 200)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 300)).sum().backward()
    optimizer.step()
    tensors = [t for w in model.parameters() for t in (w, w.grad, *optimizer.state[w].values())]
    num_bytes = sum(t.nbytes for t in tensors if t.ndim > 0)  # but for the number of steps
    num_weights = sum(w.numel() for w in model.parameters())
    assert hardware.training_gib.reference(num_weights, 0, 1) * 2**30 == num_bytes
    assert hardware.training_gib.reference(0, 2**28, 3) == 3.0


def test_project_speedup_by_hand():
    reference = hardware.project_speedup.reference
    assert reference([2.0, 6.0], [1.0, 3.0]) == 2.0
    assert reference([2.0, 6.0], [1.0, math.inf]) == 4.0
    assert reference([2.0, 6.0], [1.0, 1.0]) == 1.0


@pytest.mark.parametrize("num_gpus", [1, 2, 3, 5])
def test_all_reduce_ms_is_the_time_of_a_ring_that_ends_with_the_sum(num_gpus):
    generator = torch.Generator().manual_seed(num_gpus)
    pieces = torch.rand(num_gpus, num_gpus, generator=generator)  # (GPU, piece)
    total, gpus = pieces.sum(dim=0), range(num_gpus)
    rounds = 0
    for step in range(2 * (num_gpus - 1)):
        sent = [(gpu, (gpu - step) % num_gpus) for gpu in gpus]
        values = [pieces[gpu, piece].clone() for gpu, piece in sent]
        for (gpu, piece), value in zip(sent, values, strict=True):
            adds = step < num_gpus - 1  # later rounds hand finished sums on
            kept = pieces[(gpu + 1) % num_gpus, piece] if adds else 0
            pieces[(gpu + 1) % num_gpus, piece] = kept + value
        rounds += 1
    torch.testing.assert_close(pieces, total.expand_as(pieces))
    ms = hardware.all_reduce_ms.reference(num_gpus, 6e6, 2.0)
    assert ms == pytest.approx(rounds * 3.0 / num_gpus)  # 6 MB at 2 GB/s are 3 ms


def test_the_lesson_has_these_exercises():
    names = [exercise.name for exercise in exercises.in_lesson("09_hardware")]
    assert names == [
        "honest_ms",
        "attainable_gflops",
        "accumulate",
        "training_gib",
        "project_speedup",
        "all_reduce_ms",
    ]
