"""Look at suspected labels one by one, and keep, correct or drop each."""

import html
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from ipywidgets import HTML, Button, Dropdown, HBox, VBox, Widget
from PIL import Image, ImageOps
from torch import Tensor

from imgrec_lab import plots
from imgrec_lab.audit.label_errors import LabelSuspects, Suspect
from imgrec_lab.audit.label_review import Review
from imgrec_lab.datasets import ImageSet
from imgrec_lab.widgets.widget_parts import Panel, picture_widget

_DONE = {"keep": "kept", "correct": "corrected", "drop": "dropped"}
EXAMPLES, COLUMNS, LIKELIEST = 6, 3, 3
LARGE_PX, TILE_PX, GAP_PX = 234, 74, 6  # three tiles and their gaps are as wide as the picture


def label_corrector(
    image_set: ImageSet, suspects: LabelSuspects, *, out: str | Path | None = None
) -> Panel:
    """Judge one suspect after another: is the given label right, the suggested one, another?

    The set stays as it is: ``panel.review.result()`` gives the new version and the decisions.

    Args:
        image_set: N pictures.
        suspects: what ``label_errors.find_label_errors`` found in its labels, or the first of it.
        out: a folder; each decision is saved there at once, and the same call goes on from there.

    Returns:
        Panel with the parts ``message, picture, facts, given, given_examples, other,
        other_examples, choice, keep, correct, drop, back, forward`` and ``undo``.

    Raises:
        ValueError: if the suspects, or the log in ``out``, belong to another set.
    """
    review = Review(image_set, suspects, out=out)
    panel = _empty_panel()
    panel.review, parts = review, panel.parts

    def show_other(change: dict | None = None) -> None:
        _show_other(parts, review)

    def show() -> None:
        _show_state(parts, review)
        if len(suspects):
            parts.choice.unobserve(show_other, "value")  # two changes of it, one sheet drawn
            _show_suspect(parts, review)
            parts.choice.observe(show_other, "value")
            show_other()

    def click(action: Callable[[], None], button: Button) -> None:
        try:
            action()
            show()
        except OSError as error:  # a full disk, say; the person must know
            parts.message.value = f"<b>Not saved, so not decided:</b> {html.escape(str(error))}"

    actions = {
        parts.keep: review.keep,
        parts.correct: lambda: review.correct(parts.choice.value),
        parts.drop: review.drop,
        parts.back: partial(review.move, -1),
        parts.forward: partial(review.move, 1),
        parts.undo: review.undo,
    }
    for button, action in actions.items():
        button.on_click(partial(click, action))
    parts.choice.observe(show_other, "value")
    show()
    return panel


def _empty_panel() -> Panel:
    """All widgets in their places: the picture, then a column for each of two labels."""
    message, facts, given, other = HTML(), HTML(), HTML(), HTML()
    picture, given_examples, other_examples = picture_widget(), picture_widget(), picture_widget()
    choice = Dropdown(layout={"width": f"{LARGE_PX}px"})
    keep, correct = _button("Keep this label"), _button("Correct to this")
    drop, back, forward, undo = map(_button, ("Drop the picture", "Back", "Next", "Undo"))
    columns = [
        _column(picture, facts),
        _column(given, given_examples, keep),
        _column(other, other_examples, correct, choice),
    ]
    wrapped = {"flex_flow": "row wrap"}
    return Panel(
        [message, HBox(columns, layout=wrapped), HBox([drop, back, forward, undo], layout=wrapped)],
        message=message, picture=picture, facts=facts, given=given,
        given_examples=given_examples, other=other, other_examples=other_examples, choice=choice,
        keep=keep, correct=correct, drop=drop, back=back, forward=forward, undo=undo,
    )  # fmt: skip


def _button(text: str) -> Button:
    return Button(description=text, layout={"width": "150px", "flex": "0 0 auto"})


def _column(*widgets: Widget) -> VBox:
    return VBox(widgets, layout={"width": f"{LARGE_PX + 4}px", "margin": "0 18px 6px 0"})


def _show_state(parts: SimpleNamespace, review: Review) -> None:
    """How far the review is, and which buttons make sense."""
    counts, total = review.counts(), len(review.suspects)
    done = [f"{counts[kind]} {name}" for kind, name in _DONE.items() if counts[kind]]
    ended = review.position == total
    here = f"this is suspect {review.position + 1}"
    if ended:
        here = "<code>panel.review.result()</code> is the new version"
    words = (f"<b>{counts.total()} of {total}</b> decided", ", ".join(done), here)
    parts.message.value = " · ".join(filter(None, words))
    for part in (parts.keep, parts.correct, parts.choice, parts.drop, parts.forward):
        part.disabled = ended
    parts.back.disabled, parts.undo.disabled = review.position == 0, not review.log


def _shown(review: Review) -> Suspect:
    """The suspect that is looked at; after the end the last one stays."""
    return review.suspects[min(review.position, len(review.suspects) - 1)]


def _show_suspect(parts: SimpleNamespace, review: Review) -> None:
    """The picture, what the model says of it, its label, and the classes that it could be of."""
    suspect, classes = _shown(review), review.image_set.classes
    earlier = review.decisions().get(suspect.index)
    parts.picture.value = _sheet(review.image_set.images[suspect.index][None], side=LARGE_PX)
    decided = f": <b>{_DONE[earlier.kind]}</b>" if earlier else ""
    parts.facts.value = _lines(f"picture {suspect.index:,}{decided}", *_likeliest(suspect, classes))
    parts.given.value = _heading("The label says", suspect.given, suspect, classes)
    parts.given_examples.value = _examples(review, suspect.given)
    others = [(name, label) for label, name in enumerate(classes) if label != suspect.given]
    parts.choice.options = others
    changed = earlier is not None and earlier.kind == "correct"
    parts.choice.value = earlier.new if changed else suspect.suggested


def _show_other(parts: SimpleNamespace, review: Review) -> None:
    """The class that the label could be corrected to, and what its pictures look like."""
    suspect, label = _shown(review), parts.choice.value
    says = "The model says" if label == suspect.suggested else "You chose"
    parts.other.value = _heading(says, label, suspect, review.image_set.classes)
    parts.other_examples.value = _examples(review, label)


def _heading(says: str, label: int, suspect: Suspect, classes: Sequence[str]) -> str:
    color = plots.VERMILLION if label == suspect.given else plots.BLUE
    name = f"<b>{html.escape(classes[label])}</b>, probability {_share(suspect.probs[label])}"
    return _lines(says, name, style=f"border-left: 4px solid {color}; padding-left: 8px")


def _likeliest(suspect: Suspect, classes: Sequence[str]) -> list[str]:
    values, labels = suspect.probs.topk(min(LIKELIEST, len(classes)))
    pairs = zip(values.tolist(), labels.tolist(), strict=True)
    return [f"{html.escape(classes[label])} {_share(value)}" for value, label in pairs]


def _lines(*lines: str, style: str = "") -> str:
    return f'<div style="line-height: 1.4; {style}">{"<br>".join(lines)}</div>'


def _share(probability: float) -> str:
    return f"{probability:.3f}" if probability >= 0.0005 else "below 0.001"


def _examples(review: Review, label: int) -> bytes:
    """Pictures that bear ``label`` and are not suspected, from all over the set."""
    image_set = review.image_set
    members = (image_set.labels == label).nonzero()[:, 0]
    members = members[~torch.isin(members, review.suspects.indices)]
    steps = torch.linspace(0, len(members) - 1, min(EXAMPLES, len(members))).long()
    return _sheet(image_set.images[members[steps]], side=TILE_PX)


def _sheet(images: Tensor, *, side: int) -> bytes:
    """(N, C, H, W) uint8 as tiles of ``side`` pixels, smooth and whole, in a PNG file."""
    step, rows = side + GAP_PX, -(-len(images) // COLUMNS)
    size = (min(COLUMNS, len(images)) * step, rows * step)  # (width, height)
    sheet = Image.new("RGBA", [max(1, pixels - GAP_PX) for pixels in size], "#0000")
    for place, image in enumerate(images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()):
        tile = ImageOps.pad(Image.fromarray(image).convert("RGBA"), (side, side), color="#0000")
        sheet.paste(tile, (place % COLUMNS * step, place // COLUMNS * step))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=1)  # a click must not wait for small files
    return buffer.getvalue()
