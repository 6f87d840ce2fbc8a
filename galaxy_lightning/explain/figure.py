"""The figure of an explanation."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from data_prep.common.text_layout import shorten
from galaxy_lightning.audit.figures import class_colours
from galaxy_lightning.evaluation.colours import COLOURS, GRID, INK
from galaxy_lightning.evaluation.figure_layout import TEXT_SIZE, TITLE_SIZE
from galaxy_lightning.evaluation.figure_text import show_as_is, shown_names, wrap_lines
from galaxy_lightning.explain.explanation import NEAREST, Explanation

MAX_BARS: Final = 6
"""Maximum number of classes with a bar and a mean profile: the most probable ones."""
_NAME_WIDTH: Final = 22
"""Maximum width of the names of classes and galaxies in characters, except in the title."""
_TITLE_WIDTH: Final = 90
_CMAP: Final = "RdBu_r"


def plot_explanation(explanation: Explanation, model: str) -> Figure:
    """Plots the image, its attribution maps, the probabilities, the ring profile, and similar galaxies.

    Args:
        explanation: The explanation.
        model: Name of the model.

    Returns:
        The figure, 11 inches wide.
    """
    has_similar = bool(explanation.similar)
    figure = Figure(figsize=(11, 9.3 if has_similar else 6.8), layout="constrained")
    title = wrap_lines(_title(explanation, model), _TITLE_WIDTH)
    show_as_is(figure.suptitle(title, fontsize=TITLE_SIZE + 1))
    ratios = [1.25, 1.15, 1][: 2 + has_similar]
    rows = figure.subfigures(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
    _draw_maps(rows[0], explanation)
    _draw_probabilities_and_profile(rows[1], explanation)
    if has_similar:
        _draw_similar(rows[2], explanation)
    return figure


def _title(explanation: Explanation, model: str) -> str:
    galaxy, probabilities = explanation.galaxy, explanation.probabilities
    label = "" if explanation.label is None else f"; true class: {explanation.label}"
    return f"{galaxy.name}: {model} says {explanation.predicted} ({probabilities.max():.0%}){label}"


def _draw_maps(part: Any, explanation: Explanation) -> None:
    """Draws the image, and the maps over it in grey."""
    panels = part.subplots(1, 1 + len(explanation.maps), squeeze=False)[0]
    image = explanation.galaxy.image
    _show_image(panels[0], image, "image")
    grey = image.mean(axis=-1)
    for axes, (method, values) in zip(panels[1:], explanation.maps.items(), strict=True):
        side = image.shape[0]
        axes.imshow(grey, cmap="gray", alpha=0.55, extent=(0, side, side, 0))
        extreme = float(np.abs(values).max()) or 1.0
        axes.imshow(
            values / extreme,
            cmap=_CMAP,
            vmin=-1,
            vmax=1,
            alpha=np.clip(1.6 * np.abs(values) / extreme, 0, 0.9),
            extent=(0, side, side, 0),
        )
        axes.set_title(method, fontsize=TEXT_SIZE)
        axes.axis("off")
    if explanation.maps:
        mappable = ScalarMappable(Normalize(-1, 1), _CMAP)
        bar = part.colorbar(mappable, ax=list(panels), shrink=0.8, ticks=[-1, 0, 1], pad=0.01)
        bar.ax.set_yticklabels(["against", "0", "for"], fontsize=TEXT_SIZE)
        bar.set_label(_shown_classes(explanation)[explanation.explained], fontsize=TEXT_SIZE)
        show_as_is(bar.ax.yaxis.label)


def _draw_probabilities_and_profile(part: Any, explanation: Explanation) -> None:
    """Draws bars of the model's and the experts' probabilities, and the ring profile beside it."""
    has_profile = explanation.profile is not None
    panels = part.subplots(1, 2 if has_profile else 1, squeeze=False)[0]
    _draw_bars(panels[0], explanation)
    if has_profile:
        _draw_profile(panels[1], explanation)


def _draw_bars(axes: Axes, explanation: Explanation) -> None:
    chosen, shown = _most_probable(explanation), _shown_classes(explanation)
    names = [shown[number] for number in chosen]
    rows = {"all": explanation.probabilities, **explanation.experts}
    height = 0.8 / len(rows)
    shades = colormaps["Greys"](np.linspace(0.9, 0.4, len(rows)))
    for index, (name, values) in enumerate(rows.items()):
        places = np.arange(len(chosen)) + (index - (len(rows) - 1) / 2) * height
        label = "the model" if name == "all" else f"expert for {name}"
        axes.barh(places, values[chosen], height * 0.9, color=shades[index], label=label)
    axes.set_yticks(np.arange(len(chosen)), names, fontsize=TEXT_SIZE)
    for text in axes.get_yticklabels():
        show_as_is(text)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1))
    axes.set_xlabel("Probability", fontsize=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)
    if explanation.experts:
        axes.legend(fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)


def _draw_profile(axes: Axes, explanation: Explanation) -> None:
    radii, classes, shown = explanation.radii, explanation.classes, _shown_classes(explanation)
    assert radii is not None
    assert explanation.profile is not None
    chosen = [
        number for number in _most_probable(explanation) if classes[number] in explanation.class_profiles
    ]
    names = [classes[number] for number in chosen]
    colours = class_colours(classes if len(classes) <= len(COLOURS) else names)
    for number, name in zip(chosen, names, strict=True):
        mean, deviation = explanation.class_profiles[name]
        axes.plot(radii, mean, color=colours[name], label=f"mean of training galaxies, {shown[number]}")
        low = np.maximum(mean - deviation, np.maximum(mean / 10, 1e-4))  # A logarithmic axis has no zero.
        axes.fill_between(radii, low, mean + deviation, color=colours[name], alpha=0.15)
    axes.plot(
        radii, explanation.profile, color=INK, linewidth=2.5, marker="o", markersize=4, label="this galaxy"
    )
    axes.set_yscale("log")
    axes.set_xlabel("Radius (fraction of half the image's side)", fontsize=TEXT_SIZE)
    axes.set_ylabel("Brightness in rings", fontsize=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    for text in axes.legend(fontsize=8).get_texts():
        show_as_is(text)


def _draw_similar(part: Any, explanation: Explanation) -> None:
    panels = part.subplots(1, NEAREST, squeeze=False)[0]
    part.suptitle("Most similar training galaxies, as the model sees them", fontsize=TITLE_SIZE)
    for axes in panels:
        axes.axis("off")
    shown = dict(zip(explanation.classes, _shown_classes(explanation), strict=True))
    for axes, similar in zip(panels, explanation.similar, strict=False):
        _show_image(axes, similar.image, f"{shown[similar.label]}\n{shorten(similar.name, _NAME_WIDTH)}")


def _show_image(axes: Axes, image: npt.NDArray[np.uint8], title: str) -> None:
    """Shows an image in colour, or the mean of its bands in grey."""
    axes.imshow(image if image.shape[-1] == 3 else image.mean(axis=-1), cmap="gray")
    show_as_is(axes.set_title(title, fontsize=TEXT_SIZE))
    axes.axis("off")


def _shown_classes(explanation: Explanation) -> list[str]:
    """Returns the names of all classes as the figure shows them."""
    return shown_names(explanation.classes, _NAME_WIDTH, "class")


def _most_probable(explanation: Explanation) -> list[int]:
    """Returns the numbers of the most probable classes, in the order of the classes."""
    order = np.argsort(-explanation.probabilities, kind="stable")[:MAX_BARS]
    return [int(number) for number in np.sort(order)]
