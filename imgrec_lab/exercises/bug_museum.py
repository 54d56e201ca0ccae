"""The bug museum: six training runs, each with one bug, to be diagnosed by what they show.

::

    print(ex.bug_museum.healthy())      # the same run without a bug
    print(ex.bug_museum.exhibit_a())    # ... and so on to exhibit_f
    diagnosis = {"A": "rate_too_low", "B": ...}
    ex.bug_museum.check(diagnosis)

A diagnosis is a name from ``CAUSES``. Some of them fit no exhibit.
"""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from imgrec_lab.checks import Note, Result, check_values
from imgrec_lab.exercises.bug_exhibits import (
    Curves,
    Epoch,
    exhibit_a,
    exhibit_b,
    exhibit_c,
    exhibit_d,
    exhibit_e,
    exhibit_f,
    healthy,
)

__all__ = [
    "CAUSES",
    "EXHIBITS",
    "Curves",
    "Epoch",
    "check",
    "exhibit_a",
    "exhibit_b",
    "exhibit_c",
    "exhibit_d",
    "exhibit_e",
    "exhibit_f",
    "healthy",
    "hint",
    "solution",
]

EXHIBITS = {
    "A": exhibit_a,
    "B": exhibit_b,
    "C": exhibit_c,
    "D": exhibit_d,
    "E": exhibit_e,
    "F": exhibit_f,
}

CAUSES = {
    "gradients_kept": "Gradients are never emptied: those of all batches so far add up.",
    "labels_mixed_up": "Pictures and labels are shuffled apart, so that they no longer fit.",
    "normalised_twice": "Before evaluation, pixels are divided by 255 a second time.",
    "rate_too_high": "The learning rate is far too high.",
    "rate_too_low": "The learning rate is far too low.",
    "softmax_twice": "The loss is given probabilities, and applies a softmax to them again.",
    "step_forgotten": "The optimizer never takes a step: the weights stay as they were drawn.",
    "too_few_pictures": "No bug: there are too few pictures, and the network learns them by heart.",
    "training_mode": "The network is evaluated in training mode: it looks at the whole batch.",
    "validation_leaked": "The validation pictures are trained on as well.",
}

_WOULD_SHOW = {
    "gradients_kept": "a gradient that grows from epoch to epoch, until nothing is learned",
    "labels_mixed_up": "accuracies of 1/14, in training as well, and a loss that ends near ln 14",
    "normalised_twice": "healthy training, and other pictures that are never recognised at all",
    "rate_too_high": "a loss that jumps in the first epoch and is then stuck, with small gradients",
    "rate_too_low": "losses that creep down evenly, and a gradient that hardly shrinks",
    "softmax_twice": "a training loss that stays high whatever the training accuracy does",
    "step_forgotten": "the same training loss and gradient in each epoch, but for some noise",
    "too_few_pictures": "training near 1, and validation and fresh pictures alike far behind, yet "
    "well above chance",
    "training_mode": "healthy training, and results that depend on which pictures share a batch",
    "validation_leaked": "validation level with training, and fresh pictures behind both",
}


class _Exhibit(NamedTuple):
    """What is known of an exhibit; ``against`` speaks against plausible wrong causes."""

    cause: str
    hints: tuple[str, str]
    against: dict[str, str]
    faulty: str
    cure: str


_KNOWN = {
    "A": _Exhibit(
        "labels_mixed_up",
        (
            "Compare the accuracies with blind guessing among 14 signs, and the training loss with "
            "ln 14 = 2.64. Does anything change during the run?",
            "The weights do move: the gradient falls. Yet the network cannot tell signs apart, "
            "not even those it trains on. What does it need besides pictures, to learn from?",
        ),
        {
            "step_forgotten": "Without steps the gradient would stay as it was, and here it falls "
            "from epoch to epoch: the weights do move.",
            "rate_too_low": "With a low rate the training accuracy would rise slowly. Here it does "
            "not rise at all, and the gradient has become small.",
            "rate_too_high": "With too high a rate, the loss would first jump above what guessing "
            "costs. Here it comes down to ln 14, quietly, and stays there.",
            "gradients_kept": "The gradient would grow; here it falls.",
            "normalised_twice": "That would harm evaluation only. Here training is at chance too.",
            "training_mode": "That would harm evaluation only. Here training is at chance too.",
        },
        "shuffled = (_batches(tensor, generator=generator) for tensor in train)",
        "for images, labels in _batches(*train, generator=generator):",
    ),
    "B": _Exhibit(
        "validation_leaked",
        (
            "Do fresh pictures do as well as the validation pictures? And as the healthy run's?",
            "Neither validation nor fresh pictures should have been seen before, so they should do "
            "alike. What would make pictures easier than fresh ones of the same kind?",
        ),
        {
            "too_few_pictures": "Learning by heart would leave validation behind as well as fresh "
            "pictures. Here validation keeps level with training.",
            "training_mode": "That harms validation, which goes through the network class by "
            "class. Here validation is better than fresh pictures, not worse.",
            "normalised_twice": "That harms validation. Here it is suspiciously good.",
        },
        "everything = Pictures(*(torch.cat(both) for both in zip(train, val, strict=True)))",
        "for images, labels in _batches(*train, generator=generator):",
    ),
    "C": _Exhibit(
        "gradients_kept",
        (
            "Compare the gradient, epoch by epoch, with that of the healthy run.",
            "A healthy gradient shrinks as the loss falls. This one grows with the number of "
            "batches, as though something were added up. What should start anew in each batch?",
        ),
        {
            "rate_too_high": "The right suspicion: the steps are far too large. But with a high "
            "rate alone the gradient does not grow from epoch to epoch. Why does it here?",
            "labels_mixed_up": "Wrong labels leave a loss near ln 14 and a small gradient. Here "
            "the loss lies far above, and the gradient grows.",
            "rate_too_low": "The steps are not too small: the loss is larger than at the start.",
            "step_forgotten": "Without steps nothing would change; here the loss gets worse.",
            "training_mode": "That would harm evaluation only. Here training fails as well.",
            "normalised_twice": "That would harm evaluation only. Here training fails as well.",
        },
        "loss.backward()",
        "optimizer.zero_grad(); loss.backward()",
    ),
    "D": _Exhibit(
        "normalised_twice",
        (
            "Training is healthy. What of validation and fresh pictures, and since which epoch?",
            "Validation accuracy is 1/14 in each epoch, to the last digit: all pictures are given "
            "the same class. What could make them all look alike when they are evaluated?",
        ),
        {
            "too_few_pictures": "Learning by heart takes some epochs, and leaves accuracy well "
            "above chance. Here it is 1/14 from the first epoch on.",
            "training_mode": "Near, as only evaluation is harmed. But fresh pictures, in mixed "
            "order, would be recognised even in training mode; here they are not either.",
            "labels_mixed_up": "Training would fail as well, and it is as good as the healthy "
            "run's.",
            "validation_leaked": "That makes validation too good; here it is bad.",
            "gradients_kept": "The gradient is the healthy one, and so is training.",
        },
        "log.epoch(*_score(model, val.images / 255, val.labels))",
        "log.epoch(*_score(model, *val))",
    ),
    "E": _Exhibit(
        "softmax_twice",
        (
            "How high is the training loss when nearly half of the answers are right? And in the "
            "healthy run, at the same accuracy?",
            "The training loss ends above the validation loss, which is computed elsewhere, though "
            "training is right at least as often. Which of the two losses would you doubt?",
        ),
        {
            "rate_too_low": "Slow it is. But a low rate would leave loss and accuracy in their "
            "usual relation, and this loss is far too high for its accuracy.",
            "rate_too_high": "A high rate makes curves jump; these are smooth, and improve.",
            "labels_mixed_up": "Then nothing could be learned, and accuracy rises here.",
            "step_forgotten": "Then nothing could be learned, and accuracy rises here.",
            "too_few_pictures": "Then training would be far better than validation; here both lag.",
            "gradients_kept": "The gradient would grow; here it is smaller than the healthy one.",
        },
        "loss = F.cross_entropy(logits.softmax(dim=1), labels)",
        "loss = F.cross_entropy(logits, labels)",
    ),
    "F": _Exhibit(
        "training_mode",
        (
            "Validation and fresh pictures are of the same kind. Which does better, by how much?",
            "They differ in one thing: validation comes class by class, fresh pictures in mixed "
            "order. When does it matter to a network which pictures share a batch?",
        ),
        {
            "too_few_pictures": "Learning by heart would harm fresh pictures just as much, and "
            "those do as well as in the healthy run.",
            "normalised_twice": "Near, as only evaluation is harmed. But then fresh pictures would "
            "fail as well, and they are recognised.",
            "labels_mixed_up": "Training would fail as well, and it is as good as the healthy "
            "run's.",
            "validation_leaked": "That makes validation better than fresh pictures; here it is "
            "far worse.",
            "gradients_kept": "The gradient is the healthy one, and so is training.",
        },
        "log.epoch(*_score(model, *val))",
        "model.eval(); log.epoch(*_score(model, *val))",
    ),
}


_ENCOURAGEMENT = (
    "Look at ex.bug_museum.healthy() and at an exhibit, such as ex.bug_museum.exhibit_a(); then "
    "put the name of a cause from ex.bug_museum.CAUSES in place of the ... of its letter. "
    "Help: ex.bug_museum.hint('A')"
)


def check(diagnosis: Mapping[str, str]) -> Result:
    """Say of each exhibit whether its cause is named, and else what speaks against it.

    Args:
        diagnosis: letters "A" to "F" with names from ``CAUSES``; ``...`` is not attempted yet.
    """
    diagnosis = {} if diagnosis is None or diagnosis is ... else diagnosis
    if not isinstance(diagnosis, Mapping):
        came = check_values.kind(diagnosis)
        text = f'check takes a dict such as {{"A": "rate_too_low"}}; got {came}.'
        return Result("bug_museum", "wrong type", text)
    unknown = [letter for letter in diagnosis if letter not in EXHIBITS]
    lines = [f"There is no exhibit {letter!r}. {_nearest(letter, EXHIBITS)}" for letter in unknown]
    verdicts = {letter: _verdict(letter, diagnosis.get(letter)) for letter in EXHIBITS}
    lines += [f"{letter}: {words}" for letter, words in verdicts.items()]
    if not unknown and all(words == "not attempted." for words in verdicts.values()):
        return Result("bug_museum", "not attempted", _ENCOURAGEMENT)
    right = sum(words.startswith("right.") for words in verdicts.values())
    if right == len(EXHIBITS):
        return Result("bug_museum", "right", "\n".join([*lines, "All six right."]))
    return Result("bug_museum", f"{right} of {len(EXHIBITS)} right", "\n".join(lines))


def _verdict(letter: str, cause: Any) -> str:
    exhibit = _KNOWN[letter]
    if cause is None or cause is ...:
        return "not attempted."
    if not isinstance(cause, str):
        return f"a cause is a name from CAUSES, in quotes; got {check_values.kind(cause)}."
    if cause not in CAUSES:
        return f"no cause is called {cause!r}. {_nearest(cause, CAUSES)}"
    if cause == exhibit.cause:
        return f"right. {CAUSES[cause]}"
    if cause in exhibit.against:
        return f"not {cause}. {exhibit.against[cause]} Help: ex.bug_museum.hint({letter!r})"
    usual = f"One would see {_WOULD_SHOW[cause]}."
    return f"not {cause}. {usual} {exhibit.hints[0]} Help: ex.bug_museum.hint({letter!r}, 2)"


def _nearest(name: Any, known: Mapping[str, Any]) -> str:
    folded = {other.lower(): other for other in known}
    near = difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.5)
    return f"Did you mean {folded[near[0]]!r}?" if near else f"Choose from {', '.join(known)}."


def hint(letter: str, step: int = 1) -> Note:
    """Which evidence of an exhibit to look at (1), and what it says (2).

    Raises:
        ValueError: if there is no such exhibit or hint.
    """
    if letter not in EXHIBITS:
        raise ValueError(f"There is no exhibit {letter!r}. {_nearest(letter, EXHIBITS)}")
    hints = _KNOWN[letter].hints
    if step not in range(1, len(hints) + 1):
        raise ValueError(f"each exhibit has the hints 1 to {len(hints)}; got {step!r}.")
    following = "solution()" if step == len(hints) else f"hint({letter!r}, {step + 1})"
    text = f"{hints[step - 1]}\nStill stuck? ex.bug_museum.{following}"
    return Note(f"bug_museum: exhibit {letter}, hint {step} of {len(hints)}", text)


def solution() -> Note:
    """The cause of each exhibit, with its faulty line and the cure."""
    lines = []
    for letter, exhibit in _KNOWN.items():
        lines += [f"{letter}  {exhibit.cause}: {CAUSES[exhibit.cause]}"]
        lines += [f"   is         {exhibit.faulty}", f"   should be  {exhibit.cure}"]
    text = "Each exhibit is one slip away from healthy(). Compare their sources: ??exhibit_a"
    return Note("bug_museum: the six bugs", text, "\n".join(lines))
