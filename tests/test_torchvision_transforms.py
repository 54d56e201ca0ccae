"""torchvision's v2 transforms on our batches: a draw for each picture, boxes and masks in step."""

import pickle
import subprocess
import sys

import pytest
import torch
import torchvision
from torchvision.transforms import v2

from imgrec_lab import box_ops, models, scenes, train
from imgrec_lab.augment import torchvision_transforms
from imgrec_lab.augment.torchvision_transforms import PerPicture

LABELS = torch.arange(8)
STREETS = scenes.draw_streets(3, seed=1, image_size=(48, 64))


def test_each_picture_is_drawn_anew_where_a_raw_transform_draws_once():
    torch.manual_seed(0)
    images = torch.rand(1, 3, 6, 6).repeat(64, 1, 1, 1)
    labels = torch.arange(64)
    turned, same = PerPicture(v2.RandomHorizontalFlip())(images, labels)
    mirrored = (turned == images.flip(3)).flatten(1).all(dim=1)
    assert 16 < mirrored.sum() < 48 and same is labels
    assert (mirrored | (turned == images).flatten(1).all(dim=1)).all()
    raw = v2.RandomHorizontalFlip()(images)  # the trap
    assert torch.equal(raw, images) or torch.equal(raw, images.flip(3))


def test_boxes_and_masks_move_by_hand_where_a_raw_transform_leaves_boxes():
    images = torch.arange(24, dtype=torch.uint8).reshape(1, 1, 4, 6)
    masks = torch.zeros(1, 4, 6, dtype=torch.bool)
    masks[0, 1, :2] = True
    boxes, labels = torch.tensor([[0.0, 1.0, 2.0, 2.0]]), torch.tensor([7])
    target = {"boxes": boxes, "labels": labels, "masks": masks}
    flip = v2.RandomHorizontalFlip(1.0)
    turned, (changed,) = PerPicture(flip)(images, [target])
    assert torch.equal(turned, images.flip(3)) and type(turned) is torch.Tensor
    assert torch.equal(changed["boxes"], torch.tensor([[4.0, 1.0, 6.0, 2.0]]))
    assert torch.equal(changed["masks"], masks.flip(2)) and changed["masks"].dtype == torch.bool
    assert torch.equal(changed["labels"], labels)
    assert {type(value) for value in changed.values()} == {torch.Tensor}
    trap = flip({"images": images, **target})
    assert torch.equal(trap["images"], images.flip(3)) and torch.equal(trap["boxes"], boxes)
    assert torch.equal(target["boxes"], torch.tensor([[0.0, 1.0, 2.0, 2.0]]))  # left alone


def test_objects_that_leave_are_dropped_everywhere():
    torch.manual_seed(0)
    lost = 0
    for _ in range(10):
        cut = PerPicture(v2.Compose([v2.RandomRotation(20), v2.RandomCrop((20, 24))]))
        images, targets = cut(STREETS.images, STREETS.targets)
        assert images.shape == (3, 3, 20, 24) and images.dtype == torch.uint8
        for before, target in zip(STREETS.targets, targets, strict=True):
            count = len(target["boxes"])
            lost += len(before["boxes"]) - count
            assert target["boxes"].shape == (count, 4) and target["masks"].shape == (count, 20, 24)
            assert target["labels"].shape == (count,) and target["labels"].dtype == torch.int64
            assert (box_ops.area(target["boxes"]) > 0).all()
            assert (target["boxes"] >= 0).all()
            assert (target["boxes"][:, 2] <= 24).all() and (target["boxes"][:, 3] <= 20).all()
    assert lost > 0


def test_no_objects_and_a_batch_of_none():
    empty = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 48, 64, dtype=torch.bool),
    }
    turn = PerPicture(v2.Compose([v2.RandomRotation((9, 10)), v2.Resize((24, 32))]))
    images, (target,) = turn(STREETS.images[:1], [empty])
    assert images.shape == (1, 3, 24, 32)
    assert target["boxes"].shape == (0, 4) and target["masks"].shape == (0, 24, 32)
    assert target["labels"].dtype == torch.int64
    nothing = torch.zeros(0, 3, 4, 4)
    assert turn(nothing, LABELS[:0])[0].shape == (0, 3, 4, 4)


@pytest.mark.parametrize("mix", [v2.MixUp(num_classes=8), v2.CutMix(num_classes=8)], ids=type)
def test_what_mixes_pictures_gets_the_whole_batch(mix):
    torch.manual_seed(0)
    images = LABELS.reshape(8, 1, 1, 1) / 8 + torch.zeros(8, 3, 6, 6)
    choice = v2.RandomChoice([mix, mix])
    for transform in (mix, choice, v2.Compose([v2.RandomHorizontalFlip(), mix])):
        mixed, soft = PerPicture(transform)(images, LABELS)
        assert mixed.shape == images.shape and soft.shape == (8, 8)
        assert torch.allclose(soft.sum(dim=1), torch.ones(8))
        shares = soft @ (torch.arange(8.0) / 8)  # what the mean of each picture must be
        assert torch.allclose(mixed.mean(dim=(1, 2, 3)), shares, atol=1e-5)
        assert ((soft > 0).sum(dim=1) == 2).all()
    with pytest.raises(TypeError, match="MixUp and CutMix need class labels"):
        PerPicture(mix)(STREETS.images, STREETS.targets)


def test_the_same_global_seed_gives_the_same():
    turn = pickle.loads(pickle.dumps(PerPicture(v2.RandomRotation(30))))
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(turn(STREETS.images, LABELS[:3])[0])
    assert torch.equal(*results) and not torch.equal(
        results[0], turn(STREETS.images, LABELS[:3])[0]
    )
    assert repr(turn).startswith("PerPicture(transform=RandomRotation(degrees=[-30")


def test_torchvision_is_recognised_without_being_imported():
    assert torchvision_transforms.is_torchvision(v2.RandomHorizontalFlip())
    assert torchvision_transforms.is_torchvision(v2.Compose([v2.RandomHorizontalFlip()]))
    assert torchvision_transforms.is_torchvision(torchvision.transforms.RandomHorizontalFlip())

    class Own(v2.Transform):
        pass

    assert torchvision_transforms.is_torchvision(Own())
    assert not torchvision_transforms.is_torchvision(torch.nn.Identity())
    assert not torchvision_transforms.is_torchvision(lambda images, labels: (images, labels))
    code = (
        "import sys\n"
        "from imgrec_lab.augment import torchvision_transforms as t\n"
        "sys.modules.pop('torchvision', None) and sys.exit('torchvision came with the module')\n"
        "assert not t.is_torchvision(print) and 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_refused():
    with pytest.raises(TypeError, match="got RandomRotation. Try torchvision.transforms.v2.Random"):
        PerPicture(torchvision.transforms.RandomRotation(3))
    with pytest.raises(TypeError, match="made with brackets; got RandomCrop. Try"):
        PerPicture(v2.RandomCrop)
    with pytest.raises(TypeError, match="one of torchvision.transforms.v2, .*; got ReLU.$"):
        PerPicture(torch.nn.ReLU())
    flip = PerPicture(v2.RandomHorizontalFlip())
    with pytest.raises(ValueError, match=r"got \(3, 48, 64\) and 8. For one picture use"):
        flip(STREETS.images[0], LABELS)
    with pytest.raises(ValueError, match=r"got \(3, 3, 48, 64\) and 8"):
        flip(STREETS.images, LABELS)
    with pytest.raises(ValueError, match="masks must have shape"):
        flip(STREETS.images, [t | {"masks": t["masks"][:, :5]} for t in STREETS.targets])
    with pytest.raises(ValueError, match="got also keypoints, .*; a Pipeline moves keypoints"):
        flip(STREETS.images, [t | {"keypoints": torch.zeros(1, 2)} for t in STREETS.targets])
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=r"must have one size .*End with v2.Resize"):
        PerPicture(v2.RandomResize(8, 32))(STREETS.images, LABELS[:3])


class Mirror(v2.RandomHorizontalFlip):
    """A transform of a learner's own."""


@pytest.mark.parametrize("kind", [v2.RandomHorizontalFlip, Mirror])
def test_training_draws_for_each_picture(kind):
    images = torch.rand(1, 3, 8, 8).repeat(32, 1, 1, 1)
    seen = []
    model = models.TinyCNN(2)
    model.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    torch.manual_seed(0)
    train.fit(model, [(images, torch.zeros(32).long())], epochs=1, augment=kind())
    mirrored = (seen[0] == images.flip(3)).flatten(1).all(dim=1)
    assert 6 < mirrored.sum() < 26
