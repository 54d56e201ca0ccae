"""The loop against one written out by hand, what it keeps, and how it stops."""

import csv
import json
import math

import pytest
import torch
import torch.nn.functional as F

from imgrec_lab import history, models, train


class Batches:
    """A loader over tensors that are already there, in their order."""

    def __init__(self, images, labels, batch_size=64):
        self.images, self.labels, self.batch_size = images, labels, batch_size

    def __len__(self):
        return math.ceil(len(self.images) / self.batch_size)

    def __iter__(self):
        yield from zip(
            self.images.split(self.batch_size), self.labels.split(self.batch_size), strict=True
        )


def two_colours(num_images: int, seed: int = 0) -> Batches:
    """Noise that is a little redder (label 0) or a little bluer (label 1)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (num_images,), generator=generator)
    images = 0.8 * torch.rand(num_images, 3, 16, 16, generator=generator)
    images[torch.arange(num_images), 2 * labels] += 0.2
    return Batches(images, labels)


def test_one_epoch_equals_a_loop_written_by_hand():
    loader = two_colours(150)
    torch.manual_seed(0)
    ours, theirs = models.TinyCNN(2), models.TinyCNN(2)
    theirs.load_state_dict(ours.state_dict())
    score = train.train_one_epoch(ours, loader, torch.optim.SGD(ours.parameters(), lr=0.1))
    optimizer, losses, right = torch.optim.SGD(theirs.parameters(), lr=0.1), 0.0, 0
    theirs.train()
    for images, labels in loader:
        logits = theirs(images)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += loss.item() * len(labels)
        right += (logits.argmax(1) == labels).sum().item()
    for ours_p, theirs_p in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours_p, theirs_p, atol=1e-4, rtol=1e-4)
    assert score == pytest.approx((losses / 150, right / 150, 150), rel=1e-5)


def test_scores_count_pictures_not_batches():
    # 3 pictures in batches of 2 and 1: a mean of batch means would give 0.75.
    model = models.Linear(2, image_size=(1, 1), in_channels=1)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor([1.0, 0.0]))
    score = train.evaluate(model, Batches(torch.rand(3, 1, 1, 1), torch.tensor([0, 1, 0]), 2))
    by_hand = [math.log(1 + math.exp(-1)), math.log(1 + math.exp(1)), math.log(1 + math.exp(-1))]
    assert score == pytest.approx((sum(by_hand) / 3, 2 / 3, 3))


def test_fit_learns_and_repeats_exactly():
    def run():
        torch.manual_seed(0)
        model = models.TinyCNN(2)
        return train.fit(model, two_colours(512), two_colours(256, seed=1), epochs=3), model

    (first, model), (second, twin) = run(), run()
    assert first.best.val_accuracy > 0.95
    assert first.ended == "finished" and len(first.epochs) == 3
    assert [e.train_loss for e in first.epochs] == [e.train_loss for e in second.epochs]
    for a, b in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)


def test_fit_keeps_the_weights_of_the_best_epoch():
    torch.manual_seed(0)
    model, test_loader = models.TinyCNN(2), two_colours(200, seed=1)
    train_loader = two_colours(256)

    def spoil_after_the_second(so_far):
        if len(so_far.epochs) == 2:
            train_loader.labels = 1 - train_loader.labels  # from here on it learns the opposite

    run = train.fit(
        model, train_loader, test_loader, epochs=8, lr=0.02, on_epoch=spoil_after_the_second
    )
    assert run.best.epoch <= 2
    assert run.epochs[-1].val_accuracy < run.best.val_accuracy
    assert train.evaluate(model, test_loader).accuracy == run.best.val_accuracy


def test_interrupt_returns_what_was_learned():
    def interrupt(so_far):
        if len(so_far.epochs) == 2:
            raise KeyboardInterrupt

    torch.manual_seed(0)
    model, loader = models.TinyCNN(2), two_colours(256)
    run = train.fit(model, loader, loader, epochs=50, on_epoch=interrupt)
    assert run.ended == "interrupted" and len(run.epochs) == 2
    assert train.evaluate(model, loader).accuracy == run.best.val_accuracy


def test_interrupt_within_the_first_epoch_keeps_its_steps():
    steps = []

    def interrupt_at_the_fourth(images, labels):
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return images, labels

    torch.manual_seed(0)
    model = models.TinyCNN(2)
    before = model.head.weight.clone()
    run = train.fit(model, two_colours(512), epochs=1, augment=interrupt_at_the_fourth)
    assert run.ended == "interrupted" and not run.epochs
    assert not torch.equal(model.head.weight, before)


def test_augment_sees_training_batches_only():
    seen = []

    def augment(images, labels):
        seen.append(len(labels))
        return images.flip(3), labels

    train.fit(models.TinyCNN(2), two_colours(128), two_colours(64), epochs=2, augment=augment)
    assert seen == [64, 64, 64, 64]


def test_the_rate_climbs_to_lr_and_falls_to_zero():
    optimizer = train.default_optimizer(models.TinyCNN(2), lr=0.5)
    schedule = train.one_cycle(optimizer, steps=100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(0.5) and rates.index(max(rates)) == 24
    assert rates[0] < 0.05 and 0 < rates[-1] < 0.001


def test_weight_decay_leaves_biases_and_norms_alone():
    decayed, free = train.default_optimizer(models.TinyCNN(2), lr=1.0).param_groups
    assert all(p.dim() > 1 for p in decayed["params"]) and decayed["weight_decay"] > 0
    assert all(p.dim() == 1 for p in free["params"]) and free["weight_decay"] == 0


def test_predict_gives_probabilities_in_the_loaders_order():
    torch.manual_seed(0)
    model, loader = models.TinyCNN(2).eval(), two_colours(100)
    probs = train.predict(model, loader)
    with torch.no_grad():
        torch.testing.assert_close(probs, model(loader.images).softmax(1))


def test_history_as_text_csv_and_json(tmp_path):
    run = train.fit(models.TinyCNN(2), two_colours(64), epochs=2)
    lines = str(run).splitlines()
    assert lines[0] == history.TABLE_HEAD and len(lines) == 3
    assert lines[1].split()[3] == "-"  # no validation set
    assert run.best.epoch == 2
    with run.save(tmp_path / "run.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train_loss"]) for row in rows] == [e.train_loss for e in run.epochs]
    saved = json.loads(run.save(tmp_path / "run.json").read_text())
    assert saved["ended"] == "finished" and saved["epochs"][1]["epoch"] == 2
    with pytest.raises(ValueError, match="must end in .csv or .json; got 'run.txt'"):
        run.save(tmp_path / "run.txt")
    with pytest.raises(ValueError, match="at least one completed epoch"):
        history.History().best  # noqa: B018


def test_nan_stops_with_advice_and_keeps_the_best_weights():
    loader = two_colours(128)
    model = models.TinyCNN(2)

    def poison(so_far):
        loader.images = loader.images * float("nan")

    with pytest.raises(FloatingPointError, match=r"became nan in epoch 2.*try lr=0.0003"):
        train.fit(model, loader, epochs=3, on_epoch=poison)
    assert all(p.isfinite().all() for p in model.parameters())


def test_nan_weights_are_named_before_the_first_step():
    model = models.TinyCNN(2)
    with torch.no_grad():
        model.head.bias[0] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity in 'head.bias'"):
        train.fit(model, two_colours(64), epochs=1)


@pytest.mark.parametrize("labels", [[0, 2], [-1, 0]])
def test_labels_out_of_range(labels):
    loader = Batches(torch.rand(2, 3, 16, 16), torch.tensor(labels))
    sentence = r"labels must lie in 0..1, as the model has 2 outputs; got"
    with pytest.raises(ValueError, match=sentence):
        train.fit(models.TinyCNN(2), loader, epochs=1)
    with pytest.raises(ValueError, match=sentence):
        train.evaluate(models.TinyCNN(2), loader)


def test_nothing_to_train_on():
    empty = Batches(torch.rand(0, 3, 16, 16), torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="at least one batch; got none"):
        train.fit(models.TinyCNN(2), empty, epochs=1)
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        train.fit(models.TinyCNN(2), two_colours(64), epochs=0)


def test_a_generator_is_refused_as_a_loader():
    with pytest.raises(TypeError, match="must have a length .* got generator. Try list"):
        train.fit(models.TinyCNN(2), (batch for batch in ()), epochs=1)


def test_a_loader_that_yields_nothing_is_not_blamed_on_the_rate():
    class Hollow:
        def __len__(self):
            return 3

        def __iter__(self):
            return iter(())

    with pytest.raises(ValueError, match="must yield pictures in every epoch; epoch 1 got none"):
        train.fit(models.TinyCNN(2), Hollow(), epochs=1)


def test_an_empty_batch_is_named():
    batch = (torch.zeros(0, 3, 16, 16), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="each batch must hold at least one picture"):
        train.fit(models.TinyCNN(2), [batch], epochs=1)


@pytest.mark.parametrize("lr", [-1.0, 0.0, 1e6, float("nan"), float("inf")])
def test_a_rate_that_cannot_work_is_refused(lr):
    batch = (torch.zeros(2, 3, 16, 16), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="lr must lie above 0 and be at most 100.*Try 3e-3"):
        train.fit(models.TinyCNN(2), [batch], epochs=1, lr=lr)


def test_a_true_answer_ends_the_run():
    run = train.fit(
        models.TinyCNN(2), two_colours(64), epochs=9, on_epoch=lambda so_far: len(so_far.epochs) > 2
    )
    assert run.ended == "stopped early" and len(run.epochs) == 3


def test_accumulated_batches_learn_like_one_large_batch():
    torch.manual_seed(0)
    large = models.MLP(2, image_size=(16, 16))
    small = models.MLP(2, image_size=(16, 16))
    small.load_state_dict(large.state_dict())
    loader = two_colours(256)
    torch_loader = Batches(loader.images, loader.labels, 128)
    for model, batches, accumulate in ((large, torch_loader, 1), (small, loader, 2)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train.train_one_epoch(model, batches, optimizer, accumulate=accumulate)
    for a, b in zip(large.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_last_group_of_batches_takes_its_step_too():
    steps = []
    model = models.Linear(2, image_size=(16, 16))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    train.train_one_epoch(model, two_colours(64 * 5), optimizer, accumulate=2)
    assert len(steps) == 3


def test_the_average_is_what_is_judged_and_kept():
    torch.manual_seed(0)
    model, loader = models.TinyCNN(2), two_colours(256)
    run = train.fit(model, loader, loader, epochs=3, ema_decay=0.8)
    assert train.evaluate(model, loader).loss == pytest.approx(run.best.val_loss)
    assert run.best.val_accuracy > 0.8


def test_the_same_loop_learns_boxes():
    """Localisation: only head, target, loss and score change."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, 9, (512, 2), generator=generator)
    images = torch.zeros(512, 3, 16, 16)
    for image, (x, y) in zip(images, corners.tolist(), strict=True):
        image[:, y : y + 7, x : x + 7] = 1.0
    boxes = torch.cat([corners, corners + 7], dim=1) / 16
    loader = list(zip(images.split(32), boxes.split(32), strict=True))
    torch.manual_seed(0)

    def near(outputs, targets):
        return ((outputs - targets).abs().amax(dim=1) < 1 / 16).sum()

    model = models.MLP(4, image_size=(16, 16))
    run = train.fit(model, loader, loader, epochs=15, loss_fn=F.l1_loss, score_fn=near)
    assert run.best.val_accuracy > 0.8 and run.epochs[0].val_accuracy < 0.6
    bare = train.fit(model, loader, loader, epochs=1, loss_fn=F.l1_loss, score_fn=None)
    assert bare.best.val_accuracy is None and str(bare).splitlines()[1].split()[2] == "-"


def test_targets_in_dicts_and_lists_pass():
    class Count(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images):
            return [image.sum() * self.scale for image in images]

    targets = [{"boxes": torch.zeros(2, 4)}, {"boxes": torch.zeros(0, 4)}]
    loader = [(torch.ones(2, 3, 4, 4), targets)] * 4

    def loss_fn(outputs, targets):
        wanted = [float(len(target["boxes"])) for target in targets]
        return sum((o - w).square().mean() for o, w in zip(outputs, wanted, strict=True))

    run = train.fit(Count(), loader, epochs=1, loss_fn=loss_fn, score_fn=None, lr=1e-4)
    assert run.epochs[0].train_accuracy is None and run.epochs[0].train_loss < 4.01


def test_soft_labels_count_as_their_largest():
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    soft = torch.tensor([[0.7, 0.3], [0.9, 0.1]])
    assert train.right_answers(logits, soft) == 1
    assert train.right_answers(logits, torch.tensor([0, 1])) == 2


def test_a_compiled_model_trains_and_keeps_its_names():
    model = models.Linear(2, image_size=(16, 16))
    names = list(model.state_dict())
    model.compile(backend="eager")
    train.fit(model, two_colours(64), epochs=1)
    assert list(model.state_dict()) == names


def test_history_comes_back_from_json_and_goes_to_tensorboard(tmp_path):
    run = train.fit(models.TinyCNN(2), two_colours(64), epochs=2)
    assert history.History.load(run.save(tmp_path / "run.json")) == run
    (tmp_path / "other.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"must be a .json file that history.save wrote"):
        history.History.load(tmp_path / "other.json")
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(ModuleNotFoundError, match="pip install tensorboard"):
            run.write_tensorboard(tmp_path / "log")
    else:
        assert list(run.write_tensorboard(tmp_path / "log").glob("events*"))


# --- bad input ---


def test_a_last_batch_of_one_under_batch_norm():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(768))
    with pytest.raises(ValueError, match="at least 2 pictures, as batch norm compares them; got 1"):
        train.fit(model, two_colours(65), epochs=1)


def test_labels_of_a_wrong_kind_or_wrong_only_later():
    loader = two_colours(128)
    loader.labels = loader.labels.float()
    with pytest.raises(TypeError, match=r"labels must be whole numbers \(int64\); got torch.float"):
        train.fit(models.TinyCNN(2), loader, epochs=1)
    loader.labels = loader.labels.long()
    loader.labels[100] = 5
    with pytest.raises(ValueError, match=r"name one of the model's outputs in every batch.*5"):
        train.fit(models.TinyCNN(2), loader, epochs=1)
    with pytest.raises(TypeError, match="batches must be made of tensors; got ndarray"):
        train.fit(models.TinyCNN(2), [(loader.images.numpy(), loader.labels)], epochs=1)


def test_a_model_or_an_optimizer_that_cannot_learn():
    with pytest.raises(ValueError, match="must have weights that can learn; Flatten has none"):
        train.fit(torch.nn.Flatten(), two_colours(64), epochs=1)
    other = train.default_optimizer(models.TinyCNN(2), lr=0.1)
    with pytest.raises(ValueError, match="must hold weights of this model"):
        train.fit(models.TinyCNN(2), two_colours(64), epochs=1, optimizer=other)
    with pytest.raises(ValueError, match="accumulate must be at least 1; got 0"):
        train.fit(models.TinyCNN(2), two_colours(64), epochs=1, accumulate=0)
    with pytest.raises(TypeError, match="epochs must be a whole number; got 1.5"):
        train.fit(models.TinyCNN(2), two_colours(64), epochs=1.5)


def test_validation_that_breaks_or_runs_dry_is_named():
    good = two_colours(64)
    bad = Batches(good.images * float("nan"), good.labels)
    with pytest.raises(FloatingPointError, match="the validation loss .* became nan in epoch 1"):
        train.fit(models.TinyCNN(2), good, bad, epochs=1)

    class Once:
        batches = iter([(good.images, good.labels)])

        def __len__(self):
            return 1

        def __iter__(self):
            return self.batches

    with pytest.raises(ValueError, match="val_loader must yield pictures in every epoch; epoch 2"):
        train.fit(models.TinyCNN(2), good, Once(), epochs=2)


def test_out_of_memory_names_the_batch_that_would_fit():
    class Hungry(models.Linear):
        def forward(self, images):
            if len(images) > 10:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(images)

    sentence = "batches of 64 do not. A batch of 8 fits; with accumulate=8 it learns like one of 64"
    with pytest.raises(MemoryError, match=sentence):
        train.fit(Hungry(2, image_size=(16, 16)), two_colours(128), epochs=1)
