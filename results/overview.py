"""Draws overview.png, the README's picture: signs, streets with boxes, a learning curve."""

from pathlib import Path

import torch
from matplotlib.figure import Figure

from imgrec_lab import datasets, models, plots, runtime, scenes, train
from imgrec_lab.plots import figures

HERE = Path(__file__).parent
CONDITIONS = [
    scenes.Conditions(),
    scenes.Conditions(light="dusk"),
    scenes.Conditions(light="night", noise=0.03),
    scenes.Conditions(weather="fog"),
    scenes.Conditions(weather="rain", blur_px=1.5),
]


def learning_curve() -> train.History:
    """A TinyCNN on the drawn signs, eight epochs."""
    runtime.seed_everything(0)
    train_set, val_set, _ = datasets.load("signs")
    loader = datasets.make_loader(train_set, batch_size=64, shuffle=True)
    return train.fit(models.TinyCNN(14), loader, datasets.make_loader(val_set), epochs=8)


def main() -> None:
    """Draw and write the picture."""
    labels = torch.arange(14).repeat(len(CONDITIONS))
    conditions = [condition for condition in CONDITIONS for _ in range(14)]
    signs = scenes.draw_signs(labels, image_size=(64, 64), conditions=conditions, seed=4)
    streets = scenes.draw_streets(5, image_size=(192, 192), conditions=CONDITIONS, seed=12)
    figure = Figure(figsize=(11, 8.4), dpi=figures.DPI, layout="constrained")
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(4.3, 2.4, 2.6))
    plots.show_images(signs.images, columns=14, ax=top.subplots())
    plots.show_images(streets.images, columns=5, ax=middle.subplots())
    plots.curves(learning_curve(), axes=bottom.subplots(1, 2))
    figure.savefig(HERE / "overview.png")


if __name__ == "__main__":
    main()
