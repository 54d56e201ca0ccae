"""The steps of a policy: what may happen to a picture, how strongly and how often.

Each is a value that knows its range and how to add one draw for N pictures to a ``Draw``. Strength
0 changes nothing, and ``p`` is the share of the pictures that the step happens to. Drawing is
arithmetic with a few hundred numbers, for which NumPy has far less overhead than torch.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from imgrec_lab.augment import geometry, mixing
from imgrec_lab.augment.checking import check_number
from imgrec_lab.augment.draws import Draw
from imgrec_lab.augment.mixing import Mix

CHANCES = 4  # evenly drawn numbers that a step gets for each picture


@dataclass(frozen=True)
class Step:
    """What every step has: ``p``, the probability that it happens to a picture.

    Raises:
        ValueError: if a number of the step is outside its range.
    """

    p: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        check_number("p", self.p, 0, 1, "It is a probability: 0.5 is half of the pictures.")

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        """``draw`` with this step added.

        Args:
            draw: of N pictures.
            on: (N,) bool, the pictures that it happens to.
            chances: (CHANCES, N) float64, evenly drawn from 0 to 1.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Flip(Step):
    """Left and right exchanged. Only where a mirrored picture keeps its label."""

    p: float = field(default=0.5, kw_only=True)

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        return draw.moved(geometry.mirror(on, draw.image_size))


@dataclass(frozen=True)
class Translate(Step):
    """Moved by up to ``fraction`` of each side, either way, in whole pixels: nothing is blurred."""

    fraction: float = 0.125

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("fraction", self.fraction, 0, 1, "An eighth of the side is usual: 0.125.")

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        height, width = draw.image_size
        most = np.round(np.multiply((width, height), self.fraction))  # pixels
        offset = np.floor(chances[:2].T * (2 * most + 1)) - most  # (N, 2), evenly in -most..most
        return draw.moved(geometry.translation(offset * on[:, None]))


@dataclass(frozen=True)
class Rotate(Step):
    """Turned about the centre by up to ``degrees``, either way."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("degrees", self.degrees, 0, 180, "180 turns a picture anywhere. Try 15.")

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        degrees = on * self.degrees * _either_way(chances[0])
        return draw.moved(geometry.rotation(degrees, draw.image_size))


@dataclass(frozen=True)
class Scale(Step):
    """Enlarged or made smaller by a factor of up to 1 + ``amount``, about the centre."""

    amount: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("amount", self.amount, 0, 9, "0.2 gives factors from 1 / 1.2 to 1.2.")

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        factor = (1 + self.amount) ** (on * _either_way(chances[0]))
        return draw.moved(geometry.scaling(factor, draw.image_size))


@dataclass(frozen=True)
class Crop(Step):
    """A window of at least ``area`` of the picture, anywhere in it, enlarged to the full size.

    Its aspect ratio is the picture's, changed by up to ``aspect_ratio`` either way.
    """

    area: float = 0.5
    aspect_ratio: float = 4 / 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("area", self.area, 0.01, 1, "0.5 keeps at least half of each picture.")
        check_number("aspect_ratio", self.aspect_ratio, 1, 4, "1 leaves proportions alone.")

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        height, width = draw.image_size
        area = self.area + (1 - self.area) * chances[0]
        stretch = self.aspect_ratio ** (_either_way(chances[1]) / 2)
        side = np.sqrt(area)
        stretch = np.clip(stretch, side, 1 / side)  # no side is longer than the picture's
        share = np.where(on, (side * stretch, side / stretch), 1).T  # (N, 2)
        size = share * (width, height)
        corner = chances[2:4].T * ((width, height) - size)
        boxes = np.concatenate([corner, corner + size], axis=1)
        return draw.moved(geometry.window(boxes, draw.image_size))


@dataclass(frozen=True)
class _ColorStep(Step):
    """A factor between 1 - ``amount`` and 1 + ``amount``."""

    amount: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("amount", self.amount, 0, 1, "0.3 gives factors from 0.7 to 1.3.")

    def factors(self, on: np.ndarray, chances: np.ndarray) -> np.ndarray:
        """(N,), 1 where nothing happens."""
        return 1 + on * self.amount * _either_way(chances[0])


@dataclass(frozen=True)
class Brightness(_ColorStep):
    """Every value times a factor between 1 - ``amount`` and 1 + ``amount``."""

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        factors = self.factors(on, chances)
        return replace(draw, colors=draw.colors_so_far.brighter(factors))


@dataclass(frozen=True)
class Contrast(_ColorStep):
    """Distances from the picture's mean grey times a factor between 1 ± ``amount``."""

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        factors = self.factors(on, chances)
        return replace(draw, colors=draw.colors_so_far.contrasted(factors))


@dataclass(frozen=True)
class Saturation(_ColorStep):
    """Distances of each pixel from its grey times a factor between 1 ± ``amount``."""

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        factors = self.factors(on, chances)
        return replace(draw, colors=draw.colors_so_far.saturated(factors))


@dataclass(frozen=True)
class Blur(Step):
    """Blurred by a Gaussian whose standard deviation is evenly drawn up to ``sigma_px`` pixels."""

    sigma_px: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("sigma_px", self.sigma_px, 0, 20, "Pixels; 1 is a slight blur at 32 x 32.")

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        sigma_px = torch.from_numpy(on * self.sigma_px * chances[0])
        before = 0 if draw.sigma_px is None else draw.sigma_px
        return replace(draw, sigma_px=(before**2 + sigma_px**2) ** 0.5)  # two blurs are one


@dataclass(frozen=True)
class Noise(Step):
    """Normal noise whose standard deviation is evenly drawn up to ``std``, a fraction of white."""

    std: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("std", self.std, 0, 0.5, "A fraction of white: 0.05 is a cheap camera.")

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        std = torch.from_numpy(on * self.std * chances[0])
        before = 0 if draw.noise_std is None else draw.noise_std
        seed = int(chances[1, 0] * 2**52) if draw.count else 0
        return replace(draw, noise_std=(before**2 + std**2) ** 0.5, noise_seed=seed)


@dataclass(frozen=True)
class Cutout(Step):
    """A grey box, ``fraction`` of each side large, anywhere; it may stick out of the picture.

    Source: DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552.
    """

    fraction: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("fraction", self.fraction, 0, 1, "0.25 hides a sixteenth of the picture.")

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        areas = self.fraction**2 * on
        boxes, _ = mixing.random_boxes(areas, draw.image_size, chances[:2].T)
        return replace(draw, holes=boxes)


@dataclass(frozen=True)
class MixStep(Step):
    """Another picture of the batch mixed in, and the labels with it.

    The share that remains of the own picture follows Beta(``alpha``, ``alpha``): mostly almost all
    or almost nothing where ``alpha`` is small, evenly drawn where it is 1.
    """

    num_classes: int
    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("alpha", self.alpha, 0.01, 100, "0.2 and 1 are usual.")
        if not isinstance(self.num_classes, int) or self.num_classes < 2:
            raise ValueError(
                f"num_classes must be a whole number of at least 2; got {self.num_classes!r}. "
                "Try len(data.classes)."
            )

    def partners_and_shares(self, on: np.ndarray, chances: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """The other picture of each (N,), and how much of the own one remains (N,)."""
        seed = (chances[0] * 2**32).astype(np.uint64)
        shares = np.random.default_rng(seed).beta(self.alpha, self.alpha, len(on))
        return torch.from_numpy(chances[1].argsort()), np.where(on, shares, 1)


@dataclass(frozen=True)
class MixUp(MixStep):
    """Each picture blended with another one, and so are the labels.

    Source: Zhang et al. 2018, https://arxiv.org/abs/1710.09412.
    """

    alpha: float = 0.2

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        partners, shares = self.partners_and_shares(on, chances)
        mix = Mix(partners, torch.from_numpy(shares), None, self.num_classes)
        return replace(draw, mixes=(*draw.mixes, mix))


@dataclass(frozen=True)
class CutMix(MixStep):
    """A box of another picture pasted into each; labels count the pixels of both.

    Source: Yun et al. 2019, https://arxiv.org/abs/1905.04899.
    """

    def onto(self, draw: Draw, on: np.ndarray, chances: np.ndarray) -> Draw:
        partners, shares = self.partners_and_shares(on, chances)
        boxes, covered = mixing.random_boxes(1 - shares, draw.image_size, chances[2:4].T)
        mix = Mix(partners, 1 - covered, boxes, self.num_classes)
        return replace(draw, mixes=(*draw.mixes, mix))


KINDS: dict[str, type[Step]] = {
    kind.__name__: kind
    for kind in (
        Flip, Translate, Rotate, Scale, Crop, Brightness, Contrast, Saturation, Blur, Noise, Cutout,
        MixUp, CutMix,
    )
}  # fmt: skip


def _either_way(chances: np.ndarray) -> np.ndarray:
    """Numbers from 0 to 1 as numbers from -1 to 1."""
    return 2 * chances - 1
