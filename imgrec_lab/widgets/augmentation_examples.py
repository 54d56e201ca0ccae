"""What may happen to one picture under an augmentation: steps from a menu, draws put into words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from imgrec_lab import augment, box_ops
from imgrec_lab.augment import Draw, Policy, Step
from imgrec_lab.augment.checking import check_images, check_target
from imgrec_lab.box_ops import Target
from imgrec_lab.plots import figures

EVERYTHING = "all but flip"

# What the menu offers: step, unit of its strength, largest and first strength; the least is 0.
CHOICES: dict[str, tuple[type[Step] | None, str, float, float]] = {
    "flip": (augment.Flip, "", 1, 1),
    "translate": (augment.Translate, "of the side", 0.5, 0.25),
    "rotate": (augment.Rotate, "degrees", 180, 45),
    "scale": (augment.Scale, "factor 1 +", 1, 0.5),
    "crop": (augment.Crop, "area cut off", 0.8, 0.4),
    "brightness": (augment.Brightness, "factor 1 ±", 1, 0.6),
    "contrast": (augment.Contrast, "factor 1 ±", 1, 0.6),
    "saturation": (augment.Saturation, "factor 1 ±", 1, 0.6),
    "blur": (augment.Blur, "pixels", 4, 2),
    "noise": (augment.Noise, "of white", 0.5, 0.2),
    "cutout": (augment.Cutout, "of the side", 1, 0.5),
    EVERYTHING: (None, "of each", 1, 0.5),
}


def make_steps(name: str, strength: float, p: float) -> list[Step]:
    """The steps of a menu entry; all together have a share of the strength each begins with."""
    step, strength, p = CHOICES[name][0], round(strength, 4), round(p, 4)
    if step is None:
        single = [part for part in CHOICES if part not in ("flip", EVERYTHING)]
        return [make_steps(part, strength * CHOICES[part][3], p)[0] for part in single]
    if step is augment.Flip:
        return [step(p=p)]
    if step is augment.Crop:
        return [step(round(1 - strength, 4), aspect_ratio=1, p=p)]
    return [step(strength, p=p)]


@dataclass(frozen=True, eq=False)
class Example:
    """One way that a draw may turn out for a picture with M boxes."""

    image: Tensor  # (C, H, W), of the type that came
    target: Target  # the objects that are left
    kept: Tensor  # (M',) int64, which of the M those are
    moved: Tensor  # (M, 4) xyxy pixels, all boxes, cut off at the edges
    shares: Tensor  # (M,) how much of each moved box is inside the picture and uncovered
    corners: Tensor | None  # (4, 2) xy of this picture's corners in the old one, if it moved
    words: list[str]  # what happened, a text a step


def draw_examples(
    image: Tensor, target: Target, policy: Policy, *, seed: int, count: int = 9
) -> list[Example]:
    """``count`` independent draws for one picture; a stronger policy meets the same chances.

    Args:
        image: (C, H, W) uint8, or float in [0, 1], C = 1 or 3.
        target: of the picture; masks where known.
        policy: of steps for single pictures: no mixing.

    Raises:
        TypeError, ValueError: if image or target is of another kind.
    """
    figures.paint_picture(image)
    check_images(image[None])
    check_target(target, size := tuple(image.shape[1:]))
    versions = [policy.steps]
    for at in range(len(policy.steps)):  # the same chances, but nothing else happens
        versions.append([replace(s, p=s.p * (i == at)) for i, s in enumerate(policy.steps)])
    drawn, *alone = (
        replace(policy, steps=v).draw(count, size, generator=torch.Generator().manual_seed(seed))
        for v in versions
    )
    border = policy.border or ("grey" if len(target["boxes"]) else "reflect")
    images = drawn.images(image.repeat(count, 1, 1, 1), border=border)  # (count, C, H, W)
    return [_example(images[row], target, policy, drawn, alone, row) for row in range(count)]


def _example(
    image: Tensor, target: Target, policy: Policy, draw: Draw, alone: Sequence[Draw], row: int
) -> Example:
    moved, shares = draw.boxes(target["boxes"], row, box_shape=policy.box_shape)
    numbered = target | {"labels": torch.arange(len(moved))}
    limits = {"min_visibility": policy.min_visibility, "box_shape": policy.box_shape}
    left = draw.target(numbered, row, **limits)
    kept = left["labels"]
    words = [_words(*pair, row) for pair in zip(policy.steps, alone, strict=True)]
    return Example(
        image, left | {"labels": target["labels"][kept]}, kept, moved, shares,
        _corners(draw, row), [text for text in words if text],
    )  # fmt: skip


def _corners(draw: Draw, row: int) -> Tensor | None:
    """Where the corners of picture ``row`` lay in the old one, (4, 2) xy; None if it stayed."""
    if draw.maps is None or (draw.maps[row] == torch.eye(3)).all():
        return None
    H, W = draw.image_size
    corners = torch.tensor([[0, 0, 1], [W, 0, 1], [W, H, 1], [0, H, 1]], dtype=torch.float64)
    return (corners @ torch.linalg.inv(draw.maps[row]).T)[:, :2]


def _words(step: Step, draw: Draw, row: int) -> str:
    """What a draw of this step alone did to picture ``row``; "" for nothing."""
    name = type(step).__name__.lower()
    if draw.maps is not None:
        (a, _, x), (b, d, y), _ = draw.maps[row].tolist()
        turn = math.degrees(math.atan2(b, a))
        texts = {
            "flip": "mirrored",
            "translate": f"{'←→'[x > 0]} {abs(x):.0f}, {'↑↓'[y > 0]} {abs(y):.0f} px",
            "rotate": f"turned {'↺↻'[turn > 0]} {abs(turn):.1f}°",
            "scale": f"scaled × {a:.2f}",
            "crop": f"{1 / (a * d or 1):.2f} of the area",
        }
        return "" if (a, b, d, x, y) == (1, 0, 1, 0, 0) else texts[name]
    if draw.colors is not None:
        factor = (draw.colors.gain * draw.colors.saturation)[row].item()
        return "" if factor == 1 else f"{name} × {factor:.2f}"
    if draw.holes is not None:
        share = box_ops.area(draw.holes[row : row + 1]).item() / math.prod(draw.image_size)
        return f"{share:.2f} covered" if share else ""
    amounts, unit = (draw.noise_std, "") if draw.sigma_px is None else (draw.sigma_px, " px")
    return f"{name} {amounts[row]:.2f}{unit}" if amounts is not None and amounts[row] else ""
