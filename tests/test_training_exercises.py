"""The exercises of lesson 03: answers of learners, right and wrong, and the bug museum.

``test_exercises`` puts RIGHT and WRONG to the checks, as it does for the other lessons. Here are
the solutions against torch and against the package, and what each exhibit of the museum shows.
"""

import dataclasses
import inspect
import math

import pytest
import torch
import torch.nn.functional as F

from imgrec_lab import metrics, plots, train
from imgrec_lab.exercises import bug_exhibits, bug_museum, training

# --- right answers, written differently --------------------------------------------------------


def train_step_emptied_at_the_end(model, optimizer, images, labels):
    loss = F.nll_loss(model(images).log_softmax(dim=-1), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    return loss.item()


def train_step_emptied_at_the_start(model, optimizer, images, labels):
    model.train()
    model.zero_grad()
    loss = torch.nn.CrossEntropyLoss()(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss


def momentum_step_on_copies(weight, gradient, velocity, lr, momentum):
    weight, velocity = weight.clone(), velocity.clone()
    velocity.mul_(momentum).add_(gradient)
    weight.sub_(lr * velocity)
    return weight, velocity


def one_cycle_rate_by_table(step, steps, highest):
    warmup = steps // 4 or 1
    climb = torch.linspace(0, highest, warmup + 1)[1:]
    fall = highest * torch.cos(torch.linspace(0, math.pi / 2, steps - warmup + 2)).square()
    return torch.cat([climb, fall[1:-1]])[step]


def recall_by_loop(labels, predicted, num_classes):
    shares = []
    for k in range(num_classes):
        found = [int(p) == k for y, p in zip(labels, predicted, strict=True) if y == k]
        shares.append(sum(found) / len(found) if found else math.nan)
    return shares


def recall_by_confusion(labels, predicted, num_classes):
    counts = metrics.confusion_matrix(labels, predicted, num_classes=num_classes)
    return counts.diag() / counts.sum(dim=1)


def should_stop_by_loop(val_losses, patience):
    best, waited = math.inf, 0
    for loss in val_losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
    return waited >= patience


RIGHT = {
    "train_step": [train_step_emptied_at_the_end, train_step_emptied_at_the_start],
    "momentum_step": [momentum_step_on_copies],
    "one_cycle_rate": [one_cycle_rate_by_table],
    "mean_loss": [
        lambda losses, counts: losses.repeat_interleave(counts).mean(),
        lambda losses, counts: losses @ (counts / counts.sum()),
        lambda losses, counts: (
            sum(a * n for a, n in zip(losses, counts, strict=True)) / sum(counts)
        ),
    ],
    "recall_per_class": [recall_by_loop, recall_by_confusion],
    "should_stop": [
        should_stop_by_loop,
        lambda x, n: len(x) > n and min(x[-n:]) >= min(x[:-n]),
        lambda x, n: int(torch.tensor(x).argmin()) <= len(x) - n - 1,
    ],
}


# --- wrong answers, and words that the reply must hold ------------------------------------------


def _train_step(*actions, loss_fn=F.cross_entropy):
    """A learner's step that does these things in this order, after the loss."""

    def answer(model, optimizer, images, labels):
        loss = loss_fn(model(images), labels)
        do = {"zero": optimizer.zero_grad, "backward": loss.backward, "step": optimizer.step}
        for action in actions:
            do[action]()
        return loss.detach()

    return answer


def _loss_again(model, optimizer, images, labels):
    optimizer.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    with torch.no_grad():
        return F.cross_entropy(model(images), labels)


def _by_hand(model, optimizer, images, labels):
    model.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    for weight in model.parameters():
        weight.data.add_(weight.grad, alpha=-optimizer.param_groups[0]["lr"])
    return loss.item()


def _augmented_in_place(model, optimizer, images, labels):
    return train_step_emptied_at_the_end(model, optimizer, images.mul_(2), labels)


def _momentum_in_place(weight, gradient, velocity, lr, momentum):
    velocity *= momentum
    velocity += gradient
    weight -= lr * velocity
    return weight, velocity


def _one_cycle(climb, fall):
    """A learner's schedule from two shares of the highest rate."""

    def answer(step, steps, highest):
        w = max(1, steps // 4)
        return highest * (climb(step, w) if step < w else fall(step, steps, w))

    return answer


def _half_cosine(done):
    return (1 + math.cos(math.pi * done)) / 2


def _climb(step, warmup):
    return (step + 1) / warmup


def _stop_at_first_worse(val_losses, patience):
    return val_losses[-1] != min(val_losses)


def _stop_by_counter(val_losses, patience):
    """Forgets to set the counter to 0 where the loss improves."""
    best, bad = val_losses[0], 0
    for loss in val_losses[1:]:
        best, bad = (loss, bad) if loss < best else (best, bad + 1)
    return bad >= patience


def _stop_where_equal_is_better(val_losses, patience):
    best = 0
    for epoch, loss in enumerate(val_losses):
        if loss <= val_losses[best]:
            best = epoch
    return len(val_losses) - 1 - best >= patience


ALL_STEPS = ("zero", "backward", "step")

WRONG = {
    "train_step": [
        (_train_step("backward", "step"), "the gradients of the first are still"),
        (_train_step("zero", "step", "backward"), "step comes before backward, when there are no"),
        (_train_step("step", "zero", "backward"), "the gradients of the call before"),
        (_train_step("zero", "backward"), "optimizer.step() is missing"),
        (_train_step("zero", "step"), "loss.backward() is missing"),
        (_train_step("backward", "zero", "step"), "between backward and step"),
        (
            _train_step(*ALL_STEPS, loss_fn=lambda x, y: F.cross_entropy(x.softmax(1), y)),
            "cross_entropy takes the logits themselves",
        ),
        (
            _train_step(*ALL_STEPS, loss_fn=lambda x, y: F.cross_entropy(x, y, reduction="sum")),
            "the sum over the images",
        ),
        (_loss_again, "the loss after they moved"),
        (_by_hand, "moved by hand"),
        (_augmented_in_place, "images is not what it was"),
        (lambda *args: "0.7", "losses: Expected a float32 tensor of shape (2,); got a list."),
        (lambda model, optimizer, images, labels: model(images).backwards(), "'backwards'"),
    ],
    "momentum_step": [
        (lambda w, g, v, lr, m: (w - lr * g, v), "momentum is missing"),
        (lambda w, g, v, lr, m: (w - lr * g, g), "remembers nothing"),
        (lambda w, g, v, lr, m: (w + lr * (m * v + g), m * v + g), "leads uphill"),
        (lambda w, g, v, lr, m: (w - lr * (m * v - g), m * v - g), "two minus signs"),
        (lambda w, g, v, lr, m: (w - m * v - lr * g, m * v + lr * g), "remembers old rates"),
        (lambda w, g, v, lr, m: (w - lr * v, g + m * v), "moves by the old velocity"),
        (
            lambda w, g, v, lr, m: (w - lr * v.lerp(g, 1 - m), v.lerp(g, 1 - m)),
            "dampening",
        ),
        (lambda w, g, v, lr, m: (w - lr * (g + m * (m * v + g)), m * v + g), "Nesterov"),
        (lambda w, g, v, lr, m: (m * v + g, w - lr * (m * v + g)), "weight first"),
        (lambda w, g, v, lr, m: w - lr * (m * v + g), "Expected a tuple (weight, velocity)"),
        (_momentum_in_place, "weight is not what it was"),
    ],
    "one_cycle_rate": [
        (
            _one_cycle(lambda k, w: k / w, lambda k, n, w: _half_cosine((k - w) / (n - w))),
            "gets a rate of 0 and learns nothing: batches count from 0",
        ),
        (
            _one_cycle(lambda k, w: k / w, lambda k, n, w: _half_cosine((k + 1 - w) / (n + 1 - w))),
            "gets a rate of 0 and learns nothing: batches count from 0",
        ),
        (lambda k, n, top: top * _half_cosine(k / n), "the warm-up is missing"),
        (
            _one_cycle(lambda k, w: 1, lambda k, n, w: _half_cosine((k + 1 - w) / (n + 1 - w))),
            "has the highest rate all along",
        ),
        (_one_cycle(_climb, lambda k, n, w: _half_cosine(k / n)), "runs over the whole run"),
        (
            _one_cycle(_climb, lambda k, n, w: 1 - (k + 1 - w) / (n + 1 - w)),
            "along a straight line",
        ),
        (
            _one_cycle(_climb, lambda k, n, w: _half_cosine((k + 1 - w) / (n - w))),
            "The last batch gets a rate of 0",
        ),
        (
            _one_cycle(_climb, lambda k, n, w: _half_cosine((k - w) / (n + 1 - w))),
            "The fall comes a batch late",
        ),
        (
            _one_cycle(_climb, lambda k, n, w: _half_cosine((k - w) / (n - w))),
            "Two batches get the highest rate",
        ),
        (lambda k, n, top: one_cycle_rate_by_table(k, n, 1.0), "multiply by highest"),
        (
            lambda k, n, top: (
                top * (k + 1) / (n // 4)
                if k < n // 4
                else top * _half_cosine((k + 1 - n // 4) / (n + 1 - n // 4))
            ),
            "fewer than four batches",
        ),
        (lambda k, n, top: "fast", "got a list"),
    ],
    "mean_loss": [
        (lambda x, n: sum(x) / len(x), "the mean of the means"),
        (lambda x, n: x.sum(), "the number of pictures is not used"),
        (lambda x, n: x @ n.float(), "divide it by how many there are"),
        (lambda x, n: (x * n).mean(), "divided by the number of batches"),
        (lambda x, n: x.sum() / n.sum(), "must be multiplied by its count"),
        (lambda x, n: (x / n).sum() / n.float().reciprocal().sum(), "upside down"),
        (lambda x, n: x[: max(1, len(x) - 1)].mean(), "The last batch is missing"),
        (lambda x, n: x * n / n.sum(), "Expected shape (); got (1,)."),
    ],
    "recall_per_class": [
        (lambda y, p, k: recall_by_confusion(p, y, k), "This is precision"),
        (lambda y, p, k: (y == p).sum() / len(y), "one accuracy for all classes"),
        (lambda y, p, k: torch.bincount(y[y == p], minlength=k) * 1.0, "These are counts"),
        (lambda y, p, k: torch.bincount(y[y == p], minlength=k) / len(y), "of all pictures"),
        (
            lambda y, p, k: (
                torch.bincount(y[y == p], minlength=k) / torch.bincount(y, minlength=k).clamp(min=1)
            ),
            "0 would say that none was recognised",
        ),
        (lambda y, p, k: recall_by_confusion(y, p, k).nan_to_num(1), "1 would say that all"),
        (
            lambda y, p, k: torch.stack([(p[y == c] == c).float().mean() for c in y.unique()]),
            "Classes without a picture are left out",
        ),
        (
            lambda y, p, k: [((y == c) == (p == c)).float().mean() for c in range(k)],
            "a rare class looks good",
        ),
        (
            lambda y, p, k: torch.bincount(p, minlength=k) / torch.bincount(y, minlength=k),
            "count right guesses only",
        ),
        (lambda y, p, k: torch.bincount(y[y == p], minlength=k), "Expected a float32 tensor"),
    ],
    "should_stop": [
        (lambda x, n: len(x) > 1 and not x[-1] < x[-2], "looks only at the epoch before"),
        (
            lambda x, n: len(x) > n and all(x[-i] >= x[-i - 1] for i in range(1, n + 1)),
            "rise time after time",
        ),
        (_stop_at_first_worse, "patience is not used"),
        (lambda x, n: len(x) >= n + 1, "counts all epochs"),
        (lambda x, n: len(x) - 1 - x.index(min(x)) > n, "One epoch too late"),
        (lambda x, n: len(x) - x.index(min(x)) >= n, "One epoch too early"),
        (lambda x, n: len(x) - 1 - x.index(max(x)) >= n, "takes the highest loss for the best"),
        (_stop_where_equal_is_better, "counts an equal loss as progress"),
        (lambda x, n: len(x) > n and x[-1] >= x[-n - 1], "the one epoch that lies patience back"),
        (lambda x, n: not should_stop_by_loop(x, n), "the wrong way round"),
        (_stop_by_counter, "numbers differ"),
    ],
}


# --- the solutions themselves, against torch and against the package ----------------------------


def test_train_step_equals_a_package_epoch_of_one_batch():
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(6, 3), torch.nn.Linear(6, 3)
    theirs.load_state_dict(ours.state_dict())
    images, labels = torch.randn(5, 6), torch.tensor([0, 1, 2, 0, 1])
    loss = training.train_step.reference(
        ours, torch.optim.SGD(ours.parameters(), lr=0.3), images, labels
    )
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.3)
    score = train.train_one_epoch(theirs, [(images, labels)], optimizer)
    assert loss.item() == pytest.approx(score.loss)
    assert not loss.requires_grad
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_momentum_step_equals_torch_also_when_the_rate_changes():
    generator = torch.Generator().manual_seed(7)
    weight = torch.randn(4, 3, generator=generator)
    theirs, velocity = weight.clone().requires_grad_(), torch.zeros(4, 3)
    optimizer = torch.optim.SGD([theirs], lr=1.0, momentum=0.8)
    for lr in (0.1, 0.1, 0.02, 0.5):
        gradient = torch.randn(4, 3, generator=generator)
        weight, velocity = training.momentum_step.reference(weight, gradient, velocity, lr, 0.8)
        optimizer.param_groups[0]["lr"], theirs.grad = lr, gradient
        optimizer.step()
        torch.testing.assert_close(weight, theirs.detach())


@pytest.mark.parametrize("steps", [1, 2, 4, 7, 50])
def test_one_cycle_rate_equals_the_schedule_of_the_package(steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.7)
    schedule, rates = train.one_cycle(optimizer, steps=steps), []
    for _ in range(steps):
        rates += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    ours = [training.one_cycle_rate.reference(step, steps, 0.7) for step in range(steps)]
    assert ours == pytest.approx(rates)


def test_scores_by_hand():
    loss = training.mean_loss.reference(torch.tensor([1.0, 5.0]), torch.tensor([3, 1]))
    assert loss.item() == 2.0
    labels, predicted = torch.tensor([0, 0, 0, 0, 2]), torch.tensor([0, 1, 0, 0, 1])
    recall = training.recall_per_class.reference(labels, predicted, 3)
    assert recall.tolist() == pytest.approx([0.75, math.nan, 0.0], nan_ok=True)
    assert training.should_stop.reference([0.5, 0.4, 0.6, 0.7], 2) is True
    assert training.should_stop.reference([0.5, 0.4, 0.6, 0.39], 2) is False


def test_zero_grad_forgotten_shows_only_in_the_second_step():
    result = training.train_step.check(_train_step("backward", "step"))
    assert "weights after each step: 4 of 8 numbers differ" in result.text
    assert "weight = [[0., 0.]," in result.code and "lr = 1.0" in result.code


# --- the bug museum: what each exhibit shows -----------------------------------------------------

CHANCE, LN_14 = 1 / 14, math.log(14)
RIGHT_DIAGNOSIS = {
    "A": "labels_mixed_up",
    "B": "validation_leaked",
    "C": "gradients_kept",
    "D": "normalised_twice",
    "E": "softmax_twice",
    "F": "training_mode",
}


@pytest.fixture(scope="module")
def shown():
    """The curves of the healthy run, under "healthy", and of the exhibits, under their letters."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same numbers on every machine
    runs = {"healthy": bug_museum.healthy, **bug_museum.EXHIBITS}
    curves = {name: run() for name, run in runs.items()}
    torch.set_num_threads(threads)
    return curves


def _trained_alike(one, other) -> bool:
    fields = ("train_loss", "train_accuracy", "gradient")
    return all(
        [getattr(row, field) for row in one.epochs]
        == pytest.approx([getattr(row, field) for row in other.epochs], rel=1e-3)
        for field in fields
    )


def test_the_healthy_run_learns_and_its_two_test_sets_agree(shown):
    first, *_, last = shown["healthy"].epochs
    assert last.train_loss < 0.5 and last.train_accuracy > 0.8 and last.val_accuracy > 0.55
    assert last.val_accuracy == pytest.approx(shown["healthy"].fresh_accuracy, abs=0.1)
    assert last.gradient < first.gradient


def test_a_stays_at_chance_though_its_weights_move(shown):
    for row in shown["A"].epochs:
        assert max(row.train_accuracy, row.val_accuracy) < 3 * CHANCE
    assert shown["A"].fresh_accuracy < 3 * CHANCE
    first, *_, last = shown["A"].epochs
    assert last.train_loss == pytest.approx(LN_14, abs=0.1)
    assert last.gradient < first.gradient / 2


def test_b_knows_its_validation_pictures_better_than_fresh_ones(shown):
    last, fresh = shown["B"].epochs[-1], shown["B"].fresh_accuracy
    assert last.val_accuracy - fresh > 0.1
    assert last.val_accuracy > last.train_accuracy - 0.05
    assert fresh == pytest.approx(shown["healthy"].fresh_accuracy, abs=0.1)


def test_c_has_a_growing_gradient_and_learns_nothing(shown):
    gradients = [row.gradient for row in shown["C"].epochs]
    assert gradients[-1] > 2 * gradients[0] > 4 * shown["healthy"].epochs[0].gradient
    assert shown["C"].epochs[-1].train_loss > LN_14 > shown["healthy"].epochs[-1].train_loss
    assert shown["C"].epochs[-1].train_accuracy < 0.3


def test_d_trains_well_and_gives_one_class_to_all_that_is_evaluated(shown):
    assert _trained_alike(shown["D"], shown["healthy"])
    assert [row.val_accuracy for row in shown["D"].epochs] == pytest.approx([CHANCE] * 8)
    assert shown["D"].fresh_accuracy == pytest.approx(CHANCE)


def test_e_has_a_loss_too_high_for_its_accuracy(shown):
    last, healthy = shown["E"].epochs[-1], shown["healthy"].epochs
    assert last.train_loss > 1.75  # ln(1 + 13 / e): the least that this loss can be
    assert last.train_loss > healthy[-1].train_loss + 1
    assert last.train_loss > last.val_loss and last.train_accuracy >= last.val_accuracy - 0.02
    assert 3 * CHANCE < last.train_accuracy < healthy[-1].train_accuracy - 0.2
    worse = [row for row in healthy if row.train_accuracy < last.train_accuracy]
    assert worse and all(row.train_loss < last.train_loss for row in worse[1:])
    assert max(row.gradient for row in shown["E"].epochs) < min(row.gradient for row in healthy)


def test_f_depends_on_the_order_of_what_is_evaluated(shown):
    assert _trained_alike(shown["F"], shown["healthy"])
    assert max(row.val_accuracy for row in shown["F"].epochs) < 0.35
    assert shown["F"].fresh_accuracy == pytest.approx(shown["healthy"].fresh_accuracy, abs=0.08)


def test_curves_are_frozen_drawn_and_printed(shown):
    curves = shown["healthy"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        curves.fresh_accuracy = 1.0
    loss_axes, _ = plots.curves(curves)
    assert len(loss_axes.lines[0].get_xdata()) == bug_exhibits.EPOCHS
    text = str(curves)
    assert text.startswith("epoch  train loss  train acc  val loss  val acc  gradient\n    1  ")
    assert f"fresh pictures: loss {curves.fresh_loss:.2f}, accuracy" in text


def test_a_run_leaves_the_global_generator_alone(monkeypatch):
    monkeypatch.setattr(bug_exhibits, "EPOCHS", 1)
    before = torch.get_rng_state()
    first = bug_museum.exhibit_e(seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert bug_museum.exhibit_e(seed=3) == first != bug_museum.exhibit_e(seed=4)


def test_exhibits_can_be_read_and_do_not_name_their_bug():
    for exhibit in bug_museum.EXHIBITS.values():
        source = inspect.getsource(exhibit)
        assert len(source.splitlines()) <= 20 and "#" not in source
        assert inspect.getdoc(exhibit).startswith("Exhibit ")
        assert not any(cause in source for cause in bug_museum.CAUSES)


# --- the bug museum: diagnoses -------------------------------------------------------------------


def test_six_right():
    result = bug_museum.check(RIGHT_DIAGNOSIS)
    assert result.passed and result.outcome == "right"
    assert result.text.endswith("All six right.")
    assert "A: right. Pictures and labels are shuffled apart" in result.text
    assert set(bug_museum.CAUSES) - set(RIGHT_DIAGNOSIS.values()) == {
        "rate_too_high",
        "rate_too_low",
        "step_forgotten",
        "too_few_pictures",
    }


@pytest.mark.parametrize("nothing", [None, ..., {}, dict.fromkeys("ABCDEF", ...), {"A": None}])
def test_nothing_is_not_attempted(nothing):
    result = bug_museum.check(nothing)
    assert (result.passed, result.outcome) == (False, "not attempted")
    assert "ex.bug_museum.exhibit_a()" in result.text


def test_a_part_is_judged_and_the_rest_left_open():
    result = bug_museum.check({"A": "labels_mixed_up", "B": "too_few_pictures", "F": ...})
    assert (result.passed, result.outcome) == (False, "1 of 6 right")
    lines = dict(line.split(": ", 1) for line in result.text.splitlines())
    assert list(lines) == list("ABCDEF")
    assert lines["A"].startswith("right.")
    assert "Here validation keeps level with training. Help: ex.bug_museum.hint('B')" in lines["B"]
    assert lines["C"] == lines["F"] == "not attempted."


def _verdict(letter: str, cause: str) -> str:
    text = bug_museum.check({letter: cause}).text
    return next(line for line in text.splitlines() if line.startswith(f"{letter}: "))


@pytest.mark.parametrize("letter", RIGHT_DIAGNOSIS)
@pytest.mark.parametrize("cause", bug_museum.CAUSES)
def test_wrong_causes_get_a_reason_that_does_not_name_the_right_one(letter, cause):
    verdict = _verdict(letter, cause)
    if cause == RIGHT_DIAGNOSIS[letter]:
        assert verdict == f"{letter}: right. {bug_museum.CAUSES[cause]}"
        return
    assert verdict.startswith(f"{letter}: not {cause}. ") and f"hint('{letter}'" in verdict
    assert RIGHT_DIAGNOSIS[letter] not in verdict
    assert bug_museum.CAUSES[RIGHT_DIAGNOSIS[letter]] not in verdict


def test_a_cause_without_a_reason_of_its_own_gets_its_symptom_and_the_first_hint():
    verdict = _verdict("B", "step_forgotten")
    assert "One would see the same training loss and gradient in each epoch" in verdict
    assert "Do fresh pictures do as well as the validation pictures?" in verdict
    assert verdict.endswith("Help: ex.bug_museum.hint('B', 2)")


def test_misspelt_names_are_guessed():
    assert (
        _verdict("A", "softmax") == "A: no cause is called 'softmax'. Did you mean 'softmax_twice'?"
    )
    assert "'Gradients_Kept'. Did you mean 'gradients_kept'?" in _verdict("A", "Gradients_Kept")
    assert "no cause is called 'xyz'. Choose from gradients_kept, labels" in _verdict("A", "xyz")
    text = bug_museum.check({"a": "softmax_twice", "G": "softmax_twice"}).text
    assert "There is no exhibit 'a'. Did you mean 'A'?" in text
    assert "There is no exhibit 'G'. Choose from A, B, C, D, E, F." in text


def test_values_of_the_wrong_type():
    result = bug_museum.check(["labels_mixed_up"])
    assert (result.passed, result.outcome) == (False, "wrong type")
    assert 'check takes a dict such as {"A": "rate_too_low"}; got a list.' in result.text
    assert _verdict("A", 3) == "A: a cause is a name from CAUSES, in quotes; got an int."
    assert "got a list." in _verdict("A", ["labels_mixed_up"])
    assert "got a float32 tensor of shape (2,)" in _verdict("A", torch.zeros(2))


@pytest.mark.parametrize("letter", RIGHT_DIAGNOSIS)
def test_hints_lead_on_and_never_name_the_cause(letter):
    first, second = bug_museum.hint(letter), bug_museum.hint(letter, 2)
    assert f"exhibit {letter}, hint 1 of 2" in repr(first)
    assert f"Still stuck? ex.bug_museum.hint('{letter}', 2)" in repr(first)
    assert "Still stuck? ex.bug_museum.solution()" in repr(second)
    assert not any(cause in repr(first) + repr(second) for cause in bug_museum.CAUSES)


def test_hints_that_are_not_there():
    with pytest.raises(ValueError, match="There is no exhibit 'c'. Did you mean 'C'?"):
        bug_museum.hint("c")
    with pytest.raises(ValueError, match="each exhibit has the hints 1 to 2; got 3"):
        bug_museum.hint("C", 3)


def test_the_solution_names_lines_that_stand_in_the_exhibits():
    text = repr(bug_museum.solution())
    for letter, cause in RIGHT_DIAGNOSIS.items():
        assert f"{letter}  {cause}: {bug_museum.CAUSES[cause]}" in text
    faulty = [line.split("is ", 1)[1].strip() for line in text.splitlines() if "   is  " in line]
    healthy = inspect.getsource(bug_museum.healthy)
    for line, exhibit in zip(faulty, bug_museum.EXHIBITS.values(), strict=True):
        assert line in inspect.getsource(exhibit)
    for line in text.splitlines():
        if "should be" in line:
            cures = line.split("should be")[1].split(";")
            assert all(cure.strip() in healthy for cure in cures)
