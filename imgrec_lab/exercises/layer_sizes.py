"""Exercises of lesson 01: how large a result is, and how much of the picture it sees."""

import math

from imgrec_lab.checks import Case, Exercise, Misconception


def output_size_solution(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many pixels a convolution or pooling leaves, along one axis.

    Args:
        size: of the input, in pixels.
        kernel: of the window, in pixels.
        stride: by how many pixels the window moves.
        padding: pixels added at each of the two ends.

    Returns:
        The number of places where the window fits.
    """
    return (size + 2 * padding - kernel) // stride + 1


def _output_size_cases() -> list[Case]:
    return [
        Case("the kernel as large as the input", (3, 3, 1, 0)),
        Case("no stride, no padding", (5, 3, 1, 0)),
        Case("padding that keeps the size", (5, 3, 1, 1)),
        Case("a stride of 2", (7, 3, 2, 0)),
        Case("a stride that leaves a pixel over", (8, 3, 2, 0)),
        Case("halving a picture of 32 pixels", (32, 3, 2, 1)),
        Case("the first layer of a ResNet", (224, 7, 2, 3)),
        Case("pooling in steps of three", (32, 3, 3, 0)),
    ]


def no_plus_one(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride


def padded_on_one_side(size, kernel, stride, padding):
    return (size + padding - kernel) // stride + 1


def padding_ignored(size, kernel, stride, padding):
    return (size - kernel) // stride + 1


def rounded_up(size, kernel, stride, padding):
    return math.ceil((size + 2 * padding - kernel) / stride) + 1


def stride_ignored(size, kernel, stride, padding):
    return size + 2 * padding - kernel + 1


def one_added_before_dividing(size, kernel, stride, padding):
    return (size + 2 * padding - kernel + 1) // stride


def kernel_ignored(size, kernel, stride, padding):
    return size // stride


output_size = Exercise(
    name="output_size",
    title="how large is the result?",
    difficulty=1,
    minutes=5,
    teaches="To see from kernel, stride and padding what shape a layer returns.",
    reference=output_size_solution,
    why="The window starts at 0 and may move by size + 2 * padding - kernel pixels in all, in "
    "steps of stride; the + 1 is the place where it starts.",
    cases=_output_size_cases,
    hints=(
        "Draw 7 squares and a window of 3. How far can the window move to the right before it "
        "falls off? In how many steps of 2?",
        "Padding makes the input longer at both ends: size + 2 * padding.",
        "Steps = (size + 2 * padding - kernel) // stride. How many places does a window visit "
        "in that many steps?",
    ),
    misconceptions=(
        Misconception(
            no_plus_one,
            "One too few: the place where the window starts counts too, so add 1 at the end.",
        ),
        Misconception(
            padded_on_one_side,
            "This comes out when the padding is added on one side only; it stands at both ends.",
        ),
        Misconception(padding_ignored, "This comes out when the padding is forgotten."),
        Misconception(
            rounded_up,
            "This rounds up; a last step that does not fit in whole is not taken, so round down "
            "with //.",
        ),
        Misconception(
            stride_ignored,
            "This comes out when the stride is forgotten: the window skips stride - 1 places.",
        ),
        Misconception(
            one_added_before_dividing,
            "The 1 is added before dividing by the stride; it belongs after it.",
        ),
        Misconception(
            kernel_ignored,
            "This is size // stride, which holds only where padding makes up for the kernel.",
        ),
    ),
)


def receptive_field_solution(layers: list[tuple[int, int]]) -> int:
    """How many pixels of the image one number of the last layer sees, along one axis.

    Args:
        layers: (kernel, stride) of each layer, the one next to the image first.

    Returns:
        Size in pixels.
    """
    field, step = 1, 1  # step: how many pixels of the image lie between neighbours in this layer
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


def _receptive_field_cases() -> list[Case]:
    return [
        Case("one layer", ([(3, 1)],)),
        Case("two layers without stride", ([(3, 1), (3, 1)],)),
        Case("a stride of 2 in the first layer", ([(3, 2), (3, 1)],)),
        Case("a stride of 2 in the last layer", ([(5, 1), (3, 2)],)),
        Case("convolution, pooling, convolution", ([(3, 1), (2, 2), (3, 1)],)),
        Case("four layers, three with strides", ([(7, 2), (3, 2), (3, 1), (2, 2)],)),
    ]


def strides_ignored(layers):
    return 1 + sum(kernel - 1 for kernel, _ in layers)


def kernels_multiplied(layers):
    return math.prod(kernel for kernel, _ in layers)


def kernels_added(layers):
    return sum(kernel for kernel, _ in layers)


def kernel_not_less_one(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        field, step = field + kernel * step, step * stride
    return field


def own_stride_counted(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        field += (kernel - 1) * step
    return field


def started_at_zero(layers):
    return receptive_field_solution(layers) - 1


def only_the_last_stride(layers):
    field, before = 1, 1
    for kernel, stride in layers:
        field, before = field + (kernel - 1) * before, stride
    return field


def layers_reversed(layers):
    return receptive_field_solution(layers[::-1])


receptive_field = Exercise(
    name="receptive_field",
    title="how much of the image does a number see?",
    difficulty=3,
    minutes=10,
    teaches="Why depth and strides let small kernels recognise large things.",
    reference=receptive_field_solution,
    why="A kernel reaches over kernel - 1 steps, and a step is as many pixels of the image as the "
    "strides of the layers before it multiply to.",
    cases=_receptive_field_cases,
    hints=(
        "Draw two layers with kernels of 3. One number of the second layer sees three of the "
        "first, which see how many pixels together, now that they overlap?",
        "Each layer adds kernel - 1 steps to what is seen already. After a layer with stride 2, "
        "how many pixels of the image lie between two neighbours?",
        "Keep two numbers, field = 1 and step = 1. For each layer: first field += (kernel - 1) * "
        "step, then step *= stride.",
    ),
    misconceptions=(
        Misconception(
            strides_ignored,
            "This comes out when strides are ignored: after a stride of 2, neighbours lie twice "
            "as many pixels apart.",
        ),
        Misconception(
            kernels_multiplied,
            "This multiplies the kernels; windows of neighbours overlap, so each layer only adds "
            "kernel - 1 steps.",
        ),
        Misconception(
            kernels_added,
            "This adds up the kernels; a layer adds kernel - 1, since one of its numbers is "
            "counted already.",
        ),
        Misconception(
            kernel_not_less_one,
            "Each layer adds kernel - 1 steps, not kernel: one of its numbers is counted already.",
        ),
        Misconception(
            own_stride_counted,
            "A stride is applied to its own layer here; it only spreads the layers that follow.",
        ),
        Misconception(
            started_at_zero,
            "One too few: with no layer at all a number sees itself, so start at 1.",
        ),
        Misconception(
            only_the_last_stride,
            "This uses the stride of one layer only; the strides of all layers before multiply.",
        ),
        Misconception(
            layers_reversed,
            "This comes out when the layers are taken from last to first.",
        ),
    ),
)
