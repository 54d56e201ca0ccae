import pytest
import torch
from torchvision.ops import clip_boxes_to_image, masks_to_boxes

from imgrec_lab import box_ops


def test_box_of_a_hand_drawn_mask():
    mask = torch.zeros(1, 6, 8, dtype=torch.bool)
    mask[0, 2, 3] = mask[0, 4, 5] = True
    boxes = box_ops.from_masks(mask)
    assert boxes.tolist() == [[3, 2, 6, 5]]  # rows 2-4, columns 3-5, edges half-open
    assert boxes.dtype == torch.float32


def test_a_full_rectangle_has_the_area_of_its_box():
    mask = torch.zeros(1, 7, 5, dtype=torch.bool)
    mask[0, 1:6, 2:4] = True
    x1, y1, x2, y2 = box_ops.from_masks(mask)[0]
    assert (x2 - x1) * (y2 - y1) == mask.sum()


def test_one_pixel_has_area_one():
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 3, 3] = True
    assert box_ops.from_masks(mask).tolist() == [[3, 3, 4, 4]]


def test_agrees_with_torchvision_whose_boxes_end_one_pixel_earlier():
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(50, 13, 9, generator=generator) > 0.97
    masks[:, 5, 4] = True  # torchvision refuses empty masks
    end = torch.tensor([0, 0, 1, 1])
    assert torch.equal(box_ops.from_masks(masks), masks_to_boxes(masks) + end)


def test_shifting_the_mask_shifts_the_box():
    masks = torch.zeros(1, 20, 20, dtype=torch.bool)
    masks[0, 4:9, 3:10] = True
    moved = masks.roll((5, 6), dims=(1, 2))
    assert torch.equal(
        box_ops.from_masks(moved), box_ops.from_masks(masks) + torch.tensor([6, 5, 6, 5])
    )


def test_empty_masks_and_no_masks():
    assert box_ops.from_masks(torch.zeros(2, 3, 4, dtype=torch.bool)).tolist() == [[0] * 4] * 2
    none = box_ops.from_masks(torch.zeros(0, 3, 4, dtype=torch.bool))
    assert none.shape == (0, 4) and none.dtype == torch.float32


def test_non_contiguous_masks():
    masks = torch.rand(3, 8, 10, generator=torch.Generator().manual_seed(1)) > 0.8
    view = masks.permute(0, 2, 1)
    assert torch.equal(box_ops.from_masks(view), box_ops.from_masks(view.contiguous()))
    assert torch.equal(box_ops.from_masks(masks[:, ::2]), box_ops.from_masks(masks[:, ::2].clone()))


def test_the_result_stays_on_the_masks_device():
    assert box_ops.from_masks(torch.zeros(1, 2, 2, dtype=torch.bool, device="meta")).is_meta


@pytest.mark.parametrize(
    ("masks", "error", "words"),
    [
        (
            torch.zeros(4, 4, dtype=torch.bool),
            ValueError,
            r"\(M, H, W\).*got \(4, 4\).*masks\[None\]",
        ),
        (torch.zeros(1, 0, 4, dtype=torch.bool), ValueError, r"1 or more; got \(1, 0, 4\)"),
        (torch.zeros(1, 4, 4), TypeError, "must be bool; got torch.float32.*masks > 0.5"),
    ],
)
def test_errors_say_what_to_try(masks, error, words):
    with pytest.raises(error, match=words):
        box_ops.from_masks(masks)


def random_boxes(count: int, *, seed: int) -> torch.Tensor:
    corners = torch.rand(count, 2, 2, generator=torch.Generator().manual_seed(seed)) * 40
    return torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)


def test_area_and_iou_by_hand():
    boxes = torch.tensor([[0.0, 0, 4, 2], [2, 1, 6, 3], [9, 9, 9, 12], [5, 5, 3, 9]])
    assert box_ops.area(boxes).tolist() == [8, 8, 0, 0]
    shared = 2 * 1
    assert box_ops.iou(boxes[:1], boxes[:2])[0].tolist() == pytest.approx([1, shared / 14])
    assert box_ops.iou(boxes[2:3], boxes[2:3]).item() == 0  # both are empty
    assert box_ops.iou(torch.zeros(0, 4), boxes).shape == (0, 4)


def test_iou_is_torchvisions():
    ops = pytest.importorskip("torchvision.ops")
    a, b = random_boxes(30, seed=1), random_boxes(40, seed=2)
    torch.testing.assert_close(box_ops.iou(a, b), ops.box_iou(a, b))


def test_pairs_are_the_best_fitting_ones_and_each_box_comes_once():
    a = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    b = torch.tensor([[1.0, 0, 11, 10], [0, 0, 10, 9], [80, 80, 90, 90]])
    rows, columns, ious = box_ops.match(a, b)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(1, 0), (0, 1)]
    assert ious.tolist() == pytest.approx([1, 0.9])
    assert len(box_ops.match(a, b, iou_threshold=0.95)[0]) == 1
    assert [len(part) for part in box_ops.match(a, torch.zeros(0, 4))] == [0, 0, 0]
    assert len(box_ops.match(a, b + 1000, iou_threshold=0.0)[0]) == 0  # no overlap, no pair


def test_boxes_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"boxes must have shape \(M, 4\); got \(4,\). For one"):
        box_ops.area(torch.zeros(4))
    with pytest.raises(ValueError, match=r"boxes_b must have shape \(M, 4\); got \(3, 5\)"):
        box_ops.iou(torch.zeros(2, 4), torch.zeros(3, 5))


def test_boxes_are_cut_off_at_the_edges_of_their_picture():
    boxes = torch.tensor([[-2.0, 1, 5, 30], [1, 1, 4, 4], [-9, -9, -1, -1], [8, 2, 99, 3]])
    inside = box_ops.clip(boxes, (10, 8))
    assert inside.tolist() == [[0, 1, 5, 10], [1, 1, 4, 4], [0, 0, 0, 0], [8, 2, 8, 3]]
    many = 40 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(box_ops.clip(many, (30, 20)), clip_boxes_to_image(many, (30, 20)))
    assert box_ops.clip(torch.zeros(0, 4), (3, 3)).shape == (0, 4)
    with pytest.raises(ValueError, match=r"boxes must have shape \(M, 4\); got \(4,\)"):
        box_ops.clip(boxes[0], (10, 8))
