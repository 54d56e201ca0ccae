import pytest
import torch
from torchvision import ops
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
    assert box_ops.intersection(boxes[:1], boxes).tolist() == [[8, shared, 0, 0]]
    assert box_ops.iou(torch.zeros(0, 4), boxes).shape == (0, 4)


def test_giou_by_hand():
    a = torch.tensor([[0.0, 0, 4, 4]])
    others = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [6, 0, 8, 4], [4, 4, 4, 4]])
    # the box around both is 24 px² of which 24 are covered, then 32 of which 24, then 16 of 16
    assert box_ops.giou(a, others)[0].tolist() == pytest.approx([1, 8 / 24, -8 / 32, 0])
    points = torch.tensor([[3.0, 3, 3, 3], [9, 9, 9, 9]])  # no area, so all around them is empty
    assert box_ops.giou(points, points).tolist() == [[0, -1], [-1, 0]]
    assert box_ops.giou(torch.zeros(0, 4), a).shape == (0, 1)


def grid_boxes(count: int, *, seed: int) -> torch.Tensor:
    """Boxes on whole pixels of a small picture, so that many touch, repeat or are empty."""
    return random_boxes(count, seed=seed).div(8).round()


@pytest.mark.parametrize("draw", [random_boxes, grid_boxes])
def test_overlaps_are_torchvisions_in_10000_random_cases(draw):
    a, b = draw(100, seed=1), draw(100, seed=2)
    solid = box_ops.area(a)[:, None] + box_ops.area(b) > 0  # torchvision says NaN elsewhere
    for ours, theirs in ((box_ops.iou, ops.box_iou), (box_ops.giou, ops.generalized_box_iou)):
        torch.testing.assert_close(ours(a, b)[solid], theirs(a, b)[solid], rtol=0, atol=1e-6)
        assert ours(a, b).isfinite().all()


def test_pairs_are_the_diagonal():
    a, b = random_boxes(50, seed=3), random_boxes(50, seed=4)
    assert torch.equal(box_ops.paired_iou(a, b), box_ops.iou(a, b).diagonal())
    assert torch.equal(box_ops.paired_giou(a, b), box_ops.giou(a, b).diagonal())
    assert box_ops.paired_giou(a[:0], b[:0]).shape == (0,)


def test_gradients_are_true_and_stay_finite_for_empty_and_touching_boxes():
    a, b = random_boxes(20, seed=5).double(), random_boxes(20, seed=6).double()
    edges = torch.tensor(
        [[0, 0, 4, 4], [4, 0, 8, 4], [4, 4, 4, 4], [1, 1, 1, 1], [0, 0, 1e-20, 1e-20], [2, 2, 1, 1]]
    )
    rows, columns = torch.cartesian_prod(torch.arange(6), torch.arange(6)).unbind(dim=1)
    for function in (box_ops.paired_iou, box_ops.paired_giou):
        assert torch.autograd.gradcheck(function, (a.requires_grad_(), b))
        pairs = [edges[rows].requires_grad_(), edges[columns].requires_grad_()]
        function(*pairs).sum().backward()
        assert all(side.grad.isfinite().all() for side in pairs)


def test_conversions_by_hand_and_back():
    boxes = torch.tensor([[2.0, 3, 8, 7]])
    assert box_ops.xyxy_to_xywh(boxes).tolist() == [[2, 3, 6, 4]]
    assert box_ops.xyxy_to_cxcywh(boxes).tolist() == [[5, 5, 6, 4]]
    many = random_boxes(40, seed=7)
    for form, to, back in (
        ("xywh", box_ops.xyxy_to_xywh, box_ops.xywh_to_xyxy),
        ("cxcywh", box_ops.xyxy_to_cxcywh, box_ops.cxcywh_to_xyxy),
    ):
        assert torch.equal(to(many), ops.box_convert(many, "xyxy", form))
        torch.testing.assert_close(back(to(many)), many)
        assert to(many[:0]).shape == back(many[:0]).shape == (0, 4)
        for function in (to, back):
            with pytest.raises(ValueError, match=r"boxes must have shape \(M, 4\); got \(4,\)"):
                function(many[0])


def test_suppression_by_hand():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 5], [20, 0, 30, 10]])
    scores = torch.tensor([0.6, 0.9, 0.8, 0.7])
    # box 1 is the surest; it shares 0.8 with box 0 and 0.625 with box 2, which share 0.5
    assert box_ops.nms(boxes, scores).tolist() == [1, 3]
    assert box_ops.nms(boxes, scores, iou_threshold=0.7).tolist() == [1, 2, 3]
    assert box_ops.nms(boxes, scores, iou_threshold=1).tolist() == [1, 2, 3, 0]
    labels = torch.tensor([0, 1, 0, 1])
    assert box_ops.nms(boxes, scores, labels=labels).tolist() == [1, 2, 3, 0]  # 0.5 is not above
    assert box_ops.nms(boxes, scores, labels=labels, iou_threshold=0.4).tolist() == [1, 2, 3]


def test_suppression_is_torchvisions_in_10000_random_cases():
    generator = torch.Generator().manual_seed(0)
    for case in range(10_000):
        draw = grid_boxes if case % 2 else random_boxes  # many ties, duplicates, empty boxes
        count = case % 12
        boxes = draw(count, seed=case)
        scores = torch.rand(count, generator=generator)
        if case % 3:
            scores = scores.mul(5).round() / 5
        threshold = (0.0, 0.1, 0.25, 0.3, 0.5, 0.6, 0.7, 1.0)[case % 8]
        kept = box_ops.nms(boxes, scores, iou_threshold=threshold)
        assert torch.equal(kept, ops.nms(boxes, scores, threshold)), case
        labels = torch.randint(0, 3, (count,), generator=generator)
        kept = box_ops.nms(boxes, scores, labels=labels, iou_threshold=threshold)
        assert torch.equal(kept, ops.batched_nms(boxes, scores, labels, threshold)), case


def test_suppression_of_none_one_and_5000_boxes():
    none = box_ops.nms(torch.zeros(0, 4), torch.zeros(0))
    assert none.shape == (0,) and none.dtype == torch.int64
    assert box_ops.nms(random_boxes(1, seed=0), torch.ones(1), labels=torch.ones(1)).tolist() == [0]
    boxes, scores = random_boxes(5000, seed=8), torch.linspace(0, 1, 5000)
    assert torch.equal(box_ops.nms(boxes, scores), ops.nms(boxes, scores, 0.5))
    ties = scores.mul(50).round()
    assert torch.equal(box_ops.nms(boxes, ties), ops.nms(boxes, ties, 0.5))


def test_what_cannot_be_suppressed_is_refused():
    boxes, scores = random_boxes(3, seed=0), torch.ones(3)
    with pytest.raises(ValueError, match=r"scores must have shape \(3,\), one a box; got \(2,\)"):
        box_ops.nms(boxes, scores[:2])
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\), one a box; got \(3, 1\)"):
        box_ops.nms(boxes, scores, labels=torch.zeros(3, 1))
    for threshold in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=rf"must lie in \[0, 1\]; got {threshold}"):
            box_ops.nms(boxes, scores, iou_threshold=threshold)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be finite; some are NaN or infinite. Did the"):
            box_ops.nms(boxes.clone().fill_(bad), scores)
        with pytest.raises(ValueError, match="boxes and scores must be finite"):
            box_ops.nms(boxes, scores * bad)


def test_pairs_of_different_number_are_refused():
    for function in (box_ops.paired_iou, box_ops.paired_giou):
        with pytest.raises(ValueError, match="equally many, a pair a row; got 2 and 3. For every"):
            function(torch.zeros(2, 4), torch.zeros(3, 4))
        with pytest.raises(ValueError, match=r"boxes_b must have shape \(M, 4\); got \(4,\)"):
            function(torch.zeros(1, 4), torch.zeros(4))


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
