"""Contact sheets: a data set at a glance, drawn with Pillow alone so that a repr stays cheap."""

import functools
import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from imgrec_lab.box_ops import Target

_MAX_CLASSES = 48
_INK, _FAINT, _PAPER = "#1a1a1a", "#767676", "#ffffff"
# Okabe and Ito's colours, which people with any colour vision can tell apart.
_BOX_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
_GAP, _MARGIN, _HEADER = 4, 14, 34


def class_sheet(images: Tensor, labels: Tensor, classes: Sequence[str], title: str) -> Image.Image:
    """One row a class: its name, its number of images, and its first pictures.

    More than 16 classes stand in two columns, and the first 48 are shown.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,) int64.
        classes: the K class names.
        title: the line above, such as the name and size of the set.
    """
    columns = 1 if len(classes) <= 16 else 2
    numbers = [int((labels == k).sum()) for k in range(len(classes))]
    pictures = min(10 if columns == 1 else 5, max(numbers, default=0))
    shown = range(min(len(classes), _MAX_CLASSES))
    rows = -(-len(shown) // columns)
    width, height = _cell_size(images, target=56)
    counts = [_count(number) for number in numbers]
    texts = [(classes[k], 15) for k in shown] + [(count, 12) for count in counts]
    name_width = 16 + max((_width(*text) for text in texts), default=0)
    if len(classes) > _MAX_CLASSES:
        title += f"; the first {_MAX_CLASSES} classes"
    column_width = name_width + pictures * (width + _GAP) + (_MARGIN if columns == 2 else 0)
    row_height = max(height, 38) + 2 * _GAP
    sheet, draw = _blank(columns * column_width, rows * row_height, title)
    for k in shown:
        x = _MARGIN + k // rows * column_width
        y = _HEADER + _GAP + k % rows * row_height
        members = (labels == k).nonzero()[:, 0]
        draw.text((x, y + row_height // 2 - 13), classes[k], _INK, _font(15), anchor="lm")
        draw.text((x, y + row_height // 2 + 6), counts[k], _FAINT, _font(12), "lm")
        for place, index in enumerate(members[:pictures].tolist()):
            picture = _cell(images[index], (width, height))
            sheet.paste(picture, (x + name_width + place * (width + _GAP), y))
    return sheet


def scene_sheet(
    images: Tensor, targets: Sequence[Target], classes: Sequence[str], title: str
) -> Image.Image:
    """The first nine scenes, each object with its box and class name.

    Args:
        images: (N, C, H, W) uint8.
        targets: N targets with boxes (M, 4) in xyxy pixels and labels (M,).
        classes: the K class names.
        title: the line above.
    """
    shown, columns = min(len(images), 9), 3
    width, height = _cell_size(images, target=256)
    rows = -(-shown // columns)
    sheet, draw = _blank(columns * (width + _GAP), rows * (height + _GAP) + _GAP, title)
    for index in range(shown):
        x = _MARGIN + index % columns * (width + _GAP)
        y = _HEADER + _GAP + index // columns * (height + _GAP)
        picture = _cell(images[index], (width, height))
        _draw_target(picture, targets[index], classes, scale=width / images.shape[3])
        sheet.paste(picture, (x, y))
    return sheet


def png(sheet: Image.Image) -> bytes:
    """The sheet as the bytes of a PNG file, which is what a notebook's ``_repr_png_`` returns."""
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _blank(width: int, height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    width = max(width - _GAP, _width(title, 15)) + 2 * _MARGIN
    sheet = Image.new("RGB", (width, _HEADER + height + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    name, _, facts = title.partition(": ")
    draw.text((_MARGIN, _HEADER // 2 + 2), name, _INK, _font(15), anchor="lm")
    x = _MARGIN + _width(name, 15) + 10
    draw.text((x, _HEADER // 2 + 3), facts, _FAINT, _font(13), anchor="lm")
    return sheet, draw


def _draw_target(
    picture: Image.Image, target: Target, classes: Sequence[str], *, scale: float
) -> None:
    """Boxes first, then names above or below them where they cover no other name."""
    draw = ImageDraw.Draw(picture)
    boxes = [tuple(round(edge * scale) for edge in box) for box in target["boxes"].tolist()]
    labels = target["labels"].tolist()
    for box, label in zip(boxes, labels, strict=True):
        corners = (box[0] - 2, box[1] - 2, box[2] + 1, box[3] + 1)
        draw.rectangle(corners, outline=_colour(label), width=2)
    placed: list[tuple[int, int, int, int]] = []
    for box, label in zip(boxes, labels, strict=True):
        tag = _free_place(box, _width(classes[label], 12) + 8, picture.size, placed)
        placed.append(tag)
        draw.rectangle(tag, fill=_colour(label))
        ink = _readable_on(_colour(label))
        draw.text((tag[0] + 4, tag[1] + 8), classes[label], ink, _font(12), "lm")


def _free_place(
    box: tuple[int, ...], width: int, size: tuple[int, int], placed: list[tuple[int, ...]]
) -> tuple[int, int, int, int]:
    """The first place near a box, inside the picture, where a name covers none of ``placed``."""
    x1, y1, x2, y2 = box
    places = []
    for top in (y1 - 18, y2 + 2, y1 - 36, y2 + 20):
        for left in (x1 - 2, x2 + 1 - width):
            left = max(0, min(left, size[0] - width - 1))
            if 0 <= top <= size[1] - 17:
                places.append((left, top, left + width, top + 16))
    free = (place for place in places if not any(_overlap(place, other) for other in placed))
    return next(free, places[0] if places else (0, 0, width, 16))


def _overlap(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def _colour(label: int) -> str:
    return _BOX_COLOURS[label % len(_BOX_COLOURS)]


def _readable_on(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return _INK if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else _PAPER


def _cell_size(images: Tensor, *, target: int) -> tuple[int, int]:
    """(width, height) of a picture on the sheet: whole multiples where it is enlarged."""
    height, width = images.shape[2:]
    longest = max(height, width)
    scale = max(1, round(target / longest)) if longest <= 1.2 * target else target / longest
    return max(1, round(width * scale)), max(1, round(height * scale))


def _cell(image: Tensor, size: tuple[int, int]) -> Image.Image:
    pixels = image.permute(1, 2, 0).cpu().numpy()  # (H, W, C)
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    enlarged = size[0] >= picture.width
    return picture.resize(size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number:,} images"


def _width(text: str, font_size: int) -> int:
    return int(_font(font_size).getlength(text))


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
