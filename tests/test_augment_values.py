"""Steps and policies as values: printed, compared, saved, refused; and in training."""

import json
import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from test_augment_policies import EVERY_STEP, SIZE

from imgrec_lab import augment, datasets, models, train

OPTIONS = [
    {}, {"choose": 2}, {"border": "edge"}, {"min_visibility": 0.5}, {"box_shape": "ellipse"},
    {"choose": 0, "border": "grey", "min_visibility": 1, "box_shape": "rectangle"},
]  # fmt: skip
NAMES = [type(step).__name__ for step in EVERY_STEP]


def changed(**fields):
    """A saved policy with some of its fields replaced."""
    return json.dumps(json.loads(augment.Policy([augment.Flip()]).to_json()) | fields)


def test_a_policy_is_a_value():
    first, second = augment.Policy(EVERY_STEP), augment.Policy(tuple(EVERY_STEP))
    assert first == second and hash(first) == hash(second) and len({first, second}) == 1
    assert first != augment.Policy(EVERY_STEP[1:]) and first != augment.Policy(EVERY_STEP, 1)
    assert augment.Policy(augment.Flip()) == augment.Policy([augment.Flip()])
    assert augment.Brightness(0.2) != augment.Contrast(0.2)
    assert pickle.loads(pickle.dumps(first)) == first
    with pytest.raises(AttributeError):
        first.choose = 3


def test_repr_makes_it_again():
    policy = augment.Policy(EVERY_STEP, choose=2, border="edge")
    assert eval(repr(policy), vars(augment)) == policy


def test_str_says_what_happens_and_how_often():
    policy = augment.Policy([augment.Flip(), augment.Crop(0.4), augment.MixUp(10, p=0.25)])
    assert str(policy).split("\n") == [
        "each picture, in this order:",
        "  Flip        p 0.5",
        "  Crop        area 0.4, aspect_ratio 1.33333, always",
        "  MixUp       num_classes 10, alpha 0.2, p 0.25",
    ]
    assert str(augment.Policy([])) == "no augmentation"
    assert str(augment.Policy(policy.steps, 1)).startswith("each picture, 1 of these:")


def test_the_default_policy_mirrors_only_where_it_is_told_to():
    mirrored, upright = augment.default_policy(flip=True), augment.default_policy(flip=False)
    assert mirrored.steps == (augment.Flip(), *upright.steps)
    assert augment.Flip() not in upright.steps


# Files


@pytest.mark.parametrize("step", EVERY_STEP, ids=NAMES)
def test_every_step_comes_back_from_json(step):
    assert augment.Policy.from_json(augment.Policy(step).to_json()) == augment.Policy(step)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_option_comes_back_from_a_file(options, tmp_path):
    policy = augment.Policy(EVERY_STEP, **options)
    path = policy.save(tmp_path / "policy.json")
    assert augment.load_policy(path) == augment.load_policy(str(path)) == policy
    assert [file.name for file in tmp_path.iterdir()] == ["policy.json"]


def test_numbers_of_numpy_are_saved_as_numbers():
    policy = augment.Policy(augment.Rotate(np.float32(7.5), p=np.float64(0.5)))
    assert augment.Policy.from_json(policy.to_json()) == augment.Policy(augment.Rotate(7.5, p=0.5))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a policy must be JSON; Expecting value"),
        (augment.Policy([]).to_json()[:-9], "a policy must be JSON; "),
        ("[1]", "must be JSON with the format 'imgrec_lab.augment.Policy'; this is not"),
        ('{"steps": []}', "must be JSON with the format"),
        (changed(version=2), "must have version 1; got 2, written by another imgrec_lab. Write"),
        (changed(steps=[{"step": "Spin", "p": 1}]), "one of Flip, Translate, .*; got 'Spin'"),
        (changed(steps=[{"step": "Flip", "p": 2}]), "p must lie in 0 to 1; got 2"),
        (changed(steps=[{"step": "Flip", "p": math.nan}]), "p must lie in 0 to 1; got nan"),
        (changed(steps=[{"step": "Flip", "q": 1}]), "the policy is damaged: .*'q'"),
        (changed(steps=[{"p": 1}]), "the policy is damaged: .*'step'"),
        (changed(steps=[{"step": ["Flip"]}]), "the policy is damaged: "),
        (changed(steps=["Flip"]), "the policy is damaged: "),
        (changed(steps=3), "the policy is damaged: "),
        (changed(steps={"step": "Flip"}), "the policy is damaged: "),
        (changed(strength=1), "the policy is damaged: .*'strength'"),
        (changed(choose="all"), "choose must be a whole number from 0 to 1.*; got 'all'"),
        (changed(border=[]), r"border must be one of None, 'reflect', .*; got \[\]"),
        ('{"format": "imgrec_lab.augment.Policy", "version": 1}', "the policy is damaged: 'steps'"),
    ],
)
def test_a_damaged_file_is_named(text, sentence, tmp_path):
    (tmp_path / "policy.json").write_text(text)
    with pytest.raises(ValueError, match=f"policy.json: .*{sentence}"):
        augment.load_policy(tmp_path / "policy.json")


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "policy.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="policy.json: .*can't decode"):
        augment.load_policy(tmp_path / "policy.json")


# Refused


STRENGTHS = {
    (augment.Translate, "fraction"): (0, 1), (augment.Rotate, "degrees"): (0, 180),
    (augment.Scale, "amount"): (0, 9), (augment.Crop, "area"): (0.01, 1),
    (augment.Crop, "aspect_ratio"): (1, 4), (augment.Brightness, "amount"): (0, 1),
    (augment.Contrast, "amount"): (0, 1), (augment.Saturation, "amount"): (0, 1),
    (augment.Blur, "sigma_px"): (0, 20), (augment.Noise, "std"): (0, 0.5),
    (augment.Cutout, "fraction"): (0, 1), (augment.MixUp, "alpha"): (0.01, 100),
    (augment.CutMix, "alpha"): (0.01, 100),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), STRENGTHS)
def test_strengths_out_of_range_are_refused(kind, name):
    low, high = STRENGTHS[kind, name]
    needed = {"num_classes": 3} if kind in (augment.MixUp, augment.CutMix) else {}
    for value in (low, high):
        assert getattr(kind(**{name: value}, **needed), name) == value
    for value in (low - 0.001, high + 0.001, math.nan, math.inf, "0.5", None, True, 1j):
        with pytest.raises(ValueError, match=f"^{name} must lie in {low} to {high}; got"):
            kind(**{name: value}, **needed)


@pytest.mark.parametrize("kind", [type(step) for step in EVERY_STEP])
@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, True, "0.5", None])
def test_p_is_a_probability(kind, p):
    needed = {"num_classes": 3} if kind in (augment.MixUp, augment.CutMix) else {}
    with pytest.raises(ValueError, match="^p must lie in 0 to 1; got .* It is a probability"):
        kind(p=p, **needed)


@pytest.mark.parametrize("num_classes", [1, 0, 2.0, True, "3"])
def test_mixing_needs_two_classes(num_classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number of at least 2; got"):
        augment.CutMix(num_classes)


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda: augment.Policy(None), TypeError, "steps such as augment.Flip.*; got None"),
        (lambda: augment.Policy([augment.Flip]), TypeError, "steps such as .*; got <class"),
        (lambda: augment.Policy([torch.relu]), TypeError, r"augment.chain\(policy, other\)"),
        (lambda: augment.Policy([], 1), ValueError, "from 0 to 0, the steps that do not mix; got"),
        (lambda: augment.Policy([augment.Flip()] * 2, True), ValueError, "0 to 2.*; got True"),
        (lambda: augment.Policy([augment.Flip()] * 2, 1.5), ValueError, "0 to 2.*; got 1.5"),
        (lambda: augment.Policy([augment.Flip()], -1), ValueError, "0 to 1.*; got -1. None lets"),
        (lambda: augment.Policy([augment.MixUp(3)], 1), ValueError, "choose .* from 0 to 0"),
        (lambda: augment.Policy([augment.Cutout()] * 2), ValueError, "one Cutout; got several"),
        (
            lambda: augment.Policy([], border="black"),
            ValueError,
            "border must be one of None, 'reflect', 'edge', 'grey'; got 'black'",
        ),
        (lambda: augment.Policy([], box_shape="disc"), ValueError, "'ellipse'; got 'disc'"),
        (lambda: augment.Policy([], min_visibility=2), ValueError, "min_visibility must lie in 0"),
    ],
)
def test_policies_that_make_no_sense_are_refused(make, kind, sentence):
    with pytest.raises(kind, match=sentence):
        make()


# Where it runs


def test_what_is_drawn_lies_on_the_cpu():
    draw = augment.Policy(EVERY_STEP).draw(64, SIZE)
    values = [draw.maps, draw.sigma_px, draw.noise_std, draw.holes]
    values += [value for mix in draw.mixes for value in mix if isinstance(value, torch.Tensor)]
    assert len(values) == 9 and {value.device.type for value in values} == {"cpu"}


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_drawing_wakes_no_thread_of_torchs():
    program = """if True:
        import os, torch
        from imgrec_lab import augment
        threads = lambda: len(os.listdir("/proc/self/task"))
        before = threads()
        augment.Policy([augment.Flip(), augment.Rotate(9), augment.Crop(), augment.Contrast()]
            ).draw(512, (32, 32))
        between = threads()
        torch.ones(2**22).exp().sum()
        print(between - before, threads() - between)
        """
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3"},
    )  # fmt: skip
    asleep, awake = map(int, output.stdout.split())
    assert asleep == 0 and awake > 0, output.stderr


def test_training_takes_policies_with_labels_and_with_soft_labels():
    sets = datasets.load("signs", image_size=(16, 16))
    few = sets.train[:64]
    torch.manual_seed(0)
    policy = augment.Policy([augment.Translate(), augment.Contrast(), augment.MixUp(14, p=0.5)])
    for augmentation in (augment.default_policy(flip=False), policy):
        history = train.fit(
            models.TinyCNN(14), datasets.make_loader(few, batch_size=16, shuffle=True),
            epochs=2, lr=1e-2, augment=augmentation,
        )  # fmt: skip
        losses = [epoch.train_loss for epoch in history.epochs]
        assert len(losses) == 2 and losses[1] < losses[0] < 4


def test_scenes_keep_objects_with_their_masks():
    scenes = datasets.load("streets", image_size=(64, 64)).train
    loader = datasets.make_loader(scenes, batch_size=8)
    images, targets = next(iter(loader))
    torch.manual_seed(0)
    steps = [step for step in EVERY_STEP if type(step) not in (augment.MixUp, augment.CutMix)]
    for policy in (augment.Policy(steps), augment.Policy(steps, 2, box_shape="ellipse")):
        result, moved = policy(images, targets)
        assert result.shape == images.shape and len(moved) == len(targets)
        for target in moved:
            M = len(target["boxes"])
            assert target["masks"].shape == (M, 64, 64) and target["labels"].shape == (M,)
            assert (target["boxes"] >= 0).all() and (target["boxes"] <= 64).all()
            assert target["masks"].flatten(1).any(dim=1).all()
