"""The figures of an audit."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from data_prep.common.text_layout import shorten
from galaxy_lightning.audit.recolouring import SHIFTS
from galaxy_lightning.audit.source_measures import MEASURES
from galaxy_lightning.evaluation.colours import COLOURS, GRID, REFERENCE
from galaxy_lightning.evaluation.figure_layout import TEXT_SIZE, TITLE_SIZE
from galaxy_lightning.evaluation.figure_text import show_as_is, shown_names, wrap_lines

COLOUR_RESPONSE: Final = "colour"
RECALL_CURVES: Final = "recall"
MAP: Final = "map"
WRONG_LABELS: Final = "likely_wrong_labels"

MAX_CLASSES: Final = len(COLOURS)
"""Maximum number of classes that curves and maps distinguish; of more, the first ones."""


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Returns a colour for each class."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(classes)}


def plot_colour_response(colour: Mapping[str, Any], classes: Sequence[str], title: str) -> Figure:
    """Plots accuracy and recalls against the change of the colour, and for grey images.

    Args:
        colour: The section ``colour`` of the summary of an audit.
        classes: The class names, in order.
        title: Title of the figure.
    """
    changes = colour["changes"]
    names = {0.0: "unchanged"} | {shift: f"{shift:+.1f} mag" for shift in SHIFTS}
    shifts = sorted(names)
    figure, axes = _figure(5.2, 3.9, title)
    grey = 0.6
    curves: list[tuple[str, str, list[float], float]] = [
        (
            "accuracy",
            "#000000",
            [changes[names[at]]["accuracy"] for at in shifts],
            changes["grey"]["accuracy"],
        )
    ]
    colours = class_colours(classes)
    recall = changes["unchanged"]["recall"]
    for name in [each for each in classes if recall[each] is not None][:MAX_CLASSES]:
        values = [changes[names[at]]["recall"][name] for at in shifts]
        curves.append((f"recall, {name}", colours[name], values, changes["grey"]["recall"][name]))
    for (_, colour_of, values, last), label in zip(
        curves, shown_names([name for name, *_ in curves], 30, "class"), strict=True
    ):
        width = 2.2 if colour_of == "#000000" else 1.5
        numbers = np.array(values, dtype=float)
        axes.plot(shifts, numbers, marker="o", markersize=4, label=label, color=colour_of, linewidth=width)
        axes.plot([grey], [np.nan if last is None else last], marker="s", markersize=6, color=colour_of)
    axes.axvline(0, color=REFERENCE, linestyle=":", linewidth=1.2)
    axes.set_xticks([*shifts, grey], [*(f"{at:+.1f}" if at else "0" for at in shifts), "grey"])
    axes.set(ylim=(-0.03, 1.03))
    _label(axes, "Change of the colour g - r [mag]; negative: bluer", "Accuracy and recall")
    _legend_below(figure, axes)
    return figure


def plot_recall_curves(recall: pd.DataFrame, classes: Sequence[str], title: str) -> Figure:
    """Plots the recall of each class against each measure, with 95% intervals.

    Args:
        recall: The recalls; see :mod:`~.recall_curves`.
        classes: The class names, in order.
        title: Title of the figure.
    """
    measures = list(dict.fromkeys(recall["measure"]))
    columns = min(3, max(len(measures), 1))
    rows = -(-len(measures) // columns) or 1
    figure = Figure(figsize=(3.4 * columns, 2.7 * rows + 0.8), layout="constrained")
    figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    shown = [name for name in classes if (recall["class"] == name).any()][:MAX_CLASSES]
    colours, labels = class_colours(classes), dict(zip(shown, shown_names(shown, 30, "class"), strict=True))
    handles: list[Any] = []
    for axes, measure in zip(grid.flat, measures, strict=False):
        handles = []
        for name in shown:
            part = recall[(recall["measure"] == measure) & (recall["class"] == name)]
            errors = [part["recall"] - part["recall_low"], part["recall_high"] - part["recall"]]
            drawn = axes.errorbar(
                part["median"], part["recall"], np.abs(errors), color=colours[name], marker="o", markersize=4,
                linewidth=1.5, elinewidth=1, capsize=2,
            )  # fmt: skip
            handles.append(drawn)
        axes.set(ylim=(-0.03, 1.03))
        _label(axes, wrap_lines(MEASURES.get(measure, measure), 42), "Recall")
    for axes in grid.flat[len(measures) :]:
        axes.axis("off")
    names = [labels[name] for name in shown]
    legend = figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=TEXT_SIZE)
    _show_names(legend)
    return figure


def plot_map(galaxies: pd.DataFrame, classes: Sequence[str], title: str) -> Figure:
    """Plots the map of the galaxies, coloured by class, by error, and by confidence.

    Args:
        galaxies: The table of an audit.
        classes: The class names, in order.
        title: Title of the figure.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    by_class, by_error, by_confidence = figure.subplots(1, 3)
    x, y = galaxies["map_x"], galaxies["map_y"]
    size = float(np.clip(4000 / max(len(galaxies), 1), 2, 14))
    colours = class_colours(classes)
    labels = dict(zip(classes, shown_names(list(classes), 24, "class"), strict=True))
    shown = [name for name in classes if (galaxies["label"] == name).any()]
    groups = [(galaxies["label"] == name, colours[name], labels[name]) for name in shown[:MAX_CLASSES]]
    if len(shown) > MAX_CLASSES:
        groups.insert(0, (galaxies["label"].isin(shown[MAX_CLASSES:]), "#c8c8c8", "other classes"))
    handles = [
        by_class.scatter(x[chosen], y[chosen], s=size, color=colour, linewidths=0)
        for chosen, colour, _ in groups
    ]
    wrong = galaxies["label"] != galaxies["predicted"]
    for chosen, colour, label in ((~wrong, "#c8c8c8", "correct"), (wrong, "#D55E00", "misclassified")):
        by_error.scatter(x[chosen], y[chosen], s=size, color=colour, label=label, linewidths=0)
    confidence = galaxies.filter(regex="^p_").max(axis=1)
    drawn = by_confidence.scatter(x, y, s=size, c=confidence, cmap="viridis", linewidths=0)
    figure.colorbar(drawn, ax=by_confidence, label="confidence")
    for axes, name in ((by_class, "true class"), (by_error, "errors"), (by_confidence, "confidence")):
        axes.set_title(name, fontsize=TEXT_SIZE)
        axes.set(xticks=[], yticks=[], aspect="equal")
    look: dict[str, Any] = {"fontsize": 8, "markerscale": 2, "loc": "best", "framealpha": 0.8}
    by_error.legend(**look)
    _show_names(by_class.legend(handles, [label for *_, label in groups], **look))
    return figure


def plot_wrong_labels(
    galaxies: pd.DataFrame, images: Sequence[npt.NDArray[np.uint8]], names: Sequence[str], title: str
) -> Figure:
    """Plots galaxies whose labels are likely wrong, with their labels and the suggested ones.

    Args:
        galaxies: Their rows in the table of an audit.
        images: Their images.
        names: Their ids.
        title: Title of the figure.
    """
    columns = 5
    classes = [name.removeprefix("p_") for name in map(str, galaxies.columns) if name.startswith("p_")]
    labels = dict(zip(classes, shown_names(classes, 24, "class"), strict=True))
    rows = max(-(-len(images) // columns), 1)
    figure = Figure(figsize=(2.1 * columns, 2.5 * rows + 0.5), layout="constrained")
    figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, name, (_, row) in zip(grid.flat, images, names, galaxies.iterrows(), strict=False):
        axes.imshow(image if image.shape[-1] == 3 else image.mean(axis=-1), cmap="gray")
        label, suggested = labels[row["label"]], labels[row["suggested"]]
        text = f"{shorten(name, 30)}\n{label} (p {row['p_' + row['label']]:.2f})\n{suggested}?"
        show_as_is(axes.set_title(text, fontsize=7))
    return figure


def _figure(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=TITLE_SIZE, parse_math=False)
    return figure, figure.subplots()


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=TEXT_SIZE)
    axes.set_ylabel(y, fontsize=TEXT_SIZE)
    axes.tick_params(labelsize=TEXT_SIZE)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    legend = figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=TEXT_SIZE)
    _show_names(legend)


def _show_names(legend: Legend) -> None:
    """Shows the names of classes in a legend as they are, without formulas."""
    for text in legend.get_texts():
        show_as_is(text)
