"""Widgets, driven without a browser by setting values; the same file passes on ipywidgets 7.7."""

import datetime
import io

import ipywidgets
import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from imgrec_lab import models, train, widgets
from imgrec_lab.history import Epoch, History

CLASSES = ("red", "green", "blue")


class Brightest(nn.Module):
    """Logits are the mean of each colour channel: its answers are known beforehand."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, images):
        return self.scale * images.mean(dim=(2, 3))


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


def random_images(count=3, size=12):
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, size, size)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def picture_file(color, *, size=(40, 30), mode="RGB", format="PNG", **options):
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, format, **options)
    return buffer.getvalue()


def png(parts):
    data = bytes(parts.picture.value)
    assert Image.open(io.BytesIO(data)).format == "PNG"
    return data


def put_file(upload, name, data):
    """What the browser does when a file is chosen, for ipywidgets 7 and 8."""
    if ipywidgets.__version__.startswith("7"):
        upload.metadata, upload.data = [{"name": name}], [data]
        upload._counter += 1
        return
    upload.value = ({
        "name": name, "type": "image/png", "size": len(data), "content": memoryview(data),
        "last_modified": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    },)  # fmt: skip


# ------------------------------------------------------------------------------------ filter_image


def test_filter_image_by_hand():
    image = torch.tensor([[[0.0, 0.5], [0.5, 1.0]]])
    kernel = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert widgets.filter_image(image, kernel).tolist() == [[1.0 + 1.5 + 4.0]]


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_filter_image_equals_torch_on_the_grey_picture(stride, padding):
    image, kernel = torch.rand(3, 9, 7), torch.randn(3, 3)
    whole = F.conv2d(image[None], kernel.expand(1, 3, 3, 3) / 3, stride=stride, padding=padding)
    response = widgets.filter_image(image, kernel, stride=stride, padding=padding)
    torch.testing.assert_close(response, whole[0, 0])


def test_identity_kernel_gives_the_picture_back_and_blur_keeps_brightness():
    image = torch.full((1, 6, 6), 51, dtype=torch.uint8)
    for name in ("identity", "blur", "sharpen"):
        kernel = torch.tensor(widgets.KERNELS[name]).reshape(3, 3)
        torch.testing.assert_close(widgets.filter_image(image, kernel), torch.full((4, 4), 0.2))


def test_edge_kernels_see_their_edges_only():
    image = torch.zeros(1, 6, 6)
    image[:, 3:] = 1.0  # a horizontal edge
    kernels = {name: torch.tensor(k).reshape(3, 3) for name, k in widgets.KERNELS.items()}
    assert widgets.filter_image(image, kernels["edge horizontal"]).abs().max() == 4
    assert widgets.filter_image(image, kernels["edge vertical"]).abs().max() == 0


# --------------------------------------------------------------------------------- kernel explorer


def test_kernel_explorer_redraws_on_preset_cell_stride_and_padding():
    parts = widgets.kernel_explorer(random_images()[0]).parts
    pictures = [png(parts)]
    moves = [(parts.preset, "blur"), (parts.cells[0], 2.0), (parts.stride, 2), (parts.padding, 1)]
    for part, value in moves:
        part.value = value
        pictures.append(png(parts))
    assert len(set(pictures)) == 5


def test_kernel_explorer_preset_fills_the_cells_and_draws_once():
    parts = widgets.kernel_explorer(random_images()[0]).parts
    drawn = []
    parts.picture.observe(drawn.append, "value")
    parts.preset.value = "emboss"
    assert tuple(cell.value for cell in parts.cells) == widgets.KERNELS["emboss"]
    assert len(drawn) == 1


def test_kernel_explorer_knows_a_preset_typed_by_hand():
    parts = widgets.kernel_explorer(random_images()[0]).parts
    parts.preset.value = "sharpen"
    parts.cells[4].value = 6.0
    assert parts.preset.value == widgets.OWN_KERNEL
    parts.cells[4].value = 5.0
    assert parts.preset.value == "sharpen"


def test_kernel_explorer_says_how_large_the_response_is():
    parts = widgets.kernel_explorer(random_images(size=13)[0]).parts
    parts.stride.value = 2
    parts.padding.value = 1
    assert parts.message.value.count("<b>7</b>") == 2  # (13 + 2 - 3) // 2 + 1
    assert "(13 + 2 · 1 − 3) / 2 + 1" in parts.message.value


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 2, 9), "at least 3 x 3 pixels; got (2, 9)"),
        (torch.zeros(9, 9), "image must have shape (C, H, W); got (9, 9)"),
        (torch.full((3, 9, 9), 200.0), "must lie in [0, 1]"),
    ],
)
def test_kernel_explorer_refuses_other_pictures(image, message):
    with pytest.raises(ValueError) as error:
        widgets.kernel_explorer(image)
    assert message in str(error.value)


# ----------------------------------------------------------------------------- feature-map explorer


def test_feature_map_explorer_finds_layers_and_redraws():
    torch.manual_seed(0)
    model = models.TinyCNN(3)
    panel = widgets.feature_map_explorer(
        model, random_images(size=16), labels=torch.tensor([0, 1, 2]), classes=CLASSES
    )
    parts = panel.parts
    assert [name for _, name in parts.layer.options] == ["conv1.0", "conv2.0", "conv3.0"]
    pictures = [png(parts)]
    for part, value in [(parts.index, 2), (parts.layer, "conv3.0")]:
        part.value = value
        pictures.append(png(parts))
    assert len(set(pictures)) == 3
    assert model.training


def test_feature_map_explorer_takes_named_layers_and_float_pictures():
    images = random_images(size=16) / 255
    panel = widgets.feature_map_explorer(models.TinyCNN(3), images, layers=["conv1", "conv2"])
    assert [name for _, name in panel.parts.layer.options] == ["conv1", "conv2"]


@pytest.mark.parametrize(
    ("model", "labels", "message"),
    [
        (nn.Flatten(), None, "by default its nn.Conv2d"),
        (nn.Conv2d(3, 1, 1), torch.tensor([0]), "one entry for each of the 3 images; got 1"),
        (nn.Conv2d(3, 1, 1), torch.tensor([0, 1, 9]), "labels must lie in 0..2"),
    ],
)
def test_feature_map_explorer_refuses_in_words(model, labels, message):
    with pytest.raises(ValueError) as error:
        widgets.feature_map_explorer(model, random_images(), labels=labels, classes=CLASSES)
    assert message in str(error.value)


def test_feature_map_explorer_needs_a_picture():
    with pytest.raises(ValueError, match="N >= 1"):
        widgets.feature_map_explorer(nn.Conv2d(3, 1, 1), random_images()[:0])


# ----------------------------------------------------------------------------- predict your picture


def test_predict_picture_of_bytes_path_and_pillow_agree(tmp_path):
    data = picture_file((200, 30, 10))
    path = tmp_path / "red.png"
    path.write_bytes(data)
    pillow = Image.open(io.BytesIO(data))
    answers = [
        widgets.predict_picture(Brightest(), picture, CLASSES)
        for picture in (data, path, str(path), pillow, pillow.convert("RGBA"))
    ]
    for probs in answers:
        assert probs.shape == (3,) and probs.argmax() == 0
        torch.testing.assert_close(probs, answers[0])
    assert answers[0].sum() == pytest.approx(1)


def test_transparent_pixels_are_white():
    probs = widgets.predict_picture(Brightest(), picture_file((255, 0, 0, 0), mode="RGBA"), CLASSES)
    torch.testing.assert_close(probs, torch.full((3,), 1 / 3))


def test_grey_pictures_for_a_network_of_one_channel():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    options = {"image_size": (8, 8), "channels": 1}
    assert widgets.predict_picture(model, picture_file("red"), CLASSES, **options).shape == (3,)
    assert widgets.predict_upload(model, CLASSES, **options).parts.upload is not None


def test_a_phone_picture_is_turned_upright():
    image = Image.new("RGB", (20, 20), "black")
    image.paste("white", (0, 0, 10, 20))  # left half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter: the left half becomes the upper half
    buffer = io.BytesIO()
    image.save(buffer, "PNG", exif=exif)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with torch.no_grad():
        model[1].bias.zero_()
        model[1].weight.copy_(torch.tensor([[1.0, 1, 0, 0] * 3, [1.0, 0, 1, 0] * 3]))
    picture = Image.open(io.BytesIO(buffer.getvalue()))
    for source in (buffer.getvalue(), picture):
        probs = widgets.predict_picture(model, source, ("upper", "left"), image_size=(2, 2))
        assert probs[0] > 0.9


def test_predict_picture_refuses_in_words():
    with pytest.raises(ValueError, match="cannot be read as a picture"):
        widgets.predict_picture(Brightest(), b"hello", CLASSES)
    with pytest.raises(ValueError, match="it has 3 outputs; got 2 names"):
        widgets.predict_picture(Brightest(), picture_file("red"), CLASSES[:2])


def test_predict_upload_shows_picture_and_name():
    parts = widgets.predict_upload(Brightest(), CLASSES).parts
    assert parts.picture.layout.display == "none"
    put_file(parts.upload, "leaf.png", picture_file((0, 250, 0)))
    assert png(parts) and parts.picture.layout.display == "block"
    assert parts.message.value == "leaf.png, made 32 × 32 pixels"


def test_predict_upload_says_what_it_cannot_read_and_recovers():
    parts = widgets.predict_upload(Brightest(), CLASSES).parts
    put_file(parts.upload, "<b>notes</b>.jpg", b"hello")
    assert "&lt;b&gt;notes&lt;/b&gt;.jpg cannot be read as a picture" in parts.message.value
    assert "<b>" not in parts.message.value
    assert parts.picture.layout.display == "none"
    put_file(parts.upload, "leaf.png", picture_file("green"))
    assert parts.picture.layout.display == "block" and "leaf.png" in parts.message.value


def test_predict_upload_of_a_truncated_jpeg():
    noise = Image.effect_noise((64, 64), 80)
    buffer = io.BytesIO()
    noise.save(buffer, "JPEG")
    parts = widgets.predict_upload(Brightest(), CLASSES).parts
    put_file(parts.upload, "half.jpg", buffer.getvalue()[:900])
    assert "half.jpg cannot be read as a picture" in parts.message.value


def test_predict_upload_refuses_wrong_classes_before_anything_is_uploaded():
    with pytest.raises(ValueError, match="classes must name every output of the model"):
        widgets.predict_upload(Brightest(), ("only", "two"))


# -------------------------------------------------------------------------------------- live curves


def test_live_curves_grow_with_the_history():
    live = widgets.LiveCurves(3)
    parts = live.widget.parts
    pictures = [png(parts)]
    assert "Epoch 0 of 3" in parts.message.value
    for count in (1, 2):
        rows = [Epoch(e, 1 / e, 0.3 * e, 1.2 / e, 0.25 * e, 1.0, 9.0) for e in range(1, count + 1)]
        live.on_epoch(History(tuple(rows)))
        pictures.append(png(parts))
    assert len(set(pictures)) == 3
    assert parts.message.value == (
        "Epoch 2 of 3 · validation accuracy <b>0.500</b> · best 0.500 in epoch 2"
        " · about 1 s of training left"
    )


@pytest.mark.parametrize(("seconds", "words"), [(40, "40 s"), (600, "10 min"), (7200, "2.0 h")])
def test_live_curves_say_how_long_it_takes(seconds, words):
    live = widgets.LiveCurves(2)
    live.on_epoch(History((Epoch(1, 2.0, None, None, None, seconds, 9.0),)))
    assert live.widget.parts.message.value == f"Epoch 1 of 2 · about {words} of training left"


def test_live_curves_hang_in_fit():
    live = widgets.LiveCurves(2)
    loader = [(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))]
    train.fit(Brightest(), loader, epochs=2, on_epoch=live.on_epoch)
    message = live.widget.parts.message.value
    assert "Epoch 2 of 2 · training accuracy" in message and message.endswith("done")


def test_live_curves_need_an_epoch():
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        widgets.LiveCurves(0)
