"""What an exercise shows: notes and results in words, failing cases as pictures."""

import html
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from imgrec_lab.checks import check_values

COLOURS = {"right": "#0072B2", "right but slow": "#0072B2", "not attempted": "#888888"}
WRONG_COLOUR = "#D55E00"  # of Okabe and Ito's palette; the outcome is always said in words too

MONOSPACE = "font-family: monospace; line-height: 1.3; background: none"


@dataclass(frozen=True, repr=False)
class Note:
    """A heading, some sentences and some preformatted lines, alike in text and in HTML."""

    heading: str
    text: str
    code: str = ""
    colour: str = field(default="#888888", compare=False)

    def __repr__(self) -> str:
        code = "".join(f"\n    {line}".rstrip(" ") for line in self.code.splitlines())
        return f"{self.heading}\n{self.text}{code}"

    def _repr_html_(self) -> str:
        lines = "<br>".join(html.escape(line) for line in self.text.splitlines())
        code = f'<pre style="{MONOSPACE}">{html.escape(self.code)}</pre>' if self.code else ""
        style = f"border-left: 4px solid {self.colour}; padding: 0.1em 0.8em"
        heading = html.escape(self.heading)
        return f'<div style="{style}"><p><b>{heading}</b><br>{lines}</p>{code}</div>'


@dataclass(frozen=True, repr=False)
class Result:
    """What a check found: ``passed``, the ``outcome`` in a word or two, why, and a picture."""

    exercise: str
    outcome: str
    text: str
    code: str = ""
    picture: bytes | None = None  # PNG

    @property
    def passed(self) -> bool:
        """True where every value is right, also where the function is slow."""
        return self.outcome in ("right", "right but slow")

    def _note(self) -> Note:
        colour = COLOURS.get(self.outcome, WRONG_COLOUR)
        return Note(f"{self.exercise}: {self.outcome}", self.text, self.code, colour)

    def __repr__(self) -> str:
        return repr(self._note())

    def _ipython_display_(self) -> None:
        # Two outputs, because Jupyter shows only one form of a value and both are wanted here.
        from IPython.display import Image, display

        display(self._note())
        if self.picture:
            alt = f"{self.exercise}: arguments, expected and returned values of the failing case"
            display(Image(data=self.picture, metadata={"alt": alt}))


def draw(values: dict[str, Any]) -> bytes | None:
    """Those values that are pictures (H, W), side by side, as a PNG.

    Where "expected" and "got" have the same shape, their difference stands at the end.
    """
    pictures = {name: check_values.to_tensor(value) for name, value in values.items()}
    pictures = {name: p.double() for name, p in pictures.items() if p is not None and p.ndim == 2}
    expected, got = pictures.get("expected"), pictures.get("got")
    if expected is None or got is None or not 0 < got.numel() < 1_000_000:
        return None
    if expected.shape == got.shape:
        pictures["got - expected"] = got - expected
    return _panels(pictures)


def _panels(pictures: dict[str, Tensor]) -> bytes:
    """Draw with pixels of one size, so that a smaller result looks smaller."""
    from matplotlib.figure import Figure  # without pyplot: nothing global is touched

    rows, columns = zip(*(picture.shape for picture in pictures.values()), strict=True)
    cell = min(0.5, 9 / sum(columns), 4 / max(rows))  # all lengths in inches
    slots = [max(1.1, count * cell) + 0.25 for count in columns]
    width, height = sum(slots), max(rows) * cell + 0.55
    figure = Figure(figsize=(width, height))
    limits = _limits(pictures)
    for i, (name, picture) in enumerate(pictures.items()):
        wide, high = columns[i] * cell, rows[i] * cell
        left, bottom = sum(slots[:i]) + (slots[i] - wide) / 2, height - 0.5 - high
        ax = figure.add_axes((left / width, bottom / height, wide / width, high / height))
        ax.set_title(f"{name}\n{rows[i]} x {columns[i]}", fontsize=9)
        _panel(ax, picture, limits[name], numbers=cell > 0.4)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _limits(pictures: dict[str, Tensor]) -> dict[str, float]:
    """The largest absolute value of each picture; one for all that is expected, got and between."""
    limits = {}
    for name, picture in pictures.items():
        limits[name] = max(picture[picture.isfinite()].abs().tolist(), default=0.0)
    results = limits.keys() & {"expected", "got", "got - expected"}
    limits |= dict.fromkeys(results, max(limits[name] for name in results))
    return {name: limit or 1.0 for name, limit in limits.items()}


def _panel(ax, picture: Tensor, limit: float, *, numbers: bool) -> None:
    """One picture on a scale from brown (-limit) over white (0) to violet (limit)."""
    # The ends of the palette are too dark for black digits: leave them out.
    ax.imshow(picture.numpy(), cmap="PuOr", vmin=-1.6 * limit, vmax=1.6 * limit, aspect="auto")
    ax.set(xticks=[], yticks=[])
    for (row, column), number in np.ndenumerate(picture.numpy() if numbers else np.empty((0, 0))):
        ax.text(column, row, f"{number:.3g}", ha="center", va="center", fontsize=9)
