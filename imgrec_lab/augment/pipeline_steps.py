"""Parts of an albumentations pipeline, named after what they are for.

Each function returns an albumentations transform that is drawn anew for each picture and can stand
beside plain albumentations transforms. ``strength`` runs from 0, which changes nothing, to 1, at
which a person still recognises drawn signs and streets of 32 to 224 pixels.
"""

import difflib
import inspect
import math
import warnings
from collections.abc import Callable

import cv2

from imgrec_lab.augment.checking import check_choice, check_number
from imgrec_lab.augment.quiet_albumentations import A, Transform


def checked(transform: Callable[..., Transform], **arguments) -> Transform:
    """``transform(**arguments)``, where an argument that albumentations ignores is an error.

    albumentations only warns of a misspelt or outdated argument, and uses its default instead.

    Args:
        transform: an albumentations class, such as ``A.Rotate``.
        arguments: its arguments, by name.

    Raises:
        TypeError: if the class has no such argument.
        ValueError: if an argument has a value that the class does not take.
    """
    known = [name for name in inspect.signature(transform).parameters if name != "self"]
    refuse_unknown(transform.__name__, [name for name in arguments if name not in known], known)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            return transform(**arguments)
        except UserWarning as warning:
            raise ValueError(
                f"{transform.__name__} would ignore an argument: {warning}. "
                f"Its arguments are {', '.join(known)}."
            ) from None


def refuse_unknown(transform: str, unknown: list[str], known: list[str]) -> None:
    """Raise TypeError where there are unknown arguments, with the known one that looks alike."""
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(known)}."
    raise TypeError(f"{transform} must be given arguments that it has; got {unknown[0]}. {advice}")


def orientation(
    *, degrees: float = 15.0, flip: bool = False, border: str = "edge", p: float = 1.0
) -> Transform:
    """Turn the picture about its centre, and where ``flip`` says so mirror every second one.

    Only mirror what keeps its label: a cat does, a "turn left" sign does not.

    Args:
        degrees: the angle is drawn evenly from -degrees to degrees; 0 to 180.
        flip: whether to mirror left to right, half of the time.
        border: what fills the corners: ``"edge"``, the outermost pixels drawn out, or ``"black"``.
            A mask at the border is drawn out like the picture, its box is not: for masks take
            ``"black"``.
        p: how often it happens.

    Raises:
        TypeError, ValueError: if an argument is out of its range.
    """
    check_number("degrees", degrees, 0, 180, "Try 15.")
    check_choice("border", border, ("edge", "black"))
    _check_flag("flip", flip)
    _check_shares(p=p)
    mode = cv2.BORDER_REPLICATE if border == "edge" else cv2.BORDER_CONSTANT
    parts = [checked(A.Rotate, limit=(-degrees, degrees), border_mode=mode, p=1.0)] * (degrees > 0)
    parts += [checked(A.HorizontalFlip, p=0.5)] * flip
    return A.Sequential(parts, p=p) if parts else A.NoOp(p=1.0)


def crop(
    image_size: tuple[int, int],
    *,
    area: tuple[float, float] = (0.5, 1.0),
    aspect_ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Transform:
    """Cut out a rectangle and resize it, smoothed where it shrinks; every picture is cropped.

    Args:
        image_size: (height, width) of the result, pixels.
        area: the least and the largest share of the picture that is kept; above 0, at most 1.
        aspect_ratio: the least and the largest width / height of what is cut out, in pixels.

    Raises:
        TypeError, ValueError: if an argument is out of its range.
    """
    _check_size(image_size)
    _check_range("area", area, 1.0, "(0.5, 1.0)")
    _check_range("aspect_ratio", aspect_ratio, math.inf, "(3 / 4, 4 / 3)")
    return checked(
        A.RandomResizedCrop, size=tuple(image_size), scale=tuple(area), ratio=tuple(aspect_ratio),
        area_for_downscale="image", p=1.0,
    )  # fmt: skip


def lighting(strength: float = 0.3, *, p: float = 1.0) -> Transform:
    """Brightness, contrast, saturation, a little hue, and gamma: another hour, another camera.

    Raises:
        ValueError: if ``strength`` or ``p`` is not in 0 to 1.
    """
    _check_shares(strength=strength, p=p)
    if strength == 0:
        return A.NoOp(p=1.0)
    factor = (1 - 0.5 * strength, 1 + 0.5 * strength)
    gamma = 1 + 0.6 * strength
    return A.Sequential(
        [
            checked(
                A.ColorJitter, brightness=factor, contrast=factor, saturation=factor,
                hue=(-0.03 * strength, 0.03 * strength), p=1.0,
            ),
            checked(A.RandomGamma, gamma_limit=(100 / gamma, 100 * gamma), p=1.0),
        ],
        p=p,
    )  # fmt: skip


def weather(strength: float = 0.3, *, p: float = 0.5) -> Transform:
    """Fog, rain or a shadow across the picture: one of them.

    Raises:
        ValueError: if ``strength`` or ``p`` is not in 0 to 1.
    """
    _check_shares(strength=strength, p=p)
    if strength == 0:
        return A.NoOp(p=1.0)
    return checked(
        A.OneOf,
        transforms=[
            checked(A.RandomFog, fog_coef_range=(0.2 * strength, 0.7 * strength), p=1.0),
            checked(
                A.RandomRain, slant_range=(-15, 15), blur_value=1,
                brightness_coefficient=1 - 0.4 * strength, p=1.0,
            ),
            checked(
                A.RandomShadow, shadow_roi=(0, 0, 1, 1),
                shadow_intensity_range=(0.3 * strength, 0.7 * strength), p=1.0,
            ),
        ],
        p=p,
    )  # fmt: skip


def camera(strength: float = 0.3, *, p: float = 0.5) -> Transform:
    """What a cheap camera does: fewer pixels or a blur, noise, and JPEG compression.

    Each of the three happens with probability ``p``. Fewer pixels weigh alike in small and large
    pictures; the blur, up to one pixel, is felt in small ones.

    Raises:
        ValueError: if ``strength`` or ``p`` is not in 0 to 1.
    """
    _check_shares(strength=strength, p=p)
    if strength == 0:
        return A.NoOp(p=1.0)
    smooth = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}
    coarse = checked(
        A.Downscale, scale_range=(1 - 0.5 * strength, 1.0), interpolation_pair=smooth, p=1.0
    )
    blur = checked(A.GaussianBlur, sigma_limit=(0.0, strength), p=1.0)
    return A.Sequential(
        [
            checked(A.OneOf, transforms=[coarse, blur], p=p),
            checked(A.GaussNoise, std_range=(0.0, 0.08 * strength), p=p),
            checked(A.ImageCompression, quality_range=(int(100 - 70 * strength), 100), p=p),
        ],
        p=1.0,
    )


def erase(strength: float = 0.3, *, p: float = 0.5) -> Transform:
    """Cover a rectangle with one colour, so that no single detail is relied upon.

    A box shrinks to what is left to see of it, a mask loses the covered pixels.

    Args:
        strength: the rectangle's sides are up to half of this share of the picture's.
        p: how often it happens.

    Raises:
        ValueError: if ``strength`` or ``p`` is not in 0 to 1.
    """
    _check_shares(strength=strength, p=p)
    if strength == 0:
        return A.NoOp(p=1.0)
    side = (0.1 * strength, 0.5 * strength)
    return checked(
        A.CoarseDropout, num_holes_range=(1, 1), hole_height_range=side, hole_width_range=side,
        fill="random_uniform", fill_mask=0, p=p,
    )  # fmt: skip


def _check_shares(**shares: float) -> None:
    for name, value in shares.items():
        check_number(name, value, 0, 1, "Try 0.3.")


def _check_flag(name: str, value: bool) -> None:
    if not isinstance(value, bool):
        raise TypeError(
            f"{name} must be True or False; got {value!r}. True does it to every second picture."
        )


def _check_size(image_size: tuple[int, int]) -> None:
    sides = tuple(image_size) if isinstance(image_size, tuple | list) else ()
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(
            f"image_size must be (height, width) in whole pixels; got {image_size!r}. "
            "Try (224, 224)."
        )


def _check_range(name: str, pair: tuple[float, float], most: float, advice: str) -> None:
    numbers = tuple(pair) if isinstance(pair, tuple | list) else ()
    fits = len(numbers) == 2 and all(type(number) in (int, float) for number in numbers)
    if not fits or not 0 < numbers[0] <= numbers[1] <= most or math.isinf(numbers[1]):
        bound = f" and at most {most:g}" if math.isfinite(most) else ""
        raise ValueError(
            f"{name} must be (least, largest), above 0{bound}; got {pair!r}. Try {advice}."
        )
