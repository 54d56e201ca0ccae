"""OpenCV on the CPU, grid_sample elsewhere, and albumentations give the same pictures."""

import os

import numpy as np
import pytest
import torch
from test_augment import as_bytes, smooth

from imgrec_lab import augment
from imgrec_lab.augment import colors, geometry
from imgrec_lab.augment.draws import Draw

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # before the import

SIZE = (40, 56)
STEPS = [
    augment.Flip(), augment.Translate(0.3), augment.Rotate(180), augment.Scale(0.5),
    augment.Crop(0.3), augment.Brightness(0.4), augment.Contrast(0.4), augment.Saturation(0.4),
    augment.Blur(2),
]  # fmt: skip
POLICIES = {type(step).__name__: [step] for step in STEPS} | {
    "colours": STEPS[5:8], "light, then lens": [augment.Brightness(1), STEPS[-1]], "all": STEPS
}  # fmt: skip


@pytest.mark.parametrize("border", ["reflect", "edge", "grey"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", POLICIES)
def test_both_backends_draw_the_same_picture(name, channels, border):
    images = smooth(8, channels, *SIZE)
    chances = torch.Generator().manual_seed(1)
    draw = augment.Policy(POLICIES[name]).draw(8, SIZE, generator=chances)
    here, there = draw.images(images, border=border), draw._on_device(images, border)
    # OpenCV counts places in 1/32 pixel, hence a little; a cut between grey and picture is steep.
    assert (here - there).abs().max() < (6e-3 if border == "grey" else 2e-3)
    as_floats = draw.images(as_bytes(images), border=border) / 255
    # Rounded up to three times, and colours make the first of them larger.
    assert (as_floats - here).abs().max() < 3 / 255
    there = draw._on_device(as_bytes(images), border) / 255
    assert (as_floats - there).abs().max() < (4 if border == "grey" else 3) / 255


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (3, 5), (33, 31)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float16])
def test_small_and_odd_sizes(size, channels, kind):
    images = smooth(4, channels, *size)
    images = as_bytes(images) if kind == torch.uint8 else images.to(kind)
    draw = augment.Policy(STEPS).draw(4, size, generator=torch.Generator().manual_seed(2))
    here, there = draw.images(images), draw._on_device(images, "reflect")
    assert here.dtype == there.dtype == kind and here.shape == there.shape == images.shape
    white = 255 if kind == torch.uint8 else 1
    assert ((here.float() - there.float()) / white).abs().max() < 3 / 255


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_the_layout_in_memory_does_not_matter(kind):
    wide = smooth(8, 3, 80, 56)
    wide = as_bytes(wide) if kind == torch.uint8 else wide
    images = wide[::2, :, ::2]  # not contiguous
    draw = augment.Policy(STEPS).draw(4, SIZE, generator=torch.Generator().manual_seed(3))
    expected = draw.images(images.contiguous())
    assert torch.equal(draw.images(images), expected)
    assert torch.equal(draw.images(images.to(memory_format=torch.channels_last)), expected)
    transposed = images.mT.contiguous().mT
    assert torch.equal(draw.images(transposed), expected)


def test_light_beyond_white_is_lost_before_the_lens_blurs_it():
    image = torch.zeros(1, 1, 1, 9)
    image[..., 4] = 0.8
    draw = Draw((1, 9), 1, colors=colors.Colors.unchanged(1).brighter(np.array([2.0])),
                sigma_px=torch.tensor([1.0]))  # fmt: skip
    for result in (draw.images(image), draw._on_device(image, "edge")):
        assert result.sum() == pytest.approx(1.0, abs=1e-5)  # not 1.6


def test_one_warp_is_what_several_are_in_a_row():
    images = smooth(3, 3, 120, 160)
    maps = geometry.mirror(torch.tensor([True, False, True]), (120, 160))
    angles, offsets = torch.tensor([30.0, -10.0, 90.0]), torch.tensor([[3, -5], [0, 8], [-6, 0]])
    factors, windows = torch.tensor([1.2, 0.9, 1.0]), torch.tensor([[20, 10, 140, 110]] * 3)
    for further in (
        geometry.rotation(angles, (120, 160)), geometry.scaling(factors, (120, 160)),
        geometry.translation(offsets), geometry.window(windows, (120, 160)),
    ):  # fmt: skip
        maps = geometry.joined(maps, further)
    fused = Draw((120, 160), 3, maps=maps).images(images, border="edge")
    rows = augment.flip(images, torch.tensor([True, False, True]))
    rows = augment.rotate(rows, angles, border="edge")
    rows = augment.scale(rows, factors, border="edge")
    rows = augment.translate(rows, offsets[:, 0], offsets[:, 1], border="edge")
    rows = augment.crop(rows, windows)
    inside = (slice(None), slice(None), slice(50, 70), slice(50, 110))  # no border drawn in
    assert (fused[inside] - rows[inside]).abs().max() < 5e-3


def test_one_linear_map_is_what_several_are_in_a_row():
    images = 0.4 + 0.2 * torch.rand(3, 3, 9, 7, generator=torch.Generator().manual_seed(4))
    bright, hard, vivid = torch.tensor([[1.2, 0.8, 1.0], [0.5, 1.3, 1.0], [0.0, 1.4, 1.0]])
    b, h, v = bright.numpy(), hard.numpy(), vivid.numpy()
    joined = colors.Colors.unchanged(3).brighter(b).contrasted(h).saturated(v)
    joined = joined.contrasted(h).brighter(b)
    rows = augment.saturation(augment.contrast(augment.brightness(images, bright), hard), vivid)
    rows = augment.brightness(augment.contrast(rows, hard), bright)
    assert rows.min() > 0 and rows.max() < 1  # nothing was cut off on the way
    assert torch.allclose(Draw((9, 7), 3, colors=joined).images(images), rows, atol=1e-6)
    assert torch.allclose(colors.recolor(images, joined), rows, atol=1e-6)


def with_albumentations(transform, image, boxes, mask):
    """One picture, its boxes and its mask changed by a transform that always does the same."""
    import albumentations as A

    keep = A.BboxParams(format="pascal_voc", label_fields=["labels"])
    result = A.Compose([transform], bbox_params=keep)(
        image=image.permute(1, 2, 0).numpy(), bboxes=boxes.numpy(), labels=[0] * len(boxes),
        mask=mask.to(torch.uint8).numpy(),
    )  # fmt: skip
    picture = torch.from_numpy(result["image"]).reshape(*image.shape[1:], -1).permute(2, 0, 1)
    return picture, torch.as_tensor(result["bboxes"][:, :4]).float(), result["mask"] > 0


def albumentations_pairs():
    """Their transform and our map for the same move."""
    import albumentations as A
    import cv2

    linear, border = cv2.INTER_LINEAR, cv2.BORDER_CONSTANT
    affine = {"border_mode": border, "fill": 127.5 / 255, "interpolation": linear}
    no_move = {"translate_px": 0, "scale": 1, "rotate": 0, "shear": 0}
    one = torch.ones(1)
    window = [A.Crop(8, 6, 36, 26), A.Resize(*SIZE, interpolation=linear)]
    return {
        "flip": (A.HorizontalFlip(p=1), geometry.mirror(one.bool(), SIZE)),
        "rotate": (
            A.Rotate((20, 20), rotate_method="largest_box", p=1, **affine),
            geometry.rotation(-20 * one, SIZE),  # theirs counts against the clock
        ),
        "affine rotate": (
            A.Affine(**{**no_move, "rotate": (30, 30)}, p=1, **affine),
            geometry.rotation(-30 * one, SIZE),
        ),
        "translate": (
            A.Affine(**{**no_move, "translate_px": {"x": (5, 5), "y": (-3, -3)}}, p=1, **affine),
            geometry.translation(torch.tensor([[5, -3]])),
        ),
        "scale": (
            A.Affine(**{**no_move, "scale": (1.5, 1.5)}, p=1, **affine),
            geometry.scaling(1.5 * one, SIZE),
        ),
        "crop": (A.Sequential(window, p=1), geometry.window(torch.tensor([[8, 6, 36, 26]]), SIZE)),
    }


@pytest.mark.parametrize("name", ["flip", "rotate", "affine rotate", "translate", "scale", "crop"])
def test_pictures_boxes_and_masks_move_as_albumentations_moves_them(name):
    transform, maps = albumentations_pairs()[name]
    image = smooth(1, 3, *SIZE)
    boxes = torch.tensor([[14.0, 10, 30, 22], [20, 14, 24, 25]])
    masks = torch.zeros(1, *SIZE, dtype=torch.bool)
    masks[:, 10:22, 14:30] = True
    picture, expected, mask = with_albumentations(transform, image[0], boxes, masks[0])
    draw = Draw(SIZE, 1, maps=maps)
    ours = draw.images(image, border="grey")[0]
    inside = (slice(None), slice(1, -1), slice(1, -1))  # a resized crop does not see beyond it
    apart = (ours - picture)[inside].abs()
    assert apart.max() < 1e-3
    target = {"boxes": boxes, "labels": torch.tensor([0, 1]), "masks": masks.expand(2, *SIZE)}
    moved = draw.target(target, 0, min_visibility=0, box_shape="rectangle")
    assert (moved["boxes"] - expected).abs().max() < 1e-3
    assert (moved["masks"][0].numpy() ^ mask).sum() <= 0.05 * mask.sum()  # theirs: nearest pixel


@pytest.mark.filterwarnings("ignore:Got processor for bboxes")  # colours move none
def test_colours_and_blur_are_those_of_albumentations():
    import albumentations as A

    image = smooth(1, 3, *SIZE)
    no_change = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
    boxes, mask = torch.zeros(0, 4), torch.zeros(SIZE)
    for name, change in (
        ("brightness", augment.brightness), ("contrast", augment.contrast),
        ("saturation", augment.saturation),
    ):  # fmt: skip
        jitter = A.ColorJitter(**{**no_change, name: (1.4, 1.4)}, p=1)
        theirs, _, _ = with_albumentations(jitter, image[0], boxes, mask)
        assert (change(image, 1.4)[0] - theirs).abs().max() < 2e-3
    gaussian = A.GaussianBlur(blur_limit=(13, 13), sigma_limit=(2, 2), p=1)
    theirs, _, _ = with_albumentations(gaussian, image[0], boxes, mask)
    inside = (slice(None), slice(6, -6), slice(6, -6))  # its border leaves out the edge pixel
    assert (augment.blur(image, 2.0)[0] - theirs)[inside].abs().max() < 1e-3
