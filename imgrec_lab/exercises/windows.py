"""Exercises of lesson 01: a window slides over a picture."""

import math

import torch

from imgrec_lab.checks import Case, Exercise, Misconception, SpeedLimit


def conv2d_solution(image: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Slide a kernel over an image: at each place, multiply number by number and add up.

    No padding, one pixel at a time, the kernel not turned: what networks call convolution.

    Args:
        image: (H, W) float32.
        kernel: (h, w) float32, not larger than the image.

    Returns:
        (H - h + 1, W - w + 1) float32.
    """
    height, width = kernel.shape
    result = torch.empty(image.shape[0] - height + 1, image.shape[1] - width + 1)
    for row in range(result.shape[0]):
        for column in range(result.shape[1]):
            window = image[row : row + height, column : column + width]  # (h, w)
            result[row, column] = (window * kernel).sum()
    return result


def _conv2d_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(1)
    by_hand = torch.tensor([[0.0, 1.0, 2.0], [3.0, 5.0, 5.0], [6.0, 7.0, 9.0]])

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randint(-5, 6, shape, generator=generator).float()

    return [
        Case("a 3x3 image, a 2x2 kernel", (by_hand, torch.tensor([[1.0, 2.0], [0.0, -1.0]]))),
        Case("neither image nor kernel square", (drawn(4, 6), drawn(2, 3))),
        Case("the kernel as large as the image", (drawn(5, 5), drawn(5, 5))),
        Case("a larger image and kernel", (drawn(20, 24), drawn(7, 7))),
    ]


def turned_kernel(image, kernel):
    return conv2d_solution(image, kernel.flip(0, 1))


def transposed_kernel(image, kernel):
    return conv2d_solution(image, kernel.T)


def padded(image, kernel):
    (top, bottom), (left, right) = ((n // 2, (n - 1) // 2) for n in kernel.shape)
    wider = torch.nn.functional.pad(image, (left, right, top, bottom))
    return conv2d_solution(wider, kernel)


def padded_all_round(image, kernel):
    high, wide = (n - 1 for n in kernel.shape)
    return conv2d_solution(torch.nn.functional.pad(image, (wide, wide, high, high)), kernel)


def one_place_short(image, kernel):
    return conv2d_solution(image, kernel)[:-1, :-1]


def transposed_result(image, kernel):
    return conv2d_solution(image, kernel).T


def mean_of_products(image, kernel):
    return conv2d_solution(image, kernel) / kernel.numel()


conv2d = Exercise(
    name="conv2d",
    title="convolution by hand",
    difficulty=2,
    minutes=10,
    teaches="What a convolution layer computes, and why its result is smaller than its input.",
    reference=conv2d_solution,
    why="Each number of the result is one window of the image, weighted by the kernel. "
    "torch.nn.functional.conv2d does just this, for many images, channels and kernels at once.",
    cases=_conv2d_cases,
    as_picture=True,
    without=("conv2d", "Conv2d"),
    speed_limit=SpeedLimit(
        20, "Multiply a whole window by the kernel at once: (window * kernel).sum()."
    ),
    hints=(
        "How often does a kernel of height 3 fit into 5 rows, moved down one row at a time? "
        "Count, then write it with H and h.",
        "Make an empty result of (H - h + 1, W - w + 1) and fill it in two loops, one over its "
        "rows and one over its columns.",
        "The window at (row, column) is image[row : row + h, column : column + w]. "
        "What belongs into the result there is (window * kernel).sum().",
    ),
    misconceptions=(
        Misconception(
            turned_kernel,
            "This comes out when the kernel is turned by 180 degrees. Mathematicians call that "
            "convolution; networks leave the kernel as it is (cross-correlation).",
        ),
        Misconception(
            transposed_kernel,
            "This comes out when the rows and columns of the kernel are swapped.",
        ),
        Misconception(
            padded,
            "The result is as large as the image, as with zeros around the border. Here the "
            "kernel only visits the places where it fits in whole.",
            by_shape=True,
        ),
        Misconception(
            padded_all_round,
            "The result is larger than the image: the kernel also visits places where it hangs "
            "over the border. Here it must fit in whole.",
            by_shape=True,
        ),
        Misconception(
            one_place_short,
            "The last row and column are missing: a kernel of 2 fits into 3 pixels twice, so "
            "the size is H - h + 1, not H - h.",
            by_shape=True,
        ),
        Misconception(
            transposed_result,
            "The rows and columns of the result are swapped: rows come first, in the loops and "
            "in result[row, column].",
        ),
        Misconception(
            mean_of_products,
            "This is the mean of the products; a convolution takes their sum.",
        ),
    ),
)


def max_pool2d_solution(image: torch.Tensor, size: int) -> torch.Tensor:
    """Keep the largest number of each size x size window; windows do not overlap.

    Rows and columns at the end that do not fill a window are left out.

    Args:
        image: (H, W) float32, at least `size` high and wide.
        size: height and width of a window, in pixels.

    Returns:
        (H // size, W // size) float32.
    """
    height, width = image.shape[0] // size, image.shape[1] // size
    windows = image[: height * size, : width * size].reshape(height, size, width, size)
    return windows.amax(dim=(1, 3))  # (H // size, W // size)


def _max_pool2d_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(2)
    by_hand = torch.tensor([[-4.0, -3.0], [-1.0, -2.0]])
    rows = [
        [1.0, 2.0, 0.0, 7.0],
        [3.0, -8.0, 5.0, 6.0],
        [4.0, 0.0, 0.0, 1.0],
        [-2.0, 9.0, 2.0, 3.0],
    ]

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randint(-9, 10, shape, generator=generator).float()

    return [
        Case("one window, all of it negative", (by_hand, 2)),
        Case("four windows", (torch.tensor(rows), 2)),
        Case("an odd last row and column", (drawn(5, 7), 2)),
        Case("windows of three", (drawn(7, 10), 3)),
    ]


def _pool(image: torch.Tensor, size: int, stride: int, reduce) -> torch.Tensor:
    """(H', W') of `reduce` over the size x size windows at every stride-th pixel."""
    windows = image.unfold(0, size, stride).unfold(1, size, stride)  # (H', W', size, size)
    return reduce(windows.flatten(2))


def mean_pool(image, size):
    return _pool(image, size, size, lambda windows: windows.mean(dim=2))


def min_pool(image, size):
    return _pool(image, size, size, lambda windows: windows.amin(dim=2))


def overlapping(image, size):
    return _pool(image, size, 1, lambda windows: windows.amax(dim=2))


def incomplete_windows_kept(image, size):
    rest = [-length % size for length in image.shape]
    wider = torch.nn.functional.pad(image, (0, rest[1], 0, rest[0]), value=-math.inf)
    return max_pool2d_solution(wider, size)


def starting_at_zero(image, size):
    return max_pool2d_solution(image, size).clamp(min=0)


def largest_size(image, size):
    return max_pool2d_solution(image.abs(), size)


def subsampled(image, size):
    return image[: image.shape[0] // size * size : size, : image.shape[1] // size * size : size]


def transposed_windows(image, size):
    return max_pool2d_solution(image, size).T


def global_max(image, size):
    return image.max()


max_pool2d = Exercise(
    name="max_pool2d",
    title="max pooling",
    difficulty=2,
    minutes=8,
    teaches="How pooling shrinks a picture and keeps that something was there, not exactly where.",
    reference=max_pool2d_solution,
    why="Once height and width are split into (windows, size), the maximum runs over the two "
    "axes that lie inside a window; no loop is needed.",
    cases=_max_pool2d_cases,
    as_picture=True,
    without=("max_pool2d", "MaxPool2d", "adaptive_max_pool2d"),
    hints=(
        "How many windows of 2 fit into 5 rows if they may not overlap? Try // .",
        "Window number r starts in row r * size. Two loops, over the rows and columns of the "
        "result, can visit all of them.",
        "result[r, c] = image[r * size : (r + 1) * size, c * size : (c + 1) * size].max()",
    ),
    misconceptions=(
        Misconception(mean_pool, "This is the mean of each window; max pooling keeps the largest."),
        Misconception(min_pool, "This is the smallest number of each window, not the largest."),
        Misconception(
            overlapping,
            "This comes out when the window moves by one pixel, so that windows overlap; here it "
            "moves by its own size.",
            by_shape=True,
        ),
        Misconception(
            incomplete_windows_kept,
            "This keeps the last row or column that does not fill a window; here it is left out "
            "(torch calls the other choice ceil_mode=True).",
            by_shape=True,
        ),
        Misconception(
            starting_at_zero,
            "A window of negative numbers gives 0 here: the search for the largest must not start "
            "at 0, and padding must not bring in zeros.",
        ),
        Misconception(
            largest_size,
            "This compares numbers without their sign: -8 is smaller than 1, not larger.",
        ),
        Misconception(
            subsampled,
            "This takes the top left pixel of each window and never looks at the others.",
        ),
        Misconception(
            transposed_windows,
            "The rows and columns of the result are swapped: rows come first, in the loops and "
            "in result[row, column].",
        ),
        Misconception(
            global_max,
            "This is the largest number of the whole image; each window has its own.",
        ),
    ),
)
