"""What makes a picture hard to read: the dials of ``scenes``, and checks of what comes in."""

import difflib
import numbers
import operator
import random
from collections.abc import Sequence
from dataclasses import dataclass

LIGHTS = ("day", "dusk", "night")
WEATHERS = ("clear", "fog", "rain")


@dataclass(frozen=True)
class Conditions:
    """What makes a picture hard to read; the defaults are a clear day and a good camera.

    Attributes:
        light: "day", "dusk" or "night".
        weather: "clear", "fog" or "rain".
        blur_px: standard deviation of the blur, pixels, 0 to 8.
        noise: standard deviation of the sensor noise, as a fraction of white, 0 to 0.5.
        exposure: stops above or below a correct exposure, -4 to 4.
        perspective: 0 looks at the sign from the front, 1 from about 60 degrees.
        occlusion: fraction of each sign that something hides, 0 to 0.9.
        stickers: how many stickers each sign carries, 0 to 8.

    Raises:
        ValueError: if a value is outside its range.
    """

    light: str = "day"
    weather: str = "clear"
    blur_px: float = 0.0
    noise: float = 0.0
    exposure: float = 0.0
    perspective: float = 0.0
    occlusion: float = 0.0
    stickers: int = 0

    def __post_init__(self) -> None:
        _check_choice("light", self.light, LIGHTS)
        _check_choice("weather", self.weather, WEATHERS)
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not low <= value <= high:
                raise ValueError(
                    f"{name} must be a number from {low} to {high}; got {value!r}. "
                    "0 switches it off."
                )
        if self.stickers != int(self.stickers):
            raise ValueError(
                f"stickers must be a whole number; got {self.stickers!r}. "
                f"Try {round(self.stickers)}."
            )


_RANGES = {
    "blur_px": (0, 8),
    "noise": (0, 0.5),
    "exposure": (-4, 4),
    "perspective": (0, 1),
    "occlusion": (0, 0.9),
    "stickers": (0, 8),
}


def sample_conditions(n: int, *, seed: int) -> list[Conditions]:
    """Conditions as a camera behind a windscreen meets them: the natural mix.

    Args:
        n: how many.
        seed: conditions i depend on the seed and i only.

    Returns:
        n values: 60 % day, 20 % dusk, 20 % night; 70 % clear, 15 % fog, 15 % rain; half of them
        a little blurred, a fourth with something in front of the sign, a seventh with stickers.

    Raises:
        ValueError: if n is below 0.
        TypeError: if n or the seed is not a whole number.
    """
    rng = random.Random(f"conditions {whole('seed', seed)}")
    return [_natural(rng) for _ in range(count("n", n))]


def _natural(rng: random.Random) -> Conditions:
    dark = (0, 0, 0, 1, 2)[int(5 * rng.random())]  # the darker, the more blur and noise
    weather = rng.random()
    return Conditions(
        light=LIGHTS[dark],
        weather="clear" if weather < 0.7 else "fog" if weather < 0.85 else "rain",
        blur_px=max(0.0, rng.uniform(-0.9, 0.9 + 0.1 * dark)),
        noise=rng.uniform(0.0, 0.04 + 0.02 * dark),
        exposure=rng.uniform(-1.0, 1.0),
        perspective=rng.uniform(0.0, 0.8),
        occlusion=max(0.0, rng.uniform(-0.9, 0.35)),
        stickers=max(0, int(rng.uniform(-12, 3))),
    )


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        near = difflib.get_close_matches(str(value).lower(), choices, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"The usual one is {choices[0]!r}."
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}. {hint}")


def count(name: str, value: int) -> int:
    """A checked number of pictures."""
    number = whole(name, value)
    if number < 0:
        raise ValueError(f"{name} must be 0 or more; got {number}. For one picture use 1.")
    return number


def whole(name: str, value: int) -> int:
    """A checked whole number, from Python, numpy or torch."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name} must be a whole number; got {value!r}. For a float x use int(x)."
        ) from None


def checked_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) as two numbers."""
    pair = isinstance(image_size, Sequence) and len(image_size) == 2
    if not pair or not all(isinstance(side, numbers.Integral) and side >= 8 for side in image_size):
        raise ValueError(
            "image_size must be (height, width), whole pixels, 8 or more each; "
            f"got {image_size!r}. For a square picture use (32, 32)."
        )
    return int(image_size[0]), int(image_size[1])


def one_each(
    conditions: Conditions | Sequence[Conditions] | None, n: int, seed: int
) -> list[Conditions]:
    """n conditions, whichever way they were given."""
    if conditions is None:
        return sample_conditions(n, seed=seed)
    if isinstance(conditions, Conditions):
        return [conditions] * n
    several = isinstance(conditions, Sequence) and not isinstance(conditions, str)
    if not several or not all(isinstance(one, Conditions) for one in conditions):
        raise TypeError(
            f"conditions must be scenes.Conditions, one or a list; got {conditions!r}. "
            'Try scenes.Conditions(light="night").'
        )
    if len(conditions) != n:
        raise ValueError(
            f"conditions must be one value or one for each of the {n} pictures; "
            f"got {len(conditions)}. None draws the natural mix."
        )
    return list(conditions)
