"""Any picture file becomes uint8 (C, H, W), or one sentence says why not."""

import io
import os

import numpy as np
import pytest
import torch
from PIL import Image

from imgrec_lab.datasets import image_files


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_rgb_picture_keeps_every_pixel():
    pixels = noise(5, 7, 3)  # (H, W, C), H != W
    image = image_files.read_image(encoded(Image.fromarray(pixels)))
    assert image.dtype == torch.uint8
    assert np.array_equal(image.numpy(), pixels.transpose(2, 0, 1))


def test_grey_is_repeated_and_colour_becomes_grey():
    pixels = noise(4, 6)
    data = encoded(Image.fromarray(pixels))
    colour = image_files.read_image(data)
    assert colour.shape == (3, 4, 6)
    assert all(np.array_equal(channel, pixels) for channel in colour.numpy())
    grey = image_files.read_image(encoded(Image.new("RGB", (6, 4), (255, 0, 0))), channels=1)
    assert grey.shape == (1, 4, 6)
    assert grey.unique().tolist() == [76]  # 0.299 of 255


def test_transparency_is_laid_on_white():
    pixels = np.zeros((1, 3, 4), dtype=np.uint8)
    pixels[0, :, 3] = 0, 128, 255
    image = image_files.read_image(encoded(Image.fromarray(pixels)))
    assert image[:, 0].tolist() == [[255, 127, 0]] * 3


def test_a_transparent_palette_is_laid_on_white():
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 200, 0])
    image.putdata([0, 1])
    read = image_files.read_image(encoded(image, transparency=0))
    assert read[:, 0].T.tolist() == [[255, 255, 255], [0, 200, 0]]


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format):
    deep = Image.fromarray(np.array([[0, 256, 32768, 65535]], dtype=np.uint16))
    assert image_files.read_image(encoded(deep, format))[0].tolist() == [[0, 1, 128, 255]]


def test_floats_in_0_1_are_scaled_and_wider_ones_span_their_range():
    unit = Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32))
    wide = Image.fromarray(np.array([[-10.0, 0.0, 10.0]], dtype=np.float32))
    for image in (unit, wide):
        assert image_files.read_image(encoded(image, "TIFF"))[0].tolist() == [[0, 128, 255]]


def test_deep_pictures_of_one_value_and_with_nan():
    flat = Image.fromarray(np.full((2, 2), -7.0, dtype=np.float32))
    assert image_files.read_image(encoded(flat, "TIFF")).unique().tolist() == [0]
    dark = Image.fromarray(np.ones((2, 2), dtype=np.uint16))  # 1 of 65,535 is not white
    assert image_files.read_image(encoded(dark)).unique().tolist() == [0]
    holes = Image.fromarray(np.full((2, 2), np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match="holds NaN"):
        image_files.read_image(encoded(holes, "TIFF"))


def test_print_colours_become_rgb():
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan: red
    red, green, blue = image_files.read_image(encoded(cmyk, "JPEG")).float().mean((1, 2)).tolist()
    assert red > 200 > 60 > max(green, blue)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation, corner", [(3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_a_picture_is_turned_as_the_camera_was_held(format, orientation, corner):
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:8, :8] = 255  # bright top left corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = image_files.read_image(encoded(Image.fromarray(pixels), format, exif=exif))
    assert image.shape[1:] == ((32, 16) if orientation in (6, 8) else (16, 32))
    row, column = corner
    assert image[0, row, column] > 240
    assert (image[0] > 128).sum() == 64


def test_crop_keeps_the_centre_pad_keeps_all_stretch_distorts():
    pixels = np.zeros((10, 30, 3), dtype=np.uint8)
    pixels[:, :10], pixels[:, 10:20], pixels[:, 20:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    data = encoded(Image.fromarray(pixels))
    crop, pad, stretch = (
        image_files.read_image(data, image_size=(30, 30), fit=fit).float()
        for fit in ("crop", "pad", "stretch")
    )
    assert crop[1].mean() > 240 and crop[0].mean() < 10
    assert pad[:, :10].sum() == 0 and pad[:, 20:].sum() == 0
    assert pad[0, 10:20, :9].min() > 240 and pad[2, 10:20, 21:].min() > 240
    assert stretch[0, :, :8].min() > 240 and stretch[2, :, 22:].min() > 240


def test_shrinking_is_antialiased():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = image_files.read_image(encoded(Image.fromarray(stripes)), image_size=(8, 8)).float()
    assert (small - 127.5).abs().max() < 12  # picking pixels instead would give 0 or 255


def test_a_jpeg_decoded_at_a_fraction_looks_like_the_whole():
    ramp = np.linspace(0, 255, 1024).astype(np.uint8)
    photo = Image.fromarray(np.stack([np.tile(ramp, (768, 1))] * 3, axis=2))
    small = image_files.read_image(encoded(photo, "JPEG"), image_size=(24, 32))
    whole = photo.resize((32, 24), Image.Resampling.BICUBIC)
    assert np.abs(small[0].numpy().astype(int) - np.asarray(whole)[:, :, 0]).max() <= 3


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_the_smallest_and_thinnest_pictures_work(size, fit, format):
    image = Image.new("RGB", size, (10, 200, 30))
    read = image_files.read_image(encoded(image, format), image_size=(8, 6), fit=fit)
    assert read.shape == (3, 8, 6)
    assert read[1].max() > 190


def test_the_first_frame_of_an_animation_is_read():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert image_files.read_image(data)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_picture_of_20000_by_20000_is_refused_before_it_is_decoded(format, tmp_path):
    # Only the header is large: a real one would take 1.2 GB.
    data = bytearray(encoded(Image.new("RGB", (8, 8)), format))
    if format == "PNG":
        import struct
        import zlib

        header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + bytes(data[24:29])
        data[12:33] = header + struct.pack(">I", zlib.crc32(header))
    else:
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = b"\x4e\x20\x4e\x20"
    with pytest.raises(ValueError, match="too large to decode safely.*89 megapixels"):
        image_files.read_image(bytes(data), image_size=(32, 32))
    path = tmp_path / "huge"
    path.write_bytes(bytes(data))
    assert "too large" in image_files.header_problem(str(path))


BROKEN = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello, I am text", r"not a picture that Pillow knows \(it begins with b'hello"),
    "cut": (encoded(Image.fromarray(noise(64, 64, 3)), "JPEG")[:2000], "truncated"),
    "cut png": (encoded(Image.fromarray(noise(64, 64, 3)))[:5000], "truncated|broken"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_says_why(name, tmp_path):
    data, reason = BROKEN[name]
    path = tmp_path / "picture.jpg"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=reason) as caught:
        image_files.read_image(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_say_what_they_are(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        image_files.read_image(tmp_path / "none.png")
    with pytest.raises(ValueError, match="is a directory|permission"):
        image_files.read_image(tmp_path)


def test_read_images_fills_one_tensor_and_reports_the_rest(tmp_path):
    paths = []
    for index in range(300):  # more than one block
        path = tmp_path / f"{index:03}.png"
        path.write_bytes(encoded(Image.new("RGB", (4, 4), (index % 256, 0, 0))))
        paths.append(str(path))
    (tmp_path / "150.png").write_text("not a picture")
    images, reasons = image_files.read_images(paths, image_size=(4, 4))
    assert images.shape == (300, 3, 4, 4)
    assert list(reasons) == [150]
    assert images[:, 0, 0, 0].tolist() == [0 if i == 150 else i % 256 for i in range(300)]


def test_large_files_are_read_by_threads_in_the_same_order(tmp_path):
    paths = []
    for index in range(2 * image_files._BLOCK):
        path = tmp_path / f"{index}.bmp"
        Image.new("RGB", (80, 80), (index, 0, 0)).save(path)  # 19 KiB
        paths.append(str(path))
    assert image_files.thread_count(paths) == min(8, __import__("os").cpu_count())
    images, reasons = image_files.read_images(paths, image_size=(2, 2))
    assert not reasons
    assert images[:, 0, 0, 0].tolist() == list(range(256))


def test_a_problem_is_never_without_words():
    bomb, bare = Image.DecompressionBombError(), RuntimeError()
    assert image_files.problem_of(bomb, b"x").startswith("too large to decode safely")
    assert image_files.problem_of(bare, b"x") == "RuntimeError"
    assert image_files.problem_of(bare, b"") == "the file is empty"


def test_header_problem_passes_a_picture_and_names_a_text(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encoded(Image.new("RGB", (4, 4))))
    bad.write_text("hello")
    assert image_files.header_problem(str(good)) is None
    assert "begins with b'hello'" in image_files.header_problem(str(bad))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"image_size": 32}, r"image_size must be \(height, width\).*got 32\. Try \(32, 32\)"),
        ({"image_size": (32, 0)}, r"got \(32, 0\)"),
        ({"image_size": (32, 32, 3)}, r"got \(32, 32, 3\)"),
        ({"channels": 4}, r"channels must be 1 \(grey\) or 3 \(RGB\); got 4"),
        ({"fit": "squash"}, "fit must be one of crop, pad, stretch; got 'squash'"),
    ],
)
def test_wrong_options_say_what_to_try(options, message):
    with pytest.raises(ValueError, match=message):
        image_files.read_image(b"", **options)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    pipe = str(tmp_path / "pipe.png")
    os.mkfifo(pipe)
    assert image_files.header_problem(pipe) == "not a regular file"
    with pytest.raises(ValueError, match="pipe.png cannot be read as a picture: not a regular"):
        image_files.read_image(pipe)
    _, reasons = image_files.read_images([pipe], image_size=(4, 4))
    assert reasons == {0: "not a regular file"}
