"""The lower-case functions: what they change, by hand and against torchvision; what they say."""

import pytest
import torch
import torchvision.transforms.v2.functional as tv

from imgrec_lab import augment

LABELS = torch.arange(4)


@pytest.fixture
def pictures():
    """Smooth, away from black and white, H != W: (4, 3, 40, 56)."""
    return smooth(4, 3, 40, 56)


def smooth(n, channels, height, width, seed=0):
    coarse = torch.rand(n, channels, 5, 7, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return 0.3 + 0.4 * fine.clamp(0, 1)


def as_bytes(images):
    return (images * 255).round().to(torch.uint8)


def test_flip_by_hand_where_it_is_asked_for():
    rows = torch.tensor([10, 20, 30], dtype=torch.uint8).expand(2, 1, 1, 3)
    mirrored = augment.flip(rows, torch.tensor([True, False]))
    assert mirrored[:, 0, 0].tolist() == [[30, 20, 10], [10, 20, 30]]


def test_whole_pixels_move_without_blur_and_each_border_by_hand():
    row = torch.tensor([10, 20, 30, 40], dtype=torch.uint8)[None, None, None]
    moved = {
        border: augment.translate(row, right_px=2, border=border).flatten().tolist()
        for border in ("reflect", "edge", "grey")
    }
    assert moved == {
        "reflect": [20, 10, 10, 20], "edge": [10, 10, 10, 20], "grey": [128, 128, 10, 20]
    }  # fmt: skip
    column = row.mT.float() / 255
    up = augment.translate(column, down_px=-1, border="edge").flatten() * 255
    assert up.round().tolist() == [20, 30, 40, 40]


def test_a_quarter_turn_is_clockwise():
    image = torch.tensor([[0.1, 0.2], [0.3, 0.4]])[None, None]
    turned = augment.rotate(image, 90)[0, 0]
    assert torch.allclose(turned, torch.tensor([[0.3, 0.1], [0.4, 0.2]]), atol=1e-6)


def test_crop_by_hand_enlarges_the_window():
    image = torch.tensor([10.0, 20, 30, 40])[None, None, None].expand(1, 1, 2, 4) / 100
    part = augment.crop(image, torch.tensor([[2, 0, 4, 2]]))
    expected = torch.tensor([0.275, 0.325, 0.375, 0.4])  # at 2.25, 2.75, 3.25, 3.75; centres at .5
    assert torch.allclose(part[0, 0, 0], expected)
    whole = augment.crop(image, torch.tensor([[0, 0, 4, 2]]))
    assert torch.equal(whole, image)


def test_scale_twice_by_hand():
    image = torch.tensor([0.0, 0.2, 0.6, 1.0]).expand(1, 1, 4, 4)
    large = augment.scale(image, 2)[0, 0, 1]
    assert torch.allclose(large, torch.tensor([0.15, 0.3, 0.5, 0.7]))  # at 1.25, 1.75, 2.25, 2.75


def test_colours_by_hand():
    image = torch.tensor([0.2, 0.4, 0.6])[None, :, None, None].expand(1, 3, 2, 2)
    grey = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6
    for changed, values in (
        (augment.brightness(image, 2.0), [0.4, 0.8, 1.0]),
        (augment.contrast(image, 0.5), [(grey + value) / 2 for value in (0.2, 0.4, 0.6)]),
        (augment.saturation(image, 0), [grey] * 3),
    ):
        assert torch.allclose(changed, torch.tensor(values)[None, :, None, None].expand_as(image))
    assert torch.equal(augment.saturation(image[:, :1], 0.3), image[:, :1])  # grey has no colour


@pytest.mark.parametrize("factor", [0.4, 1.0, 1.5])
def test_colours_equal_torchvisions(factor, pictures):
    for ours, theirs in (
        (augment.brightness, tv.adjust_brightness),
        (augment.contrast, tv.adjust_contrast),
        (augment.saturation, tv.adjust_saturation),
    ):
        expected = theirs(pictures, factor)
        assert (ours(pictures, factor) - expected).abs().max() < 1e-4  # its weights: 0.2989, ...
        whole = ours(as_bytes(pictures), factor).int() - theirs(as_bytes(pictures), factor).int()
        assert whole.abs().max() <= 2  # it cuts off fractions, twice for saturation


def test_geometry_equals_torchvisions(pictures):
    assert torch.equal(augment.flip(pictures), tv.hflip(pictures))
    turned = tv.rotate(pictures, -20, interpolation=tv.InterpolationMode.BILINEAR)
    ours = augment.rotate(pictures, 20, border="grey")
    inside = (slice(None), slice(None), slice(15, 25), slice(15, 41))  # theirs fills with black
    assert (ours[inside] - turned[inside]).abs().max() < 2e-3
    window = tv.resized_crop(pictures, 8, 4, 20, 28, [40, 56], antialias=False)
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # ours sees beyond the window
    cropped = augment.crop(pictures, torch.tensor([[4.0, 8, 32, 28]]).expand(4, 4))
    assert (cropped[inside] - window[inside]).abs().max() < 2e-3


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_blur_equals_torchvisions_away_from_the_edge(sigma, pictures):
    noisy = torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(1))
    reach = -int(-3 * sigma // 1)
    expected = tv.gaussian_blur(noisy, [2 * reach + 1] * 2, [sigma] * 2)
    ours = augment.blur(noisy, sigma)
    inside = (slice(None), slice(None), slice(reach, -reach), slice(reach, -reach))
    assert torch.allclose(ours[inside], expected[inside], atol=1e-5)


def test_a_blur_far_wider_than_the_picture_leaves_its_mean():
    row = torch.tensor([0.0, 0.3, 0.9])[None, None, None]
    assert torch.allclose(augment.blur(row, 20.0), torch.full((1, 1, 1, 3), 0.4), atol=1e-3)


def test_noise_has_its_standard_deviation_and_the_same_for_bytes():
    flat = torch.full((2, 3, 100, 100), 0.5)
    noisy = augment.noise(flat, torch.tensor([0.0, 0.05]), seed=3)
    assert torch.equal(noisy[0], flat[0])
    assert 0.049 < noisy[1].std() < 0.051 and abs(noisy[1].mean() - 0.5) < 1e-3
    assert torch.equal(noisy, augment.noise(flat, torch.tensor([0.0, 0.05]), seed=3))
    assert not torch.equal(noisy, augment.noise(flat, torch.tensor([0.0, 0.05]), seed=4))
    grey = torch.full((2, 3, 100, 100), 128, dtype=torch.uint8)
    difference = augment.noise(grey, torch.tensor([0.0, 0.05]), seed=3) / 255 - noisy
    assert difference.abs().max() < 1 / 255


def test_cutout_equals_torchvisions_erase(pictures):
    ours = augment.cutout(pictures, torch.tensor([[5, 3, 20, 30]]).expand(4, 4))
    assert torch.equal(ours, tv.erase(pictures, 3, 5, 27, 15, torch.tensor(0.5)))
    empty = augment.cutout(pictures, torch.zeros(4, 4))
    assert torch.equal(empty, pictures) and empty is not pictures
    assert (augment.cutout(as_bytes(pictures), torch.tensor([[0, 0, 1, 1]]).expand(4, 4))
            [:, :, 0, 0] == 128).all()  # fmt: skip


def test_mixup_by_hand():
    images = torch.tensor([0.0, 1.0, 0.5])[:, None, None, None].expand(3, 1, 2, 2)
    partners, shares = torch.tensor([1, 2, 2]), torch.tensor([0.75, 0.5, 0.1])
    mixed, labels = augment.mixup(images, torch.tensor([0, 1, 1]), partners, shares, num_classes=3)
    assert torch.allclose(mixed[:, 0, 0, 0], torch.tensor([0.25, 0.75, 0.5]))
    assert torch.allclose(labels, torch.tensor([[0.75, 0.25, 0], [0, 1, 0], [0, 1, 0]]))
    whole, _ = augment.mixup(as_bytes(images), labels, partners, shares, num_classes=3)
    assert whole.dtype == torch.uint8 and whole[:, 0, 0, 0].tolist() == [64, 192, 128]
    half, _ = augment.mixup(images.half(), labels, partners, shares, num_classes=3)
    assert half.dtype == torch.float16


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_cutmix_by_hand(kind):
    images = torch.tensor([0, 1])[:, None, None, None].expand(2, 1, 4, 5).to(kind)
    boxes = torch.tensor([[1, 1, 3, 3], [0, 0, 0, 0]])
    pasted, labels = augment.cutmix(
        images, torch.tensor([2, 0]), torch.tensor([1, 0]), boxes, num_classes=3
    )
    assert pasted.dtype == kind and pasted[0].sum() == 4 and pasted[0, 0, 1:3, 1:3].all()
    assert torch.allclose(labels, torch.tensor([[0.2, 0, 0.8], [1, 0, 0]]))
    again, softer = augment.cutmix(pasted, labels, torch.tensor([1, 0]), boxes, num_classes=3)
    assert torch.allclose(softer[0], 0.8 * labels[0] + 0.2 * labels[1])


def test_amounts_are_one_for_all_or_one_a_picture(pictures):
    each = augment.brightness(pictures, torch.tensor([0.5, 1.0, 1.2, 1.0]))
    assert torch.allclose(each[0], augment.brightness(pictures, 0.5)[0])
    assert torch.equal(each[1], pictures[1])


CHANGES = {
    "flip": lambda images: augment.flip(images, False),
    "translate": lambda images: augment.translate(images),
    "rotate": lambda images: augment.rotate(images, 0),
    "scale": lambda images: augment.scale(images, 1),
    "crop": lambda images: augment.crop(images, torch.tensor([[0, 0, 9, 7]]).expand(2, 4)),
    "brightness": lambda images: augment.brightness(images, 1),
    "contrast": lambda images: augment.contrast(images, 1),
    "saturation": lambda images: augment.saturation(images, 1),
    "blur": lambda images: augment.blur(images, 0),
    "noise": lambda images: augment.noise(images, 0),
    "cutout": lambda images: augment.cutout(images, torch.zeros(2, 4)),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_amount_gives_the_same_bits_in_new_memory(name, kind, channels):
    images = smooth(2, channels, 7, 9)
    images = as_bytes(images) if kind == torch.uint8 else images.to(kind)
    result = CHANGES[name](images)
    bound = 1e-12 if kind == torch.float64 else 0  # which grid_sample moves
    assert result.dtype == kind and (result - images).abs().max() <= bound
    assert result.data_ptr() != images.data_ptr()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda x: augment.scale(x, 0), "finite numbers from 0.01 to inf; got 0"),
        (lambda x: augment.blur(x, -1), "finite numbers from 0 to inf; got -1"),
        (lambda x: augment.noise(x, float("nan")), "finite numbers from 0 to inf; got nan"),
        (lambda x: augment.rotate(x, float("inf")), "finite numbers from -inf to inf; got inf"),
        (lambda x: augment.rotate(x, torch.ones(3)), r"one for each of 4 images; got shape \(3,\)"),
        (
            lambda x: augment.crop(x, torch.ones(4, 4)),
            "boxes must have an area to be enlarged; got .* whole frame",
        ),
        (lambda x: augment.crop(x, torch.ones(4)), r"boxes must have shape \(4, 4\).*got \(4,\)"),
        (
            lambda x: augment.cutout(x, torch.tensor([[3, 0, 1, 1]]).expand(4, 4)),
            r"x1 <= x2 and y1 <= y2; got .*box.expand\(4, 4\)",
        ),
        (
            lambda x: augment.mixup(x, LABELS, LABELS, 1.5, num_classes=4),
            "finite numbers from 0 to 1; got 1.5",
        ),
        (
            lambda x: augment.mixup(x, LABELS, LABELS + 1, 0.5, num_classes=4),
            "partners must be rows of the batch, 0 to 3",
        ),
        (
            lambda x: augment.mixup(x, LABELS[:3], LABELS, 0.5, num_classes=4),
            "must be one for each of 4 images, partners whole numbers",
        ),
        (
            lambda x: augment.mixup(x, LABELS, LABELS, 0.5, num_classes=3),
            "labels must lie in 0 to 2 to be mixed; got 0 to 3. Set num_classes",
        ),
        (
            lambda x: augment.mixup(x, torch.zeros(4, 3), LABELS, 0.5, num_classes=4),
            r"whole numbers or \(N, 4\) probabilities to be mixed; got torch.float32 of shape",
        ),
    ],
)
def test_amounts_that_make_no_sense_are_named(call, sentence, pictures):
    with pytest.raises(ValueError, match=sentence):
        call(pictures)


def test_small_label_types_are_labels_too(pictures):
    _, labels = augment.mixup(pictures, LABELS.to(torch.uint8), LABELS.int(), 1, num_classes=4)
    assert torch.equal(labels, torch.eye(4))


def test_chain_runs_in_the_order_given_and_an_empty_one_changes_nothing():
    double = augment.chain(lambda x, y: (x + 1, y), lambda x, y: (x * 2, y))
    assert double(torch.ones(1), LABELS[:1])[0].item() == 4
    images = torch.rand(2, 3, 5, 5)
    assert augment.chain()(images, LABELS[:2])[0] is images
