"""An exercise of lesson 09: whether arithmetic or memory holds a layer back.

Source: Williams, Waterman and Patterson 2009, Roofline: an insightful visual performance model for
multicore architectures, https://doi.org/10.1145/1498765.1498785.
"""

from imgrec_lab.checks import Case, Exercise, Misconception


def attainable_gflops_solution(
    flops: float, bytes_moved: float, peak_gflops: float, bandwidth_gb_s: float
) -> float:
    """The most that a layer can reach on a machine, by the roofline.

    A layer computes no faster than the machine can, and no faster than its memory brings the
    numbers. While some are computed with, others are on their way.

    Args:
        flops: calculations in the layer.
        bytes_moved: that it reads from memory and writes to it.
        peak_gflops: what the machine computes at best, 10^9 calculations a second.
        bandwidth_gb_s: what its memory brings at best, 10^9 bytes a second.

    Returns:
        GFLOP/s, 10^9 calculations a second.
    """
    intensity = flops / bytes_moved  # calculations a byte
    return min(peak_gflops, intensity * bandwidth_gb_s)


def _attainable_gflops_cases() -> list[Case]:
    depthwise, card = 18_000_000_000, (82_600.0, 1008.0)
    return [
        Case("one calculation for eight bytes", (1_000_000_000, 8_000_000_000, 1000.0, 100.0)),
        Case("a matrix product: 200 for each byte", (2_000_000_000, 10_000_000, 1000.0, 100.0)),
        Case("just as much of each as the machine can", (50_000_000, 5_000_000, 1000.0, 100.0)),
        Case("a matrix product on a graphics card", (2_000_000_000, 10_000_000, *card)),
        Case("a depthwise convolution on it", (depthwise, 8_000_000_000, *card)),
        Case("the same with numbers of half the size", (depthwise, 4_000_000_000, *card)),
    ]


def higher_roof(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return max(peak_gflops, flops / bytes_moved * bandwidth_gb_s)


def roofs_added(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return peak_gflops + flops / bytes_moved * bandwidth_gb_s


def roofs_averaged(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return (peak_gflops + flops / bytes_moved * bandwidth_gb_s) / 2


def upside_down(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return min(peak_gflops, bytes_moved / flops * bandwidth_gb_s)


def memory_only(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return flops / bytes_moved * bandwidth_gb_s


def peak_only(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return peak_gflops


def bandwidth_forgotten(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return min(peak_gflops, flops / bytes_moved)


def intensity_forgotten(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return min(peak_gflops, bandwidth_gb_s)


def intensity_divided(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return min(peak_gflops, flops / bytes_moved / bandwidth_gb_s)


def intensity_rounded(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return min(peak_gflops, flops // bytes_moved * bandwidth_gb_s)


def one_after_the_other(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return flops / (flops / peak_gflops + bytes_moved / bandwidth_gb_s)


def needed_seconds(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return max(flops / peak_gflops, bytes_moved / bandwidth_gb_s) / 1e9


def share_of_peak(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return min(1.0, flops / bytes_moved * bandwidth_gb_s / peak_gflops)


def whole_calculations(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return 1e9 * min(peak_gflops, flops / bytes_moved * bandwidth_gb_s)


def tera(flops, bytes_moved, peak_gflops, bandwidth_gb_s):
    return min(peak_gflops, flops / bytes_moved * bandwidth_gb_s) / 1000


attainable_gflops = Exercise(
    name="attainable_gflops",
    title="the roof over a layer",
    difficulty=1,
    minutes=5,
    teaches="To see from a layer and two numbers of a machine what holds it back.",
    reference=attainable_gflops_solution,
    why="Each byte that memory brings is enough for flops / bytes_moved calculations, so the bytes "
    "of one second are enough for that times the bandwidth. The lower of the two limits holds.",
    cases=_attainable_gflops_cases,
    hints=(
        "There are two limits: one of arithmetic, which is given, and one of memory. If a byte is "
        "enough for two calculations, for how many are 100 GB enough?",
        "flops / bytes_moved is the number of calculations for each byte; memory brings "
        "bandwidth_gb_s GB of them a second.",
        "Return the smaller of peak_gflops and flops / bytes_moved * bandwidth_gb_s.",
    ),
    misconceptions=(
        Misconception(
            higher_roof,
            "This is the higher of the two limits. A layer reaches the lower one: it waits for "
            "whatever is slower.",
        ),
        Misconception(
            roofs_added,
            "The two limits are added. Memory computes nothing: the lower limit is what holds.",
        ),
        Misconception(
            roofs_averaged,
            "This is the mean of the two limits. A layer waits for the slower of the two: take the "
            "lower limit.",
        ),
        Misconception(
            upside_down,
            "Calculations and bytes are the wrong way round: divide flops by bytes_moved.",
        ),
        Misconception(
            memory_only,
            "This is the limit of memory alone. No layer computes faster than peak_gflops.",
        ),
        Misconception(
            peak_only,
            "This is what the machine computes at best, for every layer. One that needs many bytes "
            "for few calculations waits for memory. Are both limits in 10^9 a second?",
        ),
        Misconception(
            bandwidth_forgotten,
            "These are calculations a byte. Multiply them by the bytes a second, before you "
            "compare them with the peak.",
        ),
        Misconception(
            intensity_forgotten,
            "Bytes a second are compared with calculations a second. Multiply the bytes by "
            "flops / bytes_moved.",
        ),
        Misconception(
            intensity_divided,
            "Calculations a byte were divided by bytes a second. Multiply: the bytes must cancel.",
        ),
        Misconception(
            intensity_rounded,
            "Calculations a byte were rounded down to a whole number. Divide with /, not //.",
        ),
        Misconception(
            one_after_the_other,
            "The times of arithmetic and of memory were added, as if one waited for the other to "
            "end. They run at once: the longer of the two is what it takes.",
        ),
        Misconception(
            needed_seconds,
            "These are the seconds that the layer takes. Calculations a second were asked for.",
        ),
        Misconception(share_of_peak, "This is a fraction of the peak; GFLOP/s were asked for."),
        Misconception(
            whole_calculations, "These are calculations a second. GFLOP/s are 10^9 times fewer."
        ),
        Misconception(tera, "These are TFLOP/s, of 10^12. GFLOP/s were asked for."),
    ),
)
