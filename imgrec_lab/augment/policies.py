"""A policy: steps that may happen to a picture, as a value that can be run, printed and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from imgrec_lab import atomic_files
from imgrec_lab.augment.checking import check_choice, check_images, check_number
from imgrec_lab.augment.draws import Draw
from imgrec_lab.augment.geometry import Border, BoxShape
from imgrec_lab.augment.steps import (
    CHANCES,
    KINDS,
    Brightness,
    Contrast,
    Cutout,
    Flip,
    MixStep,
    Step,
    Translate,
)

_FORMAT, _VERSION = "imgrec_lab.augment.Policy", 1


@dataclass(frozen=True)
class Policy:
    """Random changes of a batch, where the batch already is; what ``train.fit(augment=...)`` takes.

    ``policy(images, targets)`` draws anew for each picture, from torch's global generator. Maps
    and colours are joined in the order of the steps; see ``Draw`` for the order of the rest.

    Attributes:
        steps: what may happen.
        choose: if given, each picture meets this many of the steps only, chosen anew
            (RandAugment, Cubuk et al. 2020, https://arxiv.org/abs/1909.13719); mixing stays apart.
        border: "reflect", "edge" or "grey", what stands where a moved picture has no pixels; None
            reflects, but takes grey where there are boxes: a mirrored object would have no label.
        min_visibility: objects of whose box a smaller share can still be seen are left out.
        box_shape: "rectangle" or "ellipse", what turned boxes hold (``geometry.warp_boxes``).

    Raises:
        TypeError, ValueError: if a step or number makes no sense.
    """

    steps: tuple[Step, ...]
    choose: int | None = None
    border: Border | None = None
    min_visibility: float = 0.1
    box_shape: BoxShape = "rectangle"

    def __post_init__(self) -> None:
        steps = tuple(self.steps) if isinstance(self.steps, Iterable) else (self.steps,)
        object.__setattr__(self, "steps", steps)
        _check_steps(steps)
        _check_choose(self.choose, sum(not isinstance(step, MixStep) for step in steps))
        check_choice("border", self.border, (None, *get_args(Border)))
        check_number("min_visibility", self.min_visibility, 0, 1, "0.1 keeps what shows a tenth.")
        check_choice("box_shape", self.box_shape, get_args(BoxShape))

    def draw(
        self, n: int, image_size: tuple[int, int], *, generator: torch.Generator | None = None
    ) -> Draw:
        """What happens to each of ``n`` pictures, drawn and not yet applied.

        Args:
            n: N.
            image_size: (height, width), pixels.
            generator: default torch's global one; in the same state it gives the same draw, on
                whatever device the pictures are.

        Returns:
            A draw whose ``images``, ``target`` and ``mixed`` apply it.
        """
        # For each step and picture: whether it happens, its rank among the steps, how strongly.
        shape = (len(self.steps), 2 + CHANCES, n)
        numbers = torch.rand(shape, dtype=torch.float64, generator=generator).numpy()
        happens = self._happens(numbers[:, 0], numbers[:, 1])  # (S, N)
        draw = Draw(image_size=tuple(image_size), count=n)
        for step, on, chances in zip(self.steps, happens, numbers[:, 2:], strict=True):
            if on.any() or isinstance(step, MixStep):  # labels are of one kind in every batch
                draw = step.onto(draw, on, chances)
        return draw

    def _happens(self, lots: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Which step happens to which picture: (S, N) bool."""
        happens = lots < np.array([step.p for step in self.steps])[:, None]
        if self.choose is None:
            return happens
        mixes = np.array([isinstance(step, MixStep) for step in self.steps], dtype=bool)[:, None]
        rank = (order + mixes).argsort(axis=0).argsort(axis=0)  # mixing steps come last
        return happens & ((rank < self.choose) | mixes)

    def __call__(self, images: Tensor, targets: Any) -> tuple[Tensor, Any]:
        """A batch changed at random: one draw moves pixels, boxes and masks together.

        Args:
            images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3; any device.
            targets: labels (N,), or soft ones (N, K), or a list of N targets (``box_ops.Target``);
                boxes in a bare tensor would pass as labels and not move.

        Returns:
            New images of the same shape and type; labels as they came, or soft (N, K) where
            the policy mixes; or new targets in which objects out of sight are left out.

        Raises:
            TypeError, ValueError: if images or targets are not of that kind.
        """
        check_images(images)
        _check_targets(targets, len(images), self.steps)
        draw = self.draw(len(images), tuple(images.shape[2:]))
        if isinstance(targets, Tensor):
            images = draw.images(images, border=self.border or "reflect")
            return draw.mixed(images, targets)
        images = draw.images(images, border=self.border or "grey")
        limits = {"min_visibility": self.min_visibility, "box_shape": self.box_shape}
        return images, [draw.target(target, row, **limits) for row, target in enumerate(targets)]

    def __str__(self) -> str:
        """A line for each step: what it does and how often."""
        if not self.steps:
            return "no augmentation"
        how = f"{self.choose} of these" if self.choose is not None else "in this order"
        lines = [f"each picture, {how}:"]
        for step in self.steps:
            values = [
                f"{field.name} {getattr(step, field.name):g}"
                for field in fields(step)
                if field.name != "p"
            ]
            often = "always" if step.p == 1 else f"p {step.p:g}"
            lines.append(f"  {type(step).__name__:<11} {', '.join([*values, often])}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The policy as text that ``from_json`` reads."""
        listed = [{"step": type(step).__name__, **asdict(step)} for step in self.steps]
        rest = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        saved = {"format": _FORMAT, "version": _VERSION, "steps": listed, **rest}
        return json.dumps(saved, indent=1, default=float) + "\n"  # numpy's numbers too

    @classmethod
    def from_json(cls, text: str) -> Policy:
        """The policy that ``to_json`` wrote.

        Raises:
            ValueError: if the text is no policy, of another version, or has unknown steps.
        """
        try:
            saved = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"a policy must be JSON; {error}. Save one with save(path).") from None
        if not isinstance(saved, dict) or saved.pop("format", None) != _FORMAT:
            raise ValueError(f"a policy must be JSON with the format {_FORMAT!r}; this is not.")
        if (version := saved.pop("version", None)) != _VERSION:
            raise ValueError(
                f"the policy must have version {_VERSION}; got {version!r}, written by another "
                "imgrec_lab. Write it again with this one, or install that one."
            )
        try:
            return cls([_step(**entry) for entry in saved.pop("steps")], **saved)
        except (KeyError, TypeError) as error:
            raise ValueError(f"the policy is damaged: {error}. Save it again.") from error

    def save(self, path: str | Path) -> Path:
        """Write ``to_json`` to ``path``, whole or not at all."""
        atomic_files.write_text(Path(path), self.to_json())
        return Path(path)


def load_policy(path: str | Path) -> Policy:
    """The policy in a file that ``Policy.save`` wrote.

    Raises:
        ValueError: if the file holds no policy of this version; the message names the file.
    """
    try:
        return Policy.from_json(Path(path).read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def default_policy(*, flip: bool) -> Policy:
    """What helps most photographs a little and harms few: small moves, light, a covered part.

    Args:
        flip: whether mirrored pictures keep their labels. A cat does, a "turn left" sign does not.
    """
    steps = [Translate(0.125), Brightness(0.2), Contrast(0.2), Cutout(0.25, p=0.5)]
    return Policy([Flip(), *steps] if flip else steps)


def _step(step: str, **values: Any) -> Step:
    if step not in KINDS:
        raise ValueError(f"a step must be one of {', '.join(KINDS)}; got {step!r}.")
    return KINDS[step](**values)


def _check_steps(steps: Sequence[object]) -> None:
    for step in steps:
        if not isinstance(step, Step):
            raise TypeError(
                f"steps must be steps such as augment.Flip(); got {step!r}. Other callables go "
                "beside a policy: augment.chain(policy, other)."
            )
    if sum(isinstance(step, Cutout) for step in steps) > 1:
        raise ValueError(
            "steps may hold one Cutout; got several. Take one with a larger fraction, or a "
            "second policy: augment.chain(policy, other)."
        )


def _check_choose(choose: object, most: int) -> None:
    whole = isinstance(choose, int) and not isinstance(choose, bool)
    if choose is not None and not (whole and 0 <= choose <= most):
        raise ValueError(
            f"choose must be a whole number from 0 to {most}, the steps that do not mix; got "
            f"{choose!r}. None lets all of them happen."
        )


def _check_targets(targets: Any, count: int, steps: Sequence[Step]) -> None:
    if not isinstance(targets, Tensor | list | tuple):
        raise TypeError(
            "targets must be labels (N,), or a list of N targets with boxes; got "
            f"{type(targets).__name__}. For one target use [target]."
        )
    if len(targets) != count:
        raise ValueError(
            f"targets must be one for each of {count} images; got {len(targets)}. For one picture "
            "use images[None]."
        )
    if not isinstance(targets, Tensor) and any(isinstance(step, MixStep) for step in steps):
        raise TypeError(
            "targets must be labels (N,) where pictures are mixed; got a list, as for boxes. Take "
            "MixUp and CutMix out of the policy."
        )
