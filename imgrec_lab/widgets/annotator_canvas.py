"""The annotator to draw on with mouse, pen, finger or keys: a shell over an AnnotationDesk."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from imgrec_lab.widgets import annotation_views
from imgrec_lab.widgets.annotation_desk import AnnotationDesk

_HERE = Path(__file__).parent


class Annotator(anywidget.AnyWidget):
    """Shows ``desk`` and passes on what is done in the browser.

    Attributes:
        desk: the pictures and their boxes; change it from code and the browser follows.
    """

    _esm = (_HERE / "annotator.js").read_text("utf-8")
    _css = (_HERE / "annotator.css").read_text("utf-8")
    classes = traitlets.List().tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, desk: AnnotationDesk):
        self.desk = desk
        self._token: str | None = None  # of the last message: tells the browser it is answered
        self._shown: int | None = None
        self._unreadable = ""
        colours = [annotation_views.colour(label) for label in range(len(desk.classes))]
        super().__init__(
            classes=[
                {"name": name, "color": colour, "ink": annotation_views.ink_on(colour)}
                for name, colour in zip(desk.classes, colours, strict=True)
            ]
        )
        self._show()
        desk.watch(self._show)
        self.on_msg(self._receive)

    def __repr__(self) -> str:  # what GitHub and print show in place of the widget
        return f"[an annotator, {self.desk.progress}: run this cell to use it]"

    def _receive(self, _: object, message: dict[str, Any], __: object) -> None:
        self._token = message.get("token")
        try:
            obey(self.desk, message)
        except ValueError as error:
            self._show(problem=str(error))

    def _show(self, *, problem: str = "") -> None:
        desk = self.desk
        with self.hold_sync():  # the picture and its boxes arrive together
            if desk.index != self._shown:
                self._shown = desk.index
                image, self._unreadable = annotation_views.read(desk)
                self.picture = annotation_views.encoded(image)
            self.view = {
                "token": self._token,
                "index": desk.index,
                "count": len(desk),
                "file": desk.picture.file,
                "width": desk.picture.width,
                "height": desk.picture.height,
                "boxes": [{"box": item.box, "label": item.label} for item in desk.instances],
                "selected": desk.selected,
                "progress": desk.progress,
                "undo": desk.can_undo,
                "redo": desk.can_redo,
                "problem": problem or desk.problem or self._unreadable,
            }


def obey(desk: AnnotationDesk, message: dict[str, Any]) -> None:
    """Do at the desk what a message from the browser asks for.

    Raises:
        ValueError: if it asks for nothing known, or for a box or class that there is not.
    """
    match message:
        case {"type": "add", "box": box, "label": label}:
            desk.add(box, label)
        case {"type": "box", "number": number, "box": box}:
            desk.set_box(number, box)
        case {"type": "label", "number": number, "label": label}:
            desk.relabel(number, label)
        case {"type": "delete", "number": number}:
            desk.delete(number)
        case {"type": "select", "number": number}:
            desk.select(number)
        case {"type": "next"}:
            desk.next()
        case {"type": "previous"}:
            desk.previous()
        case {"type": "undo"}:
            desk.undo()
        case {"type": "redo"}:
            desk.redo()
        case _:
            raise ValueError(f"the annotator knows no such message: {message!r}.")
