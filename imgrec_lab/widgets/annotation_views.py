"""Pictures as the annotator shows them: upright, not too large, and in its fallback with boxes."""

import io

from PIL import Image, ImageDraw, ImageFont

from imgrec_lab.annotations.records import Box
from imgrec_lab.datasets import image_files
from imgrec_lab.plots import figures
from imgrec_lab.widgets.annotation_desk import AnnotationDesk

# Neighbours differ most, as on a data set's contact sheet.
COLOURS = (
    figures.ORANGE, figures.SKY, figures.GREEN, figures.YELLOW, figures.BLUE, figures.VERMILLION,
    figures.PURPLE,
)  # fmt: skip
LONGEST_PX = 1600  # a larger picture is sent smaller; its boxes stay in its own pixels
SHEET_PX = 512  # the longer side in the fallback; a small picture is enlarged by a whole number
_LOSSLESS_PIXELS = 512 * 512  # above it JPEG, which a slow line carries sooner


def colour(label: int) -> str:
    """The colour of a class, ``#rrggbb``."""
    return COLOURS[label % len(COLOURS)]


def ink_on(background: str) -> str:
    """Black or white, whichever reads better on ``#rrggbb``."""
    red, green, blue = (int(background[i : i + 2], 16) for i in (1, 3, 5))
    return figures.BLACK if 0.299 * red + 0.587 * green + 0.114 * blue > 100 else "#FFFFFF"


def read(desk: AnnotationDesk) -> tuple[Image.Image, str]:
    """The picture in front, at most ``LONGEST_PX`` on its longer side; or a grey one, and why."""
    picture = desk.picture
    scale = min(1, LONGEST_PX / max(picture.height, picture.width))
    H, W = (max(1, round(side * scale)) for side in (picture.height, picture.width))
    try:
        image = image_files.read_image(desk.images / picture.file, image_size=(H, W), fit="stretch")
    except ValueError as error:
        return Image.new("RGB", (W, H), "#808080"), str(error)
    return Image.fromarray(image.permute(1, 2, 0).numpy()), ""


def encoded(image: Image.Image) -> bytes:
    """A PNG file where the picture is small, else a JPEG file."""
    buffer = io.BytesIO()
    if image.width * image.height <= _LOSSLESS_PIXELS:
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def with_boxes(image: Image.Image, desk: AnnotationDesk) -> Image.Image:
    """The picture at the size of a cell, with its boxes and their names."""
    zoom = _zoom(image)
    size = (max(1, round(image.width * zoom)), max(1, round(image.height * zoom)))
    resample = Image.Resampling.NEAREST if zoom >= 2 else Image.Resampling.LANCZOS
    sheet = image.resize(size, resample)
    draw = ImageDraw.Draw(sheet)
    scale = sheet.width / desk.picture.width  # sheet pixels per pixel of the file
    order = sorted(range(len(desk.instances)), key=lambda number: number == desk.selected)
    for number in order:
        item = desk.instances[number]
        _draw_box(draw, item.box, scale, colour(item.label), selected=number == desk.selected)
        _draw_name(draw, size, item.box, scale, desk.classes[item.label], colour(item.label))
    return sheet


def _zoom(image: Image.Image) -> float:
    """A whole number where a small picture is enlarged, else what brings it to a cell's size."""
    longest = max(image.size)
    return max(1, SHEET_PX // longest) if longest <= SHEET_PX else SHEET_PX / longest


def _draw_box(
    draw: ImageDraw.ImageDraw, box: Box, scale: float, colour: str, *, selected: bool
) -> None:
    x1, y1, x2, y2 = (round(edge * scale) for edge in box)
    if x2 - x1 < 1 or y2 - y1 < 1:
        return  # a faulty box of the file: nothing can be seen of it
    beyond, halo = (4, "#FFFFFF") if selected else (3, "#000000")
    for by, ink, width in ((beyond, halo, 2), (2, colour, 2)):  # outside: no pixel is hidden
        draw.rectangle((x1 - by, y1 - by, x2 + by - 1, y2 + by - 1), outline=ink, width=width)


def _draw_name(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], box: Box, scale: float, name: str, colour: str
) -> None:
    """Above the box, or below it where that is beyond the sheet of ``size`` (width, height)."""
    font = ImageFont.load_default(12)
    width = int(font.getlength(name)) + 8
    left = max(0, min(round(box[0] * scale), size[0] - width))
    top = round(box[1] * scale) - 20
    top = top if top >= 0 else min(round(box[3] * scale) + 3, size[1] - 17)
    draw.rectangle((left, top, left + width, top + 16), fill=colour)
    draw.text((left + 4, top + 8), name, ink_on(colour), font, "lm")
