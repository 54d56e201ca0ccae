"""The annotator from core ipywidgets alone, for where no JavaScript module can be loaded."""

import html
from collections.abc import Callable

from ipywidgets import HTML, Button, Dropdown, HBox, IntRangeSlider

from imgrec_lab.plots import figures
from imgrec_lab.widgets import annotation_views
from imgrec_lab.widgets.annotation_desk import AnnotationDesk
from imgrec_lab.widgets.widget_parts import Panel, picture_widget


class SliderAnnotator(Panel):
    """Shows ``desk``; two range sliders place the selected box from left to right, top to bottom.

    Its parts are ``picture, x, y, label, add, next_box, delete, undo, redo, previous, next`` and
    ``message``. A new box begins in the middle of the picture.

    Attributes:
        desk: the pictures and their boxes; change it from code and the widget follows.
    """

    def __init__(self, desk: AnnotationDesk):
        self.desk = desk
        self._shown: int | None = None
        self._busy = False  # sliders are being set, not moved by a person
        label = Dropdown(
            options=[(name, number) for number, name in enumerate(desk.classes)],
            description="class", layout={"width": "240px"}, style=_NARROW,
        )  # fmt: skip
        x, y = _slider("x (px)"), _slider("y (px)")
        picture, message = picture_widget(), HTML()
        buttons = {
            "previous": _button("Previous", "Previous picture", desk.previous),
            "next": _button("Next", "Next picture", desk.next),
            "undo": _button("Undo", "Take the last change back", desk.undo),
            "redo": _button("Redo", "Make it again", desk.redo),
            "add": _button("Add box", "A new box in the middle of the picture", self._add),
            "next_box": _button("Next box", "Select another box", self._select_next),
            "delete": _button("Delete", "Delete the selected box", self._delete),
        }
        pages, tools = list(buttons.values())[:4], list(buttons.values())[4:]
        super().__init__(
            [HBox(pages), HBox([*tools, label]), picture, x, y, message],
            picture=picture, x=x, y=y, label=label, message=message, **buttons,
        )  # fmt: skip
        for slider in (x, y):
            slider.observe(self._place, "value")
        label.observe(self._relabel, "value")
        self._show()
        desk.watch(self._show)

    def __repr__(self) -> str:
        return f"[an annotator, {self.desk.progress}: run this cell to use it]"

    def _add(self) -> None:
        H, W = self.desk.picture.height, self.desk.picture.width
        self.desk.add((W / 3, H / 3, 2 * W / 3, 2 * H / 3), self.parts.label.value)

    def _select_next(self) -> None:
        if self.desk.instances:
            last = -1 if self.desk.selected is None else self.desk.selected
            self.desk.select((last + 1) % len(self.desk.instances))

    def _delete(self) -> None:
        if self.desk.selected is not None:
            self.desk.delete(self.desk.selected)

    def _place(self, change: dict) -> None:
        if not self._busy and self.desk.selected is not None:
            (x1, x2), (y1, y2) = self.parts.x.value, self.parts.y.value
            self.desk.set_box(self.desk.selected, (x1, y1, x2, y2))

    def _relabel(self, change: dict) -> None:
        if not self._busy and self.desk.selected is not None:
            self.desk.relabel(self.desk.selected, self.parts.label.value)

    def _show(self) -> None:
        desk, parts = self.desk, self.parts
        if desk.index != self._shown:
            self._shown = desk.index
            self._image, self._unreadable = annotation_views.read(desk)
        sheet = annotation_views.with_boxes(self._image, desk)
        parts.picture.value = annotation_views.encoded(sheet)
        self._busy = True
        self._set_controls()
        self._busy = False
        parts.message.value = _sentence(desk, desk.problem or self._unreadable)

    def _set_controls(self) -> None:
        desk, parts = self.desk, self.parts
        chosen = None if desk.selected is None else desk.instances[desk.selected]
        parts.x.max, parts.y.max = desk.picture.width, desk.picture.height
        for control in (parts.x, parts.y, parts.delete):
            control.disabled = chosen is None
        parts.undo.disabled, parts.redo.disabled = not desk.can_undo, not desk.can_redo
        parts.next_box.disabled = not desk.instances
        if chosen is not None:
            x1, y1, x2, y2 = (round(edge) for edge in chosen.box)
            parts.x.value, parts.y.value = (x1, x2), (y1, y2)
            parts.label.value = chosen.label


_NARROW = {"description_width": "50px"}


def _slider(description: str) -> IntRangeSlider:
    return IntRangeSlider(
        value=(0, 1), min=0, description=description, continuous_update=False,
        layout={"width": f"{annotation_views.SHEET_PX + 130}px"}, style=_NARROW,
    )  # fmt: skip


def _button(description: str, tooltip: str, action: Callable[[], object]) -> Button:
    button = Button(description=description, tooltip=tooltip, layout={"width": "96px"})
    button.on_click(lambda _: action())
    return button


def _sentence(desk: AnnotationDesk, problem: str) -> str:
    place = f"Picture {desk.index + 1} of {len(desk)}: {html.escape(desk.picture.file)}"
    state = (
        f'<span style="color:{figures.VERMILLION}">{html.escape(problem)}</span>'
        if problem
        else "saved"
    )
    return f"{place} · {desk.progress} · {state}"
