"""The figures of confusion matrices, legible from 2 to 100 classes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from data_prep.samples.class_names import known_descriptions
from galaxy_lightning.evaluation.figure_layout import TEXT_SIZE, TITLE_SIZE, wrap_title
from galaxy_lightning.evaluation.figure_text import (
    class_names,
    set_title,
    shorten_title,
    show_as_is,
    text_width,
    undrawn_note,
    wrap_lines,
)
from galaxy_lightning.evaluation.measures import (
    MAX_WITH_COUNTS,
    MAX_WITH_FRACTIONS,
    SHOWN_FRACTION,
    Counts,
    row_fractions,
)

MAX_WITH_TEXTS: Final = 40
"""Maximum number of classes for which the cells with a large fraction show it."""
MAX_SIDE_BY_SIDE: Final = 6
"""Maximum number of classes for which the matrices of several models fit side by side."""
_PAGE: Final = 14.0
"""Maximum width of several matrices side by side, in inches."""


@dataclass(frozen=True)
class _Style:
    """How a matrix is drawn.

    Attributes:
        cell: Side of a cell in inches.
        name_size: Font size of the class names.
        angle: Angle of the names of the columns.
    """

    cell: float
    name_size: float
    angle: int

    def name_space(self, names: Sequence[str]) -> tuple[float, float]:
        """Returns the space in inches that names need beside and below the cells."""
        height = 0.08 + 1.25 * self.name_size / 72
        if self.angle == 0:
            return height, height
        longest = max(text_width(name, self.name_size) for name in names) + 0.1
        return longest, longest * math.sin(math.radians(self.angle)) + (0.1 if self.angle < 90 else 0)

    def margins(self, names: Sequence[str]) -> tuple[float, float]:
        """Returns the space in inches that names need in addition to that of short ones."""
        beside, below = self.name_space(names)
        return (0, 0) if self.angle == 0 else (max(0, beside - 0.3), max(0, below - 0.3))


def plot_confusion_matrix(
    counts: Counts, classes: Sequence[str], title: str, descriptions: Mapping[str, str] = MappingProxyType({})
) -> Figure:
    """Plots a confusion matrix, normalised by true class, so that its diagonal shows the recalls.

    Args:
        counts: Numbers of galaxies, ``[true class, predicted class]``.
        classes: The class names, in order.
        title: Title of the figure.
        descriptions: Descriptions of the classes by name, shown below a matrix of few classes.

    Returns:
        The figure. Each cell shows the fraction of its row, and the number of galaxies in brackets. With
        more classes, the cells show fractions only, then only large ones, and finally only colours.
    """
    number = len(classes)
    style, names = _style(classes)
    beside, below = style.name_space(names)
    left, right = 0.3 + beside, 0.85
    side = style.cell * number
    width = left + side + right
    titles = wrap_title(shorten_title(title), width)
    described = known_descriptions(classes, descriptions) if number <= MAX_WITH_COUNTS else {}
    shown = dict(zip(classes, names, strict=True))
    notes = [f"{shown[name]}: {text}" for name, text in described.items()] + undrawn_note(classes)
    lines = [line for note in notes for line in wrap_lines(note, round(14.2 * width)).splitlines()]
    above = 0.15 + 0.18 * len(titles)
    below += 0.3 + (0.1 + 0.155 * len(lines) if lines else 0)
    height = above + side + below
    # TensorBoard shows the figure at its own resolution.
    figure = Figure(figsize=(width, height), dpi=100 if number <= MAX_WITH_FRACTIONS else 150)
    axes = figure.add_axes((left / width, below / height, side / width, side / height))
    image = _draw_confusion_matrix(axes, counts, names, style)
    axes.set_ylabel("True class", fontsize=TEXT_SIZE)
    bar_height = min(0.8 * side, 6)
    bar = figure.add_axes(
        (
            (left + side + 0.12) / width,
            (below + (side - bar_height) / 2) / height,
            0.16 / width,
            bar_height / height,
        )
    )
    figure.colorbar(image, cax=bar).set_label("Fraction of the true class", fontsize=TEXT_SIZE)
    bar.tick_params(labelsize=TEXT_SIZE)
    show_as_is(figure.suptitle("\n".join(titles), fontsize=TITLE_SIZE, y=1 - 0.08 / height, va="top"))
    if lines:
        note = figure.supxlabel("\n".join(lines), fontsize=8, color="0.3", y=0.07 / height, va="bottom")
        show_as_is(note)
    return figure


def plot_confusion_matrices(matrices: Mapping[str, Counts], classes: Sequence[str]) -> Figure:
    """Plots the confusion matrices of several models, up to three per row.

    Args:
        matrices: Numbers of galaxies ``[true class, predicted class]`` by model.
        classes: The class names, in order; at most ``MAX_SIDE_BY_SIDE``, or the matrices are in one column.
    """
    style, names = _style(classes, largest_cell=0.9)
    beside, below = style.margins(names)
    side = 0.9 + style.cell * len(classes)
    fitting = max(1, min(3, int(_PAGE / (side + beside))))
    columns = min(fitting, 2 if len(matrices) == 4 else 3, len(matrices))
    rows = -(-len(matrices) // columns)
    size = columns * (side + beside) + 1.2, rows * (side + 0.4 + below)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(matrices) :]:
        axes.axis("off")
    for index, (axes, (name, counts)) in enumerate(zip(grid.flat, matrices.items(), strict=False)):
        image = _draw_confusion_matrix(axes, counts, names, style)
        set_title(axes, name, 28)
        if index % columns == 0:
            axes.set_ylabel("True class")
    figure.colorbar(image, ax=grid, label="Fraction of the true class", shrink=0.7)
    return figure


def _style(classes: Sequence[str], largest_cell: float = 1.1) -> tuple[_Style, list[str]]:
    """Chooses how to draw a matrix, and returns the names that it shows."""
    number = len(classes)
    if number <= MAX_WITH_COUNTS:
        names, cell = class_names(classes, 30), min(largest_cell, 1.1 if number <= 4 else 0.85)
        # Longer names would overlap.
        return _Style(cell, 10, 0 if max(text_width(name, 10) for name in names) < cell - 0.08 else 45), names
    if number <= MAX_WITH_FRACTIONS:
        return _Style(0.55, 9, 45), class_names(classes, 28)
    cell = min(0.3, 12 / number)
    return _Style(cell, min(9, 54 * cell), 90), class_names(classes, 26)


def _draw_confusion_matrix(axes: Axes, counts: Counts, names: Sequence[str], style: _Style) -> AxesImage:
    """Draws one confusion matrix, without a title and a label of the y axis."""
    fractions = row_fractions(counts)
    # Without texts, the square root of the fraction sets the colour, so that rare errors are visible.
    norm = PowerNorm(1 if len(names) <= MAX_WITH_TEXTS else 0.5, vmin=0, vmax=1)
    image = axes.imshow(fractions, norm=norm, cmap="Blues", interpolation="nearest")
    if len(names) > MAX_WITH_FRACTIONS:  # Lines between every five classes guide the eye.
        edges, ends = np.arange(4.5, len(names) - 1, 5), (-0.5, len(names) - 0.5)
        axes.hlines(edges, *ends, colors="0.8", linewidths=0.5)
        axes.vlines(edges, *ends, colors="0.8", linewidths=0.5)
    size = 10 if len(names) <= MAX_WITH_COUNTS else 8 if len(names) <= MAX_WITH_FRACTIONS else 6.5
    for row, column in np.ndindex(*counts.shape):
        text = _cell_text(float(fractions[row, column]), int(counts[row, column]), len(names))
        if text:
            colour = "white" if fractions[row, column] > 0.55 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
    positions = range(len(names))
    if style.angle == 0:
        axes.set_xticks(positions, list(names))
        axes.set_yticks(positions, list(names), rotation=90, va="center")
    else:
        axes.set_xticks(
            positions,
            list(names),
            rotation=style.angle,
            ha="right",
            va="center" if style.angle == 90 else "top",
            rotation_mode="anchor",
        )
        axes.set_yticks(positions, list(names))
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_fontsize(style.name_size)
        show_as_is(label)
    axes.set_xlabel("Predicted class", fontsize=TEXT_SIZE)
    return image


def _cell_text(fraction: float, count: int, classes: int) -> str:
    """Returns the text in a cell of a matrix with a number of classes."""
    if classes <= MAX_WITH_COUNTS:
        return f"{fraction:.2f}\n({count:,})"
    if classes <= MAX_WITH_FRACTIONS:
        return f"{fraction:.2f}"
    if classes > MAX_WITH_TEXTS or fraction < SHOWN_FRACTION:
        return ""
    return f"{fraction:.2f}".removeprefix("0") if fraction < 0.995 else "1"
