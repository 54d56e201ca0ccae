"""One sign in any light and weather, large and as a network gets it."""

import torch
import torch.nn.functional as F
from ipywidgets import HTML, Dropdown, FloatSlider, HBox, IntSlider, ToggleButtons, VBox
from torch import Tensor

from imgrec_lab import plots, scenes
from imgrec_lab.widgets.widget_parts import Panel, fixed_row, picture_widget, png

LARGE_PX, SMALL_PX = 128, 32


def draw_sign(name: str, conditions: scenes.Conditions, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A sign as a person would look at it and as a network gets it.

    Args:
        name: one of ``scenes.CLASSES``.
        conditions: light, weather and camera; ``blur_px`` counts pixels of the large picture.
        seed: of the place, the surroundings and what hides the sign.

    Returns:
        (3, 128, 128) and (3, 32, 32) uint8; the second is the first made smaller.
    """
    label = torch.tensor([scenes.label_of(name)])
    size = (LARGE_PX, LARGE_PX)
    large = scenes.draw_signs(label, image_size=size, conditions=conditions, seed=seed).images
    small = F.interpolate(large, size=(SMALL_PX, SMALL_PX), mode="bilinear", antialias=True)
    return large[0], small[0]


def sign_explorer() -> Panel:
    """Choose a sign and make it hard to read.

    Returns:
        Panel with the parts ``sign, light, weather, blur, noise, occlusion, seed, picture`` and
        ``message``.
    """
    sign = Dropdown(options=scenes.CLASSES, value="turn left", description="sign")
    light = ToggleButtons(options=scenes.LIGHTS, style={"button_width": "64px"})
    weather = ToggleButtons(options=scenes.WEATHERS, style={"button_width": "64px"})
    blur = _slider("blur (px)", 8.0, 0.5)
    noise = _slider("noise", 0.3, 0.02)
    occlusion = _slider("hidden", 0.7, 0.05)
    seed = IntSlider(max=50, description="place", continuous_update=False)
    picture, message = picture_widget(), HTML()

    def draw(change: dict | None = None) -> None:
        conditions = scenes.Conditions(
            light=light.value,
            weather=weather.value,
            blur_px=blur.value,
            noise=noise.value,
            occlusion=occlusion.value,
        )
        large, small = draw_sign(sign.value, conditions, seed=seed.value)
        figure, axes = fixed_row(5.6, 2.9, widths=(1, 1), wspace=0.06, bottom=0.02)
        plots.show_images(large[None], title=f"{LARGE_PX} x {LARGE_PX} pixels", ax=axes[0])
        plots.show_images(small[None], title=f"the network's {SMALL_PX} x {SMALL_PX}", ax=axes[1])
        picture.value = png(figure)
        message.value = f"<b>{sign.value}</b>, {light.value}, {weather.value}"

    controls = [sign, light, weather, blur, noise, occlusion, seed]
    for control in controls:
        control.observe(draw, "value")
    draw()
    return Panel(
        [HBox([VBox(controls, layout={"min_width": "330px"}), VBox([picture, message])])],
        sign=sign,
        light=light,
        weather=weather,
        blur=blur,
        noise=noise,
        occlusion=occlusion,
        seed=seed,
        picture=picture,
        message=message,
    )


def _slider(description: str, largest: float, step: float) -> FloatSlider:
    return FloatSlider(max=largest, step=step, description=description, continuous_update=False)
