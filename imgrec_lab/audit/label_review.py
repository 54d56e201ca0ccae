"""A person's decisions about suspected labels, and the new version of the set that follows.

``widgets.label_corrector`` is the screen for it; this is what is decided, without any screen.
"""

import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from imgrec_lab import atomic_files
from imgrec_lab.audit.label_errors import LabelSuspects, Suspect
from imgrec_lab.datasets import ImageSet

LOG_NAME = "label_review.json"


class Decision(NamedTuple):
    """What was decided about one label.

    Attributes:
        index: of the picture in the set under review.
        given: the label that it bears there.
        new: its label from now on; None where the picture is dropped.
    """

    index: int
    given: int
    new: int | None

    @property
    def kind(self) -> str:
        """What the decision does: "keep", "correct" or "drop"."""
        if self.new is None:
            return "drop"
        return "keep" if self.new == self.given else "correct"


class Reviewed(NamedTuple):
    """A new version of a set, and the decisions that lead to it, in the order of the pictures."""

    image_set: ImageSet
    log: tuple[Decision, ...]


class Review:
    """One suspect after another: keep its label, correct it or drop the picture.

    The set under review stays as it is; ``result`` makes a new one. With ``out`` every decision
    is on disk before the next one, and a review of the same set goes on from there. Two reviews of
    one set may share ``out``: each adds to what is in the log by then.

    Args:
        image_set: N pictures.
        suspects: what ``label_errors.find_label_errors`` found in its labels.
        out: a folder for the log (``label_review.json``); made where it is missing.

    Attributes:
        position: which suspect is looked at, 0..S; S when all are done.
        log: every decision in the order in which it was made; a picture's last one counts.

    Raises:
        ValueError: if the suspects, or the log in ``out``, belong to another set.
    """

    def __init__(
        self, image_set: ImageSet, suspects: LabelSuspects, *, out: str | Path | None = None
    ):
        _check_suspects(suspects, image_set)
        self.image_set, self.suspects = image_set, suspects
        self.log: tuple[Decision, ...] = ()
        self._path = None
        if out is not None:
            self._path, self._digest = Path(out) / LOG_NAME, _digest(image_set)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists():
                self.log = self._read()
        self._places = {index: place for place, index in enumerate(suspects.indices.tolist())}
        decided = self.decisions()
        still_open = (place for index, place in self._places.items() if index not in decided)
        self.position = next(still_open, len(suspects))

    def current(self) -> Suspect:
        """The suspect that is looked at."""
        if self.position == len(self.suspects):
            raise ValueError(
                f"a decision needs a suspect; all {len(self.suspects)} were looked at. Go back "
                "with move(-1), or take the result()."
            )
        return self.suspects[self.position]

    def keep(self) -> None:
        """The given label is right; on to the next suspect."""
        self._decide(self.current().given)

    def correct(self, label: int | None = None) -> None:
        """The picture belongs to class ``label`` (default: the suggested one); on to the next."""
        label = self.current().suggested if label is None else label
        if not 0 <= label < len(self.image_set.classes):
            raise ValueError(
                f"label must lie in 0..{len(self.image_set.classes) - 1}; got {label}."
            )
        self._decide(label)

    def drop(self) -> None:
        """The picture is of no class, or of no use; on to the next."""
        self._decide(None)

    def undo(self) -> None:
        """Take the last decision known here back and return to its picture."""
        if not self.log:
            raise ValueError("there must be a decision to undo; none was made yet.")
        last, log = self.log[-1], list(self._latest())
        if last in log:  # else another review took it back
            del log[len(log) - 1 - log[::-1].index(last)]
        self._write(tuple(log))
        self.position = self._places.get(last.index, self.position)

    def move(self, steps: int) -> None:
        """Look at another suspect, deciding nothing: -1 is the one before, 1 the one after."""
        self.position = min(max(self.position + steps, 0), len(self.suspects))

    def decisions(self) -> dict[int, Decision]:
        """The decision that counts for each picture, by its index."""
        return {decision.index: decision for decision in self.log}

    def counts(self) -> Counter[str]:
        """How many of the suspects were decided in each way: "keep", "correct", "drop"."""
        rows = self.decisions().values()
        return Counter(row.kind for row in rows if row.index in self._places)

    def result(self) -> Reviewed:
        """The set with corrected labels and without the dropped pictures, and the decisions.

        Its name says which version it is: "signs train" becomes "signs train v2", then v3.
        """
        log = tuple(sorted(self.decisions().values()))
        labels, kept = self.image_set.labels.clone(), torch.ones(len(self.image_set)).bool()
        for decision in log:
            if decision.new is None:
                kept[decision.index] = False
            else:
                labels[decision.index] = decision.new
        name = _next_version(self.image_set.name)
        return Reviewed(replace(self.image_set, labels=labels, name=name)[kept], log)

    def _decide(self, new: int | None) -> None:
        suspect = self.current()
        self._write((*self._latest(), Decision(suspect.index, suspect.given, new)))
        self.position += 1

    def _latest(self) -> tuple[Decision, ...]:
        """The log with what other reviews saved meanwhile; OSError if it can be read no more."""
        if self._path is None or not self._path.exists():
            return self.log
        try:
            return self._read()
        except ValueError as error:
            raise OSError(str(error)) from error  # as any other reason why nothing can be saved

    def _write(self, log: tuple[Decision, ...]) -> None:
        """Save ``log``, then believe it: what cannot be saved was not decided."""
        if self._path:
            atomic_files.write_text(self._path, self._as_text(log))
        self.log = log

    def _as_text(self, log: tuple[Decision, ...]) -> str:
        """The log as JSON, with the names of the classes, for people to read as well."""
        classes = self.image_set.classes
        rows = [
            {
                "index": row.index,
                "given": classes[row.given],
                "new": None if row.new is None else classes[row.new],
                "decision": row.kind,
            }
            for row in log
        ]
        saved = {"set": self.image_set.name, "digest": self._digest, "decisions": rows}
        return json.dumps(saved, indent=1, ensure_ascii=False) + "\n"

    def _read(self) -> tuple[Decision, ...]:
        try:
            saved = json.loads(self._path.read_text("utf-8"))
            name, digest, rows = saved["set"], saved["digest"], saved["decisions"]
            if digest == self._digest:
                return tuple(map(self._decision, rows))
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{self._path} must be the log of a review; it is damaged or of another kind "
                f"({type(error).__name__}: {error}). It was left as it is: correct it, or name "
                "another folder."
            ) from error
        raise ValueError(
            f"the log in {self._path} must belong to this set, {self.image_set.name!r}; it belongs "
            f"to {name!r} with other pictures or labels. Name another folder for this review."
        )

    def _decision(self, row: dict) -> Decision:
        """A decision as the log has it; ValueError where it does not fit the set."""
        index, given, new = row["index"], row["given"], row["new"]
        classes, labels = self.image_set.classes, self.image_set.labels
        if type(index) is not int or not 0 <= index < len(labels):
            raise ValueError(f"index must be one of 0..{len(labels) - 1}; got {index!r}")
        if given != classes[labels[index]]:
            raise ValueError(
                f"given must be {classes[labels[index]]!r} for picture {index}; got {given!r}"
            )
        if new is not None and new not in classes:
            raise ValueError(f"new must be null or one of {', '.join(classes)}; got {new!r}")
        return Decision(index, classes.index(given), None if new is None else classes.index(new))


def _check_suspects(suspects: LabelSuspects, image_set: ImageSet) -> None:
    indices = suspects.indices
    inside = not len(indices) or int(indices.max()) < len(image_set)
    if not inside or not suspects.given.equal(image_set.labels[indices]):
        raise ValueError(
            f"suspects must have been found in the labels of this set, {image_set.name!r} with "
            f"{len(image_set):,} pictures; some bear another label here. Find them again."
        )
    if suspects.probs.shape[1] != len(image_set.classes):
        raise ValueError(
            f"suspects must know the {len(image_set.classes)} classes of the set; their probs have "
            f"{suspects.probs.shape[1]} columns."
        )


def _digest(image_set: ImageSet) -> str:
    """Differs for sets that differ in a picture, a label or a class."""
    digest = hashlib.sha256(repr((image_set.classes, image_set.images.shape)).encode())
    for values in (image_set.labels, image_set.images):
        digest.update(values.numpy(force=True).tobytes())
    return digest.hexdigest()


def _next_version(name: str) -> str:
    base, version = re.fullmatch(r"(.*?)(?: v(\d+))?", name, re.DOTALL).groups()
    return f"{base} v{int(version or 1) + 1}"
