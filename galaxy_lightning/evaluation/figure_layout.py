"""The layout of figures with axes: fixed margins, a title above, and legends below, where they hide nothing.

Matplotlib's own layout engines draw each figure several times, which takes longer than all the rest.
"""

from collections.abc import Sequence
from typing import Any, Final

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from data_prep.common.text_layout import display_width, shorten
from galaxy_lightning.evaluation.colours import GRID, REFERENCE
from galaxy_lightning.evaluation.figure_text import show_as_is, text_width, wrap_lines

TEXT_SIZE: Final = 9
"""Font size of labels, ticks and legends, in points."""
TITLE_SIZE: Final = 10
"""Font size of titles, in points."""

REFERENCE_LINE: Final[dict[str, Any]] = {"color": REFERENCE, "linestyle": ":", "linewidth": 1.5}
"""How a line to compare with is drawn."""

Entries = Sequence[tuple[Artist, str]]
"""Entries of a legend: what is drawn, and its label."""

_LEFT: Final = 0.68
_RIGHT: Final = 0.15
_TOP: Final = 0.2
_BETWEEN_COLUMNS: Final = 0.72
_BETWEEN_ROWS: Final = 0.1
_X_LABELS: Final = 0.5
"""Margins in inches."""
_LINE: Final = 0.175
"""Height of a line of a title in inches."""
_LEGEND_LINE: Final = 0.187
"""Height of a line of a legend in inches."""
_LEGEND_GAP: Final = 0.06
"""Space below a legend in inches."""


def make_figure(
    width: float, heights: Sequence[float], title: str, legends: Sequence[Entries], columns: int = 1
) -> tuple[Figure, list[Axes]]:
    """Makes a figure with panels that share their x axis, a title above and legends below.

    Args:
        width: Width of the figure in inches.
        heights: Heights of the rows of panels in inches. The height of the figure follows from these, the
            title and the legends.
        title: The title; long ones are wrapped.
        legends: The legends, from top to bottom; each has as many columns as fit.
        columns: Number of panels in each row.

    Returns:
        The figure and its axes, row by row.
    """
    titles = wrap_title(title, width)
    filled = [
        [(artist, _fit(label, width - 0.65, TEXT_SIZE)) for artist, label in entries] for entries in legends
    ]
    filled = [entries for entries in filled if entries]
    columns_of = [_legend_columns([label for _, label in entries], width) for entries in filled]
    lines = [-(-len(entries) // number) for entries, number in zip(filled, columns_of, strict=True)]
    above = _TOP + _LINE * len(titles)
    below = _X_LABELS + _LEGEND_LINE * sum(lines) + _LEGEND_GAP * len(lines)
    panels = sum(heights) + _BETWEEN_ROWS * (len(heights) - 1)
    height = above + panels + below
    figure = Figure(figsize=(width, height))
    panel_width = (width - _LEFT - _RIGHT - _BETWEEN_COLUMNS * (columns - 1)) / columns
    grid = figure.subplots(
        len(heights),
        columns,
        sharex=True,
        squeeze=False,
        gridspec_kw={
            "left": _LEFT / width,
            "right": 1 - _RIGHT / width,
            "top": 1 - above / height,
            "bottom": below / height,
            "wspace": _BETWEEN_COLUMNS / panel_width,
            "hspace": _BETWEEN_ROWS * len(heights) / sum(heights),
            "height_ratios": list(heights),
        },
    )
    if titles:
        position = {"x": 0.5, "y": 1 - 0.07 / height, "va": "top"}
        show_as_is(figure.suptitle("\n".join(titles), fontsize=TITLE_SIZE, **position))
    top = below - _X_LABELS
    for entries, number, rows in zip(filled, columns_of, lines, strict=True):
        _add_legend(figure, entries, number, top / height)
        top -= _LEGEND_LINE * rows + _LEGEND_GAP
    for axes in grid.flat:
        axes.tick_params(labelsize=TEXT_SIZE)
        axes.yaxis.get_offset_text().set_fontsize(TEXT_SIZE)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
    return figure, list(grid.flat)


def label_axes(axes: Axes, x: str = "", y: str = "") -> None:
    """Sets the labels of the axes."""
    axes.set_xlabel(x, fontsize=TEXT_SIZE)
    axes.set_ylabel(y, fontsize=TEXT_SIZE)


def reference_key() -> Line2D:
    """Returns the entry of a legend for a line to compare with."""
    return Line2D([], [], **REFERENCE_LINE)


def wrap_title(title: str, width: float) -> list[str]:
    """Returns the lines of a title that fit in a width in inches."""
    return [_fit(line, width - 0.2, TITLE_SIZE) for line in wrap_lines(title, round(11 * width)).splitlines()]


def _fit(text: str, width: float, size: float) -> str:
    """Shortens a text of a font size to a width in inches."""
    while text_width(text, size) > width:
        text = shorten(text, display_width(text) - 1)
    return text


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Returns how many columns of a legend fit in a width in inches."""
    column = max(text_width(label, TEXT_SIZE) for label in labels) + 0.55
    return max(1, min(len(labels), int((width - 0.1) / column)))


def _add_legend(figure: Figure, entries: Entries, columns: int, top: float) -> None:
    """Adds a legend whose upper edge is at a fraction of the figure's height."""
    spacing: dict[str, Any] = {"borderpad": 0, "borderaxespad": 0, "labelspacing": 0.35, "columnspacing": 1.2}
    legend = figure.legend(
        [handle for handle, _ in entries],
        [label for _, label in entries],
        loc="upper center",
        bbox_to_anchor=(0.5, top),
        ncols=columns,
        frameon=False,
        fontsize=TEXT_SIZE,
        handlelength=2.2,
        handletextpad=0.6,
        **spacing,
    )
    for text in legend.get_texts():
        show_as_is(text)
