"""What was drawn for a batch, and its application to pictures, boxes and masks.

Drawing and applying are two steps, so that everything that belongs to a picture meets the same
chance: its pixels, its boxes, its masks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from imgrec_lab import box_ops
from imgrec_lab.augment import colors, degradations, geometry, mixing, opencv_backend
from imgrec_lab.augment.checking import check_images, check_target
from imgrec_lab.augment.colors import Colors
from imgrec_lab.augment.geometry import Border, BoxShape
from imgrec_lab.augment.mixing import Mix
from imgrec_lab.box_ops import Target

_ROUNDING = 1e-4  # of a share of float32 areas


@dataclass(frozen=True, eq=False)
class Draw:
    """One draw for N pictures of one size; ``Policy.draw`` makes it.

    It is applied in the order in which a photograph comes about: where things stand (one
    resampling for all maps), their colours (one linear map), the lens (blur), the sensor (noise);
    then what is in the way (holes). Mixing with other pictures comes last.

    Attributes:
        image_size: (height, width), pixels.
        count: N.
        maps: (N, 3, 3) float64, see ``geometry``; None where no picture moves.
        colors: see ``colors``; None where no colour changes.
        sigma_px: (N,) standard deviations of the blur, pixels; None where all stay sharp.
        noise_std: (N,) as fractions of white; None for no noise.
        noise_seed: of the noise.
        holes: (N, 4) int64 xyxy pixels, grey boxes; None for none.
        mixes: of pairs of pictures, in order.
    """

    image_size: tuple[int, int]
    count: int
    maps: Tensor | None = None
    colors: Colors | None = None
    sigma_px: Tensor | None = None
    noise_std: Tensor | None = None
    noise_seed: int = 0
    holes: Tensor | None = None
    mixes: tuple[Mix, ...] = ()

    def moved(self, maps: Tensor) -> Draw:
        """This draw, and then every picture moved by ``maps`` (N, 3, 3)."""
        return replace(self, maps=maps if self.maps is None else geometry.joined(self.maps, maps))

    @property
    def colors_so_far(self) -> Colors:
        """The change of colours that a further one is joined to."""
        return Colors.unchanged(self.count) if self.colors is None else self.colors

    def images(self, images: Tensor, *, border: Border = "reflect") -> Tensor:
        """The pictures as drawn, without the mixing.

        Args:
            images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
            border: what stands where a moved picture has no pixels, see ``geometry``.

        Returns:
            (N, C, H, W), new, of the same type and on the same device.

        Raises:
            TypeError, ValueError: if images are of another kind, number or size.
        """
        check_images(images)
        self._check_fit(images)
        if self.count == 0:
            return images.clone()
        if images.device.type == "cpu" and images.dtype in (torch.uint8, torch.float32):
            images = opencv_backend.develop(
                images, self.maps, self.colors, self.sigma_px, border=border
            )
        else:
            images = self._on_device(images, border)
        if self.noise_std is not None:
            images = degradations.add_noise(images, self.noise_std, seed=self.noise_seed)
        return images if self.holes is None else degradations.cover_(images, self.holes)

    def _check_fit(self, images: Tensor) -> None:
        if (len(images), *images.shape[2:]) != (self.count, *self.image_size):
            height, width = self.image_size
            raise ValueError(
                f"images must be those drawn for, {self.count} of {height} x {width} pixels; got "
                f"{len(images)} of {images.shape[2]} x {images.shape[3]}. Draw again for these."
            )

    def _on_device(self, images: Tensor, border: Border) -> Tensor:
        """The same as ``opencv_backend.develop``, on any device: one grid sample for all."""
        exact = images.to(torch.promote_types(images.dtype, torch.float32))
        if images.dtype == torch.uint8:
            exact = exact / 255
        if self.maps is not None:
            exact = geometry.warp_images(exact, self.maps, border=border)
        if self.colors is not None:
            exact = colors.recolor(exact, self.colors)
        if self.sigma_px is not None:
            exact = degradations.gaussian_blur(exact, self.sigma_px)
        if images.dtype == torch.uint8:
            return exact.mul(255).round().to(torch.uint8)
        return exact.clone() if exact is images else exact.to(images.dtype)

    def boxes(
        self, boxes: Tensor, row: int, *, box_shape: BoxShape = "rectangle"
    ) -> tuple[Tensor, Tensor]:
        """Boxes of picture ``row``, moved as its pixels are and cut off at its edges.

        Args:
            boxes: (M, 4) xyxy pixels, in the picture as it was.
            row: which of the N pictures.
            box_shape: see ``geometry.warp_boxes``.

        Returns:
            (M, 4) float32, and the share (M,) of each moved box that is in the picture and
            uncovered; 0 for a box without area, which would gain one when it is turned.

        Raises:
            ValueError: if boxes are not (M, 4).
        """
        boxes, solid = boxes.float(), box_ops.area(boxes) > 0
        if self.maps is not None:
            boxes = geometry.warp_boxes(boxes, self.maps[row], shape=box_shape)
        hole = None if self.holes is None else self.holes[row].to(boxes)
        boxes, shares = _clipped(boxes, self.image_size, hole)
        return boxes, shares.where(solid, 0)

    def target(
        self, target: Target, row: int, *, min_visibility: float, box_shape: BoxShape
    ) -> Target:
        """Boxes, labels and masks of picture ``row``, moved as its pixels are.

        Args:
            target: of the picture as it was.
            row: which of the N pictures.
            min_visibility: objects of whose moved box a smaller share can be seen are left out.
            box_shape: see ``geometry.warp_boxes``.

        Returns:
            The objects that are left, boxes cut off at the picture's edges.

        Raises:
            TypeError, ValueError: if the target does not fit the picture.
        """
        check_target(target, self.image_size)
        boxes, shares = self.boxes(target["boxes"], row, box_shape=box_shape)
        kept = (shares > 0) & (shares > min_visibility - _ROUNDING)
        if "masks" not in target:
            return {"boxes": boxes[kept], "labels": target["labels"][kept]}
        before = target["masks"].bool()
        masks = self._masks(before, row)
        kept &= masks.flatten(1).any(dim=1) | ~before.flatten(1).any(dim=1)
        return {"boxes": boxes[kept], "labels": target["labels"][kept], "masks": masks[kept]}

    def _masks(self, masks: Tensor, row: int) -> Tensor:
        """(M, H, W) bool, the pixels of each object that can still be seen."""
        if self.maps is not None:
            masks = geometry.warp_masks(masks, self.maps[row])
        if self.holes is None:
            return masks
        hole = degradations.covered(self.holes[row : row + 1], self.image_size)
        return masks & ~hole.to(masks.device)

    def mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures and labels mixed as drawn; labels come back as they were where nothing is."""
        for mix in self.mixes:
            images, labels = mixing.blend(images, labels, mix)
        return images, labels


def _clipped(
    boxes: Tensor, image_size: tuple[int, int], hole: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Boxes (M, 4) cut off at the edges, and the share (M,) of each that is inside and uncovered.

    A box without area has a share of 0.
    """
    inside = box_ops.clip(boxes, image_size)
    shown = box_ops.area(inside)
    if hole is not None:
        top_left, bottom_right = inside[:, :2].maximum(hole[:2]), inside[:, 2:].minimum(hole[2:])
        shown = shown - (bottom_right - top_left).clamp(min=0).prod(dim=1)
    whole = box_ops.area(boxes)
    return inside, torch.where(whole > 0, shown / whole.clamp(min=1e-9), 0)
