"""The sign explorer: what it draws, and that each control changes the picture."""

import pytest
import torch

from imgrec_lab import scenes, widgets
from imgrec_lab.widgets.widget_signs import draw_sign


def test_the_small_picture_is_the_large_one_made_smaller():
    large, small = draw_sign("stop", scenes.Conditions(), seed=3)
    assert large.shape == (3, 128, 128) and small.shape == (3, 32, 32)
    assert large.dtype == small.dtype == torch.uint8
    blocks = large.float().unfold(1, 4, 4).unfold(2, 4, 4).mean((3, 4))
    assert (blocks - small).abs().mean() < 12


def test_unknown_sign():
    with pytest.raises(ValueError, match="Did you mean 'stop'"):
        draw_sign("stopp", scenes.Conditions())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sign", "yield"),
        ("light", "night"),
        ("weather", "fog"),
        ("blur", 4.0),
        ("noise", 0.2),
        ("occlusion", 0.5),
        ("seed", 7),
    ],
)
def test_every_control_changes_the_picture(name, value):
    parts = widgets.sign_explorer().parts
    before = bytes(parts.picture.value)
    getattr(parts, name).value = value
    after = bytes(parts.picture.value)
    assert after != before and after.startswith(b"\x89PNG")


def test_the_message_says_what_is_shown():
    parts = widgets.sign_explorer().parts
    parts.light.value, parts.weather.value = "dusk", "rain"
    assert parts.message.value == "<b>turn left</b>, dusk, rain"


def test_what_stands_in_place_of_the_widget_is_short_and_names_its_parts():
    text = repr(widgets.sign_explorer())
    assert text.startswith("[a widget with sign, light, weather,") and len(text) < 110
