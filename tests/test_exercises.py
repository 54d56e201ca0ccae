"""Each exercise against its solution, other right answers, and wrong ones that learners write.

The wrong answers are written anew here, as a learner would, and not taken from the exercises; each
must be rejected with the message that belongs to it. Answers of lessons 02 to 04, 07 and 09 stand
in ``test_preparation_exercises``, ``test_training_exercises``, ``test_augmentation_exercises``,
``test_localisation_exercises`` and ``test_hardware_exercises``.
"""

import dataclasses
import math

import numpy as np
import pytest
import test_augmentation_exercises
import test_hardware_exercises
import test_localisation_exercises
import test_preparation_exercises
import test_training_exercises
import torch
import torch.nn.functional as F

from imgrec_lab import exercises
from imgrec_lab.exercises import fundamentals, start_here

# Pictures of failing cases have their own test; here they would only take time.
ALL = {
    ex.name: dataclasses.replace(ex, as_picture=False)
    for lesson in exercises.MODULES
    for ex in exercises.in_lesson(lesson)
}
NAMES = sorted(ALL)


# --- right answers, written differently --------------------------------------------------------


def top_class_by_sorting(logits):
    numbers, order = logits.sort(dim=1, descending=True)
    return order[:, 0], numbers[:, 0].exp() / logits.exp().sum(dim=1)


def conv2d_by_unfold(image, kernel):
    columns = F.unfold(image[None, None], kernel.shape)[0]  # (h * w, places)
    return (kernel.reshape(1, -1) @ columns).reshape(
        image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    )


def conv2d_by_shifts(image, kernel):
    rows, columns = (n - k + 1 for n, k in zip(image.shape, kernel.shape, strict=True))
    total = torch.zeros(rows, columns)
    for i, line in enumerate(kernel):
        for j, weight in enumerate(line):
            total = total + weight * image[i : i + rows, j : j + columns]
    return total


def max_pool2d_by_loops(image, size):
    rows, columns = image.shape[0] // size, image.shape[1] // size
    result = torch.empty(rows, columns)
    for r in range(rows):
        for c in range(columns):
            result[r, c] = image[r * size : (r + 1) * size, c * size : (c + 1) * size].max()
    return result


def max_pool2d_by_slices(image, size):
    rows, columns = image.shape[0] // size * size, image.shape[1] // size * size
    parts = [image[i:rows:size, j:columns:size] for i in range(size) for j in range(size)]
    return torch.stack(parts).amax(dim=0)


def output_size_by_counting(size, kernel, stride, padding):
    return len(range(-padding, size + padding - kernel + 1, stride))


def cross_entropy_in_numpy(logits, labels):
    rows = logits.numpy().astype(np.float64)
    rows = rows - rows.max(axis=1, keepdims=True)
    losses = np.log(np.exp(rows).sum(axis=1)) - rows[np.arange(len(rows)), labels.numpy()]
    return losses.mean()


def cross_entropy_with_one_hot(logits, labels):
    truth = F.one_hot(labels, logits.shape[1])
    return -(truth * logits.log_softmax(dim=1)).sum() / len(labels)


def receptive_field_from_the_end(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


RIGHT = {
    "top_class": [top_class_by_sorting],
    "conv2d": [conv2d_by_unfold, conv2d_by_shifts],
    "max_pool2d": [max_pool2d_by_loops, max_pool2d_by_slices],
    "output_size": [output_size_by_counting],
    "cross_entropy": [
        cross_entropy_in_numpy,
        cross_entropy_with_one_hot,
        lambda logits, labels: (
            logits.logsumexp(dim=1) - logits.gather(1, labels[:, None])[:, 0]
        ).mean(),
    ],
    "receptive_field": [receptive_field_from_the_end],
    **test_preparation_exercises.RIGHT,
    **test_training_exercises.RIGHT,
    **test_augmentation_exercises.RIGHT,
    **test_localisation_exercises.RIGHT,
    **test_hardware_exercises.RIGHT,
}


# --- wrong answers, and words that the reply must hold ------------------------------------------


def _conv(image, kernel, **options):
    return F.conv2d(image[None, None], kernel[None, None], **options)[0, 0]


def _conv_over_the_border(image, kernel):
    result = torch.zeros_like(image)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            window = image[row : row + kernel.shape[0], column : column + kernel.shape[1]]
            result[row, column] = (window * kernel[: window.shape[0], : window.shape[1]]).sum()
    return result


def _conv_range_short(image, kernel):
    (height, width), (h, w) = image.shape, kernel.shape
    rows = [
        [(image[r : r + h, c : c + w] * kernel).sum() for c in range(width - w)]
        for r in range(height - h)
    ]
    return torch.tensor(rows).reshape(height - h, width - w)


def _pool_from_zero(image, size):
    result = torch.zeros(image.shape[0] // size, image.shape[1] // size)
    for r in range(result.shape[0]):
        for c in range(result.shape[1]):
            for number in image[r * size : r * size + size, c * size : c * size + size].flatten():
                if number > result[r, c]:
                    result[r, c] = number
    return result


def _entropy_by_log2(logits, labels):
    probs = logits.softmax(dim=1)
    return -torch.log2(probs[range(len(labels)), labels]).mean()


def _entropy_exp_first(logits, labels):
    powers = torch.exp(logits)
    probs = powers / powers.sum(dim=1)[:, None]
    return F.nll_loss(probs.log(), labels)


def _field_stride_first(layers):
    pixels, jump = 1, 1
    for kernel, stride in layers:
        jump = jump * stride
        pixels = pixels + kernel * jump - jump
    return pixels


def _field_from_zero(layers):
    pixels, jump = 0, 1
    for kernel, stride in layers:
        pixels += (kernel - 1) * jump
        jump *= stride
    return pixels


WRONG = {
    "top_class": [
        (lambda x: tuple(F.softmax(x, -1).max(-1)), "wrong order"),
        (lambda x: (x.argmax(1), F.softmax(x, 0).max(1).values), "over the images (dim=0)"),
        (lambda x: tuple(reversed(torch.max(x, dim=1))), "a logit is no probability"),
        (lambda x: (x.argmax(1), torch.sigmoid(x).max(1).values), "one class at a time"),
        (lambda x: (x.argmax(1), x.exp().max(1).values), "not yet divided by the sum"),
        (lambda x: (x.argmin(1), F.softmax(x, 1).min(1).values), "least likely"),
        (lambda x: (x.argmax(0), F.softmax(x, 1).max(0).values), "surest image of each class"),
        (lambda x: x.argmax(1), "Expected a tuple (classes, probs)"),
        (lambda x: (x.argmax(1).float(), F.softmax(x, 1).amax(1)), "classes: Expected a int64"),
    ],
    "conv2d": [
        (lambda i, k: _conv(i, torch.rot90(k, 2)), "turned by 180 degrees"),
        (
            lambda i, k: _conv(F.pad(i, (0, len(k[0]) - 1, 0, len(k) - 1)), k),
            "as large as the image",
        ),
        (_conv_over_the_border, "as large as the image"),
        (lambda i, k: _conv(i, k, padding=1), "larger than the image"),
        (_conv_range_short, "H - h + 1, not H - h"),
        (lambda i, k: _conv(i, k).T, "rows and columns of the result are swapped"),
        (lambda i, k: _conv(i.T, k.T), "rows and columns of the result are swapped"),
        (lambda i, k: _conv(i, k) / (k.shape[0] * k.shape[1]), "mean of the products"),
        (lambda i, k: _conv(i, k.T), "rows and columns of the kernel are swapped"),
        (lambda i, k: _conv(i, k).long(), "Expected a float32 tensor"),
        (lambda i, k: _conv(i, k)[None], "Expected shape (2, 2); got (1, 2, 2)."),
    ],
    "max_pool2d": [
        (lambda i, s: F.avg_pool2d(i[None], s)[0], "mean of each window"),
        (lambda i, s: -F.max_pool2d(-i[None], s)[0], "smallest number of each window"),
        (lambda i, s: F.max_pool2d(i[None], s, stride=1)[0], "moves by one pixel"),
        (lambda i, s: F.max_pool2d(i[None], s, ceil_mode=True)[0], "does not fill a window"),
        (lambda i, s: i.amax(), "largest number of the whole image"),
        (_pool_from_zero, "must not start at 0"),
        (lambda i, s: F.max_pool2d(i[None].abs(), s)[0], "without their sign"),
        (lambda i, s: F.max_pool2d(i[None], s)[0].T, "rows and columns of the result are swapped"),
        (lambda i, s: F.interpolate(i[None, None], scale_factor=1 / s)[0, 0], "top left pixel"),
    ],
    "output_size": [
        (lambda n, k, s, p: (n - k + 2 * p) // s, "the place where the window starts counts"),
        (lambda n, k, s, p: (n - k + p) // s + 1, "padding is added on one side only"),
        (lambda n, k, s, p: -(-(n - k + 2 * p) // s) + 1, "round down"),
        (lambda n, k, s, p: n - k + 2 * p + 1, "stride is forgotten"),
        (lambda n, k, s, p: (n - k + 2 * p + 1) // s, "it belongs after it"),
        (lambda n, k, s, p: (n - k) // s + 1, "padding is forgotten"),
        (lambda n, k, s, p: n // s, "size // stride"),
        (lambda n, k, s, p: (n - k + 2 * p) / s + 1, "Whole numbers stay whole with //"),
    ],
    "cross_entropy": [
        (lambda x, y: -x.log_softmax(1).gather(1, y[:, None]).sum(), "the sum over the images"),
        (lambda x, y: F.nll_loss(x, y), "softmax is forgotten"),
        (lambda x, y: F.nll_loss(x.log(), y), "logarithm of the logits themselves"),
        (_entropy_by_log2, "base 2"),
        (lambda x, y: F.nll_loss(x.log_softmax(1) * math.log10(math.e), y), "base 10"),
        (lambda x, y: F.nll_loss(x.log_softmax(0), y), "over the images (dim=0)"),
        (lambda x, y: F.nll_loss(x.softmax(1).log_softmax(1), y), "applied twice"),
        (lambda x, y: F.nll_loss(x.softmax(1), y), "the logarithm is missing"),
        (lambda x, y: -F.nll_loss(x.log_softmax(1), y), "The sign is missing"),
        (lambda x, y: (F.one_hot(y, x.shape[1]) * -x.log_softmax(1)).mean(), "not N x K"),
        (_entropy_exp_first, "exp(1000) is too large"),
        (
            lambda x, y: torch.log(torch.exp(x).sum(1)).mean() - x.gather(1, y[:, None]).mean(),
            "exp(1000) is too large",
        ),
        (lambda x, y: F.nll_loss(torch.log(x.softmax(1)), y), "before it is rounded to 0"),
        (
            lambda x, y: -x.log_softmax(1).gather(1, y[:, None])[:, 0],
            "Expected shape (); got (1,).",
        ),
    ],
    "receptive_field": [
        (lambda layers: sum(k for k, _ in layers) - len(layers) + 1, "strides are ignored"),
        (lambda layers: math.prod(k for k, _ in layers), "multiplies the kernels"),
        (lambda layers: sum(k for k, _ in layers), "adds up the kernels"),
        (_field_stride_first, "applied to its own layer"),
        (_field_from_zero, "start at 1"),
        (lambda layers: receptive_field_from_the_end(layers[::-1]), "from last to first"),
        (lambda layers: 1 + sum(k for k, _ in layers), "adds kernel - 1 steps, not kernel"),
    ],
    **test_preparation_exercises.WRONG,
    **test_training_exercises.WRONG,
    **test_augmentation_exercises.WRONG,
    **test_localisation_exercises.WRONG,
    **test_hardware_exercises.WRONG,
}


def _killed(exercise, answer, words) -> bool:
    result = exercise.check(answer)
    return not result.passed and words in result.text


WRONG_CASES = [
    pytest.param(name, answer, words, id=f"{name}-{words}")
    for name, wrong in WRONG.items()
    for answer, words in wrong
]


@pytest.mark.parametrize("name, answer, words", WRONG_CASES)
def test_wrong_answers_are_rejected_in_their_own_words(name, answer, words):
    result = ALL[name].check(answer)
    assert not result.passed
    assert words in result.text


@pytest.mark.parametrize("name", NAMES)
def test_kill_rate_is_one(name, record_property):
    exercise = ALL[name]
    shipped = [(known.wrong, known.message) for known in exercise.misconceptions]
    suspects = [*shipped, *WRONG[name]]
    assert len(shipped) >= 4 and len(WRONG[name]) >= 4
    rate = sum(_killed(exercise, *suspect) for suspect in suspects) / len(suspects)
    record_property("kill_rate", rate)
    assert rate == 1.0


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_pass(name):
    for answer in (ALL[name].reference, *RIGHT[name]):
        result = ALL[name].check(answer)
        assert result.outcome == "right", result


@pytest.mark.parametrize("name", NAMES)
def test_the_stub_is_not_attempted(name):
    names = {"torch": torch}
    exec(ALL[name].stub, names)
    assert ALL[name].check(names[name]).outcome == "not attempted"


@pytest.mark.parametrize("name", NAMES)
def test_each_exercise_is_complete(name):
    exercise = ALL[name]
    assert 1 <= exercise.minutes <= 30 and len(exercise.hints) >= 3
    assert exercise.teaches.endswith(".") and exercise.why.endswith(".")
    sizes = [sum(torch.as_tensor(arg).numel() for arg in case.args) for case in exercise.cases()]
    assert sizes[0] == min(sizes), "the smallest case must come first"
    assert f"def {name}_solution" in repr(exercise.solution())
    assert len(exercise.stub.splitlines()) <= 25


@pytest.mark.parametrize("name", NAMES)
def test_cases_are_the_same_each_time(name):
    first, second = ALL[name].cases(), ALL[name].cases()
    assert [case.about for case in first] == [case.about for case in second]
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one.args, other.args, strict=True):
            assert torch.equal(torch.as_tensor(a), torch.as_tensor(b))


# --- the solutions themselves, against torch and by hand ----------------------------------------


def test_conv2d_and_max_pool2d_equal_torch():
    generator = torch.Generator().manual_seed(5)
    image, kernel = torch.randn(9, 7, generator=generator), torch.randn(2, 4, generator=generator)
    torch.testing.assert_close(fundamentals.conv2d.reference(image, kernel), _conv(image, kernel))
    for size in (1, 2, 3):
        pooled = fundamentals.max_pool2d.reference(image, size)
        assert torch.equal(pooled, F.max_pool2d(image[None], size)[0])


@pytest.mark.parametrize(
    "size, kernel, stride, padding", [(32, 5, 3, 2), (7, 7, 4, 0), (9, 1, 2, 1)]
)
def test_output_size_equals_torch(size, kernel, stride, padding):
    line = F.conv1d(torch.zeros(1, 1, size), torch.zeros(1, 1, kernel), None, stride, padding)
    assert fundamentals.output_size.reference(size, kernel, stride, padding) == line.shape[2]


def test_cross_entropy_equals_torch_also_far_out():
    logits = 2_000 * torch.randn(50, 9, generator=torch.Generator().manual_seed(6))
    labels = torch.arange(50) % 9
    ours = fundamentals.cross_entropy.reference(logits, labels)
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels))


def test_receptive_field_equals_what_a_gradient_reaches():
    layers = [(5, 2), (3, 1), (2, 2), (3, 1)]
    line = torch.zeros(1, 1, 101, requires_grad=True)
    out = line
    for kernel, stride in layers:
        out = F.conv1d(out, torch.ones(1, 1, kernel), stride=stride)
    out[0, 0, out.shape[2] // 2].backward()
    reached = int((line.grad != 0).sum())
    assert fundamentals.receptive_field.reference(layers) == reached


def test_top_class_by_hand():
    classes, probs = start_here.top_class.reference(torch.tensor([[0.0, math.log(3.0)]]))
    assert classes.tolist() == [1]
    assert probs.tolist() == pytest.approx([0.75])


def test_a_slow_convolution_is_right_but_slow():
    def four_loops(image, kernel):
        (h, w), (height, width) = kernel.shape, image.shape
        result = torch.zeros(height - h + 1, width - w + 1)
        for row in range(height - h + 1):
            for column in range(width - w + 1):
                for i in range(h):
                    for j in range(w):
                        result[row, column] += image[row + i, column + j] * kernel[i, j]
        return result

    result = fundamentals.conv2d.check(four_loops)
    assert result.passed and result.outcome == "right but slow"
    assert "(window * kernel).sum()" in result.text


def test_library_functions_are_not_by_hand():
    by_library = fundamentals.cross_entropy.check(F.cross_entropy)
    assert by_library.outcome == "not by hand" and "cross_entropy" in by_library.text
    wrapped = fundamentals.conv2d.check(lambda i, k: F.conv2d(i[None, None], k[None, None])[0, 0])
    assert wrapped.outcome == "not by hand"


def test_unknown_lesson():
    with pytest.raises(ValueError, match="lesson must be one of 00_start_here, 01_fundamentals"):
        exercises.in_lesson("99_nothing")


def test_a_suspect_that_disagrees_with_an_earlier_case_is_not_named():
    def strides_squared(layers):
        size = 1
        for kernel, stride in layers:
            size = size * stride + kernel - 1
        return size

    result = fundamentals.receptive_field.check(strides_squared)
    assert not result.passed and "adds up the kernels" not in result.text
