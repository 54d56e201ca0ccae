"""What happens to boxes and masks: by hand, round their masks, out of sight, and bad targets."""

import math

import pytest
import torch

from imgrec_lab import augment, datasets
from imgrec_lab.augment import geometry
from imgrec_lab.augment.draws import Draw

SIZE = (20, 30)  # height, width
ONE = torch.ones(1, dtype=torch.float64)
SQUARE = torch.tensor([[4.0, 6, 10, 8]])


def moved(boxes, maps, shape="rectangle"):
    return geometry.warp_boxes(torch.as_tensor(boxes), maps[0], shape=shape)


def seen(target, *, maps=None, hole=None, min_visibility=0.0, box_shape="rectangle"):
    holes = None if hole is None else torch.tensor([hole])
    draw = Draw(SIZE, 1, maps=maps, holes=holes)
    return draw.target(target, 0, min_visibility=min_visibility, box_shape=box_shape)


def target_of(boxes, **more):
    boxes = torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return {"boxes": boxes, "labels": torch.arange(len(boxes)), **more}


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        (geometry.translation(torch.zeros(1, 2)), [4, 6, 10, 8]),
        (geometry.mirror(ONE.bool(), SIZE), [20, 6, 26, 8]),
        (geometry.translation(torch.tensor([[5, -3]])), [9, 3, 15, 5]),
        (geometry.rotation(90 * ONE, SIZE), [17, -1, 19, 5]),  # about (15, 10): x = 25 - y
        (geometry.rotation(180 * ONE, SIZE), [20, 12, 26, 14]),
        (geometry.scaling(2 * ONE, SIZE), [-7, 2, 5, 6]),
        (geometry.window(torch.tensor([[4, 6, 10, 10]]), SIZE), [0, 0, 30, 10]),
    ],
)
def test_boxes_by_hand(maps, expected, shape):
    assert torch.allclose(moved(SQUARE, maps, shape), torch.tensor([expected]).float(), atol=1e-5)


def test_a_square_turned_by_an_eighth_grows_as_a_rectangle_and_a_disc_does_not():
    square, turn = torch.tensor([[10.0, 5, 20, 15]]), geometry.rotation(45 * ONE, SIZE)
    half = 5 * math.sqrt(2)
    corners = torch.tensor([[15 - half, 10 - half, 15 + half, 10 + half]])
    assert torch.allclose(moved(square, turn), corners)
    assert torch.allclose(moved(square, turn, "ellipse"), square)


def random_maps(n, size):
    steps = [augment.Flip(), augment.Rotate(180), augment.Scale(0.3), augment.Crop(0.6)]
    return augment.Policy(steps).draw(n, size, generator=torch.Generator().manual_seed(0)).maps


def test_the_box_of_an_ellipse_lies_inside_that_of_its_rectangle():
    for one_map in random_maps(50, SIZE)[:, None]:
        tight, loose = moved(SQUARE, one_map, "ellipse")[0], moved(SQUARE, one_map)[0]
        assert (tight[:2] >= loose[:2] - 1e-4).all() and (tight[2:] <= loose[2:] + 1e-4).all()


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
def test_boxes_stay_round_their_masks(shape):
    y, x = torch.meshgrid(torch.arange(80) + 0.5, torch.arange(100) + 0.5, indexing="ij")
    if shape == "ellipse":
        mask = ((x - 50) / 20).square() + ((y - 40) / 12).square() < 1
    else:
        mask = ((x - 50).abs() < 20) & ((y - 40).abs() < 12)
    target = target_of([[30, 28, 70, 52]], masks=mask[None])
    maps = random_maps(30, (80, 100))
    draw = Draw((80, 100), 30, maps=maps)
    for row in range(30):
        result = draw.target(target, row, min_visibility=0, box_shape=shape)
        rows, columns = result["masks"][0].nonzero().T
        round_mask = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        box = result["boxes"][0]
        assert (round_mask[:2] > box[:2] - 1).all() and (round_mask[2:] < box[2:] + 1).all()
        assert ((round_mask - box).abs() < 2).all()  # and close round it


def test_masks_move_as_pictures_do_and_stay_bool():
    mask = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(1)) < 0.5
    flip = geometry.mirror(ONE.bool(), SIZE)
    assert torch.equal(geometry.warp_masks(mask, flip[0]), mask.flip(2))
    shift = geometry.warp_masks(mask, geometry.translation(torch.tensor([[2, -4]]))[0])
    assert torch.equal(shift[:, :-4, 2:], mask[:, 4:, :-2])
    assert not shift[:, -4:].any() and not shift[:, :, :2].any()  # nothing lies outside
    boxes = torch.tensor([[0, 0, 30, 20]]).expand(3, 4)
    for maps in (None, flip):
        result = seen(target_of(boxes, masks=mask.to(torch.uint8)), maps=maps)
        assert result["masks"].dtype == torch.bool


def test_boxes_and_masks_follow_the_pixels_of_drawn_scenes():
    scenes = datasets.load("streets", image_size=(64, 64)).train
    targets = [scenes[index][1] for index in range(8)]
    images = torch.stack([
        torch.stack([target["masks"].any(dim=0)] * 3).float() for target in targets
    ])  # fmt: skip
    torch.manual_seed(0)
    policy = augment.Policy(
        [augment.Flip(), augment.Translate(0.2), augment.Rotate(20), augment.Cutout(0.3)],
        min_visibility=0,
    )
    painted, results = policy(images, targets)
    for image, result in zip(painted, results, strict=True):
        shown = (image[0] > 0.5) & (image[0] != 0.5)
        assert (shown ^ result["masks"].any(dim=0)).float().mean() < 0.02
        assert len(result["boxes"]) == len(result["labels"]) == len(result["masks"])


LEFT_HALF_OUT = geometry.translation(torch.tensor([[-7, 0]]))  # the box 4..10 is then -3..3


@pytest.mark.parametrize(
    ("min_visibility", "left"), [(0, 1), (0.4, 1), (0.5, 1), (0.51, 0), (1, 0)]
)
def test_what_shows_less_than_min_visibility_is_left_out(min_visibility, left):
    result = seen(target_of(SQUARE), maps=LEFT_HALF_OUT, min_visibility=min_visibility)
    assert len(result["boxes"]) == left
    if left:
        assert result["boxes"].tolist() == [[0, 6, 3, 8]]


def test_a_hole_hides_what_it_covers():
    target = target_of([[4, 6, 10, 8], [20, 2, 22, 4], [4, 0, 8, 2]])
    hole = [4, 4, 8, 20]  # two thirds of the first box, nothing of the others
    assert seen(target, hole=hole, min_visibility=0.33)["labels"].tolist() == [0, 1, 2]
    assert seen(target, hole=hole, min_visibility=0.34)["labels"].tolist() == [1, 2]
    assert seen(target, hole=[0, 0, 30, 20])["boxes"].shape == (0, 4)
    masks = torch.ones(3, *SIZE, dtype=torch.bool)
    shown = seen(target | {"masks": masks}, hole=hole)["masks"]
    assert not shown[:, 4:, 4:8].any() and shown.sum() == 3 * (20 * 30 - 16 * 4)


@pytest.mark.parametrize(
    "maps", [None, geometry.mirror(ONE.bool(), SIZE), geometry.rotation(180 * ONE, SIZE)]
)
def test_boxes_at_the_border_are_whole(maps):
    boxes = [[0, 0, 20.3, 7.7], [9.9, 12.1, 30, 20], [0, 0, 30, 20], [0.1, 0.1, 29.9, 19.9]]
    assert len(seen(target_of(boxes), maps=maps, min_visibility=1)["boxes"]) == 4


@pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
@pytest.mark.parametrize("maps", [None, geometry.rotation(30 * ONE, SIZE)])
def test_boxes_without_area_or_out_of_the_picture_are_left_out(maps, shape):
    boxes = [[5, 5, 5, 15], [9, 9, 12, 9], [40, 40, 50, 50], [14, 9, 16, 11]]
    result = seen(target_of(boxes), maps=maps, box_shape=shape)
    assert result["labels"].tolist() == [3]


def test_moved_boxes_and_what_shows_of_them_by_hand():
    boxes = torch.tensor([[4.0, 6, 10, 8], [20, 0, 24, 4], [0, 0, 4, 2], [12, 5, 12, 9]])
    left = geometry.translation(torch.tensor([[-7, 0]]))
    draw = Draw(SIZE, 1, maps=left, holes=torch.tensor([[13, 0, 15, 4]]))
    there, shares = draw.boxes(boxes, 0)
    assert there.tolist() == [[0, 6, 3, 8], [13, 0, 17, 4], [0, 0, 0, 2], [5, 5, 5, 9]]
    assert shares.tolist() == [0.5, 0.5, 0, 0]
    turned = Draw(SIZE, 1, maps=geometry.rotation(45 * ONE, SIZE))
    assert turned.boxes(boxes, 0)[1].tolist()[3] == 0  # a line, though its turned box has an area
    with pytest.raises(ValueError, match=r"boxes must have shape"):
        draw.boxes(boxes[0], 0)


@pytest.mark.parametrize("masks", [{}, {"masks": torch.zeros(0, *SIZE, dtype=torch.bool)}])
def test_a_picture_without_objects(masks):
    result = seen(target_of([], **masks), maps=geometry.rotation(30 * ONE, SIZE), hole=[1, 1, 3, 3])
    assert result["boxes"].shape == (0, 4) and result["labels"].dtype == torch.int64
    assert set(result) == {"boxes", "labels", *masks}


def test_labels_stay_whole_boxes_float32_and_nothing_is_changed_in_place():
    masks = torch.ones(1, *SIZE, dtype=torch.bool)
    target = {"boxes": SQUARE.double(), "labels": torch.tensor([7]), "masks": masks}
    before = {key: value.clone() for key, value in target.items()}
    result = seen(target, maps=geometry.mirror(ONE.bool(), SIZE), hole=[0, 0, 1, 1])
    assert result["boxes"].dtype == torch.float32 and result["labels"].tolist() == [7]
    assert all(torch.equal(target[key], before[key]) for key in before)


@pytest.mark.parametrize(
    ("target", "kind", "sentence"),
    [
        ({"boxes": SQUARE}, ValueError, "must have boxes and labels; got boxes. Add labels"),
        ({}, ValueError, "must have boxes and labels; got neither. Add boxes"),
        ("boxes", TypeError, "a dict of boxes and labels; got str. For classes alone pass whole"),
        (target_of([]) | {"boxes": []}, TypeError, r"boxes must be a tensor \(M, 4\); got list"),
        (target_of(SQUARE) | {"area": torch.ones(1)}, ValueError, "got also area, which would no"),
        (target_of([], keypoints=SQUARE), ValueError, "also keypoints, .*; a Pipeline moves keyp"),
        (target_of(SQUARE) | {"boxes": SQUARE[0]}, ValueError, r"\(4,\). For one box use boxes"),
        (target_of(SQUARE) | {"boxes": SQUARE.int()}, TypeError, "floating point; got torch.int32"),
        (
            target_of(SQUARE) | {"labels": torch.ones(2)},
            ValueError,
            r"\(1,\); got \(2,\). Each box",
        ),
        (
            target_of(SQUARE) | {"labels": torch.tensor(1)},
            ValueError,
            r"\(1,\); got \(\). Each box",
        ),
        (target_of(SQUARE) | {"labels": torch.ones(1)}, TypeError, "must be whole numbers; got"),
        (target_of([math.nan, 0, 1, 1]), ValueError, "must be finite, xyxy pixels; got NaN"),
        (target_of([9, 9, 4, 12]), ValueError, r"x1 <= x2 .* got \[9.0, .* in row 0. From x, y, w"),
        (target_of(SQUARE, masks=torch.ones(1, *SIZE)), TypeError, "bool; got .*Try masks > 0.5"),
        (
            target_of(SQUARE, masks=torch.ones(1, 30, 20)),
            ValueError,
            r"masks must have shape \(1, 20, 30\); got \(1, 30, 20\). Each box has one, as large",
        ),
    ],
)
def test_targets_that_do_not_fit_are_named(target, kind, sentence):
    with pytest.raises(kind, match=sentence):
        seen(target)
