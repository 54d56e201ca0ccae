"""An exercise of lesson 09: how much memory a training step needs."""

from imgrec_lab.checks import Case, Exercise, Misconception


def training_gib_solution(num_weights: int, activations_per_image: int, batch_size: int) -> float:
    """How much memory a training step with AdamW needs, all numbers in float32.

    In memory lie the weights, a gradient for each, what AdamW remembers of each (two numbers), and
    the activations: what the layers keep of every picture for the way back. All at once, at most.

    Args:
        num_weights: of the model.
        activations_per_image: how many numbers are kept of one picture.
        batch_size: pictures in a batch.

    Returns:
        GiB, of 2**30 bytes.
    """
    numbers = 4 * num_weights + activations_per_image * batch_size  # weight, gradient, 2 of AdamW
    return 4 * numbers / 2**30  # float32 has 4 bytes


def _training_gib_cases() -> list[Case]:
    return [
        Case("2**28 weights and no activations", (2**28, 0, 1)),
        Case("no weights and 256 pictures", (0, 2**20, 256)),
        Case("both, and one picture", (2**26, 2**28, 1)),
        Case("a ResNet-50 and 32 pictures", (25_557_032, 22_000_000, 32)),
        Case("the same with 256 pictures", (25_557_032, 22_000_000, 256)),
        Case("more weights than activations", (300_000_000, 5_000_000, 16)),
    ]


def _gib(per_weight, per_activation=4, *, unit=2**30, weights_by_batch=0):
    """A wrong answer: bytes for each weight, those times the batch, and for each activation."""

    def answer(num_weights, activations_per_image, batch_size):
        fixed = (per_weight + weights_by_batch * batch_size) * num_weights
        return (fixed + per_activation * activations_per_image * batch_size) / unit

    return answer


decimal = _gib(16, unit=1e9)
mebibytes = _gib(16, unit=2**20)
plain_bytes = _gib(16, unit=1)
three_a_weight = _gib(12)
two_a_weight = _gib(8)
weights_only_once = _gib(4)
numbers_not_bytes = _gib(4, 1)
half_precision = _gib(8, 2)
double_precision = _gib(32, 8)
bits = _gib(128, 32)
gradients_of_activations = _gib(16, 8)
everything_four_times = _gib(16, 16)
no_activations = _gib(16, 0)
activations_alone = _gib(0)
everything_by_batch = _gib(0, weights_by_batch=16)
gradients_by_batch = _gib(12, weights_by_batch=4)


def batch_forgotten(num_weights, activations_per_image, batch_size):
    return training_gib_solution(num_weights, activations_per_image, 1)


def batch_divides(num_weights, activations_per_image, batch_size):
    return (16 * num_weights + 4 * activations_per_image / batch_size) / 2**30


training_gib = Exercise(
    name="training_gib",
    title="does it fit?",
    difficulty=1,
    minutes=5,
    teaches="What lies in a GPU's memory during training, and which part grows with the batch.",
    reference=training_gib_solution,
    why="A weight needs four numbers: itself, its gradient, and AdamW's two running means, of "
    "gradients and of their squares. Only activations are kept for each picture.",
    cases=_training_gib_cases,
    hints=(
        "Which of the four things grow with the batch, and which are there once, however many "
        "pictures there are?",
        "AdamW remembers two numbers of each weight: running means of its gradients and of their "
        "squares. So how many numbers does a weight need in all?",
        "Numbers: 4 * num_weights + activations_per_image * batch_size. Each has 4 bytes, and a "
        "GiB has 2**30.",
    ),
    misconceptions=(
        Misconception(decimal, "These are GB, of 10^9 bytes. A GiB has 2**30, which is 7 % more."),
        Misconception(mebibytes, "These are MiB, of 2**20 bytes. A GiB has 2**30."),
        Misconception(plain_bytes, "These are bytes. Divide by 2**30."),
        Misconception(
            three_a_weight,
            "A weight needs four numbers, and three are counted here: itself, its gradient, and "
            "the two that AdamW remembers.",
        ),
        Misconception(
            two_a_weight,
            "A weight needs four numbers, and two are counted here: itself, its gradient, and the "
            "two that AdamW remembers.",
        ),
        Misconception(
            weights_only_once,
            "Each weight is counted once, which is enough to use a model. Training also needs its "
            "gradient and the two numbers that AdamW remembers.",
        ),
        Misconception(numbers_not_bytes, "Numbers were taken for bytes. float32 has 4 bytes each."),
        Misconception(half_precision, "Two bytes a number is float16. float32 has 4 bytes."),
        Misconception(double_precision, "Eight bytes a number is float64. float32 has 4 bytes."),
        Misconception(bits, "float32 has 32 bits, which are 4 bytes."),
        Misconception(
            gradients_of_activations,
            "Activations are counted twice. Their gradients come and go on the way back, and are "
            "not kept for all layers at once.",
        ),
        Misconception(
            everything_four_times,
            "Activations are counted four times, as weights are. AdamW remembers nothing of them, "
            "and they are kept once.",
        ),
        Misconception(
            no_activations,
            "Activations are missing: what the layers keep of every picture for the way back.",
        ),
        Misconception(
            activations_alone, "These are the activations alone. What does each weight need?"
        ),
        Misconception(
            everything_by_batch,
            "Everything is multiplied by the batch. Weights, gradients and what AdamW remembers "
            "are there once, however many pictures there are.",
        ),
        Misconception(
            gradients_by_batch,
            "Gradients are counted for each picture. They add up: there is one for each weight.",
        ),
        Misconception(
            batch_forgotten,
            "The activations of one picture are counted. The layers keep those of the whole batch.",
        ),
        Misconception(
            batch_divides,
            "Activations were divided by the batch. Each picture has its own: multiply.",
        ),
    ),
)
