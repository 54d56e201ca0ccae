"""A dashboard that grows while a network is trained."""

import statistics

from ipywidgets import HTML

from imgrec_lab import plots
from imgrec_lab.history import History
from imgrec_lab.plots import figures
from imgrec_lab.widgets.widget_parts import Panel, fixed_row, picture_widget, png


class LiveCurves:
    """Loss, accuracy, learning rate and the time that is left, while ``train.fit`` runs.

    Show ``live.widget`` in one cell, then ``train.fit(..., on_epoch=live.on_epoch)`` in the next.
    It draws in the thread that trains, as Colab needs; a redraw takes about 0.2 s. Interrupting
    the kernel ends the run early, and with ``checkpoint=...`` the same call goes on from there.

    Args:
        epochs: how many the run will have, at least 1; fixes the axes.

    Raises:
        ValueError: if ``epochs`` is below 1.
    """

    def __init__(self, epochs: int):
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1; got {epochs}.")
        self.epochs = epochs
        self._message, self._picture = HTML(), picture_widget()
        self.widget = Panel(
            [self._message, self._picture], message=self._message, picture=self._picture
        )
        self.on_epoch(History())

    def on_epoch(self, history: History) -> None:
        """Redraw with the epochs so far."""
        figure, axes = fixed_row(figures.PAGE_INCHES, 2.7, widths=(1, 1, 0.85), wspace=0.42)
        plots.curves(history, total_epochs=self.epochs, axes=axes[:2])
        plots.rate_curve(history, total_epochs=self.epochs, ax=axes[2])
        self._picture.value = png(figure)
        self._message.value = _progress(history, self.epochs)


def _progress(history: History, total: int) -> str:
    if not history.epochs:
        return f"Epoch 0 of {total}: not started"
    row, best = history.epochs[-1], history.best
    name, now, highest = "validation", row.val_accuracy, best.val_accuracy
    if now is None:
        name, now, highest = "training", row.train_accuracy, best.train_accuracy
    words = [f"Epoch {row.epoch} of {total}"]
    if now is not None:
        words += [f"{name} accuracy <b>{now:.3f}</b>", f"best {highest:.3f} in epoch {best.epoch}"]
    left = (total - row.epoch) * statistics.median(epoch.seconds for epoch in history.epochs)
    words += [f"about {_clock(left)} of training left" if left else "done"]
    return " · ".join(words)


def _clock(seconds: float) -> str:
    """Seconds in the unit that a person would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
