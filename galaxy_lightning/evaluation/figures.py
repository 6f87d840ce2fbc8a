"""The figures of evaluations: reliability diagrams and coverage curves."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import betaincinv

from galaxy_lightning.evaluation.colours import INK, PAPER, model_colours
from galaxy_lightning.evaluation.figure_layout import (
    REFERENCE_LINE,
    TEXT_SIZE,
    Entries,
    label_axes,
    make_figure,
    reference_key,
)
from galaxy_lightning.evaluation.figure_text import legend_names, shown_names

ReliabilityBins = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""Mean confidence, accuracy and number of galaxies of each bin, as from ``measures.reliability_bins``."""
CoverageCurve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Coverages, in increasing order, and the accuracy at each, as from ``measures.accuracy_at_coverage``."""

MAX_WITH_INTERVALS: Final = 2
"""Maximum number of models for which a reliability diagram shows intervals."""
_WIDTH: Final = 5.2
"""Width of a figure in inches."""


def plot_reliability_diagram(
    models: Mapping[str, ReliabilityBins],
    errors: Mapping[str, float],
    title: str = "",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Plots accuracy against confidence; points below the diagonal show overconfidence.

    Bins with a single galaxy are not drawn: their accuracy can only be 0 or 1.

    Args:
        models: The bins of each model.
        errors: The expected calibration error of each model.
        title: Title of the figure.
        colours: The colours by model; by default those of :func:`model_colours`.

    Returns:
        The figure, 5.2 inches wide. One model has 68% intervals, and below, the number of galaxies in each
        bin. Several models have lines, with intervals if there are two.
    """
    colours = colours or model_colours(list(models))
    single = len(models) == 1
    names = dict(zip(models, shown_names(list(models), 34, "model"), strict=True))
    entries: Entries = [
        (_model_key(colours[name], line=not single), f"{names[name]}: calibration error {errors[name]:.3f}")
        for name in models
    ]
    legends = [entries, list(_reliability_keys(models)), list(_left_out(models))]
    figure, panels = make_figure(_WIDTH, [3.2, 0.9] if single else [3.6], title, legends)
    axes = panels[0]
    axes.plot([0, 1], [0, 1], **REFERENCE_LINE)
    for name, (confidences, accuracies, galaxies) in models.items():
        drawn = galaxies > 1
        points = confidences[drawn], accuracies[drawn]
        if len(models) <= MAX_WITH_INTERVALS:
            low, high = _interval(points[1], galaxies[drawn])
            # As lists: of arrays with one element, Matplotlib with NumPy before 2.2 draws with a warning.
            errors_below_above = [(points[1] - low).tolist(), (high - points[1]).tolist()]
            axes.errorbar(*points, errors_below_above, color=colours[name], fmt="none", capsize=2)
        axes.plot(*points, color=colours[name], **_points(line=not single))
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    label_axes(panels[-1], "Confidence (probability of the predicted class)")
    axes.set_ylabel("Accuracy", fontsize=TEXT_SIZE)
    if single:
        ((name, bins),) = models.items()
        _draw_numbers(panels[1], bins[2], colours[name])
        figure.align_ylabels()
    return figure


def plot_coverage_curve(
    models: Mapping[str, CoverageCurve],
    galaxies: int,
    chosen: Mapping[str, tuple[float, float]] | None = None,
    target: float | None = None,
    title: str = "",
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Plots the accuracy of the most confident classifications against their fraction of all galaxies.

    The accuracy of the first few galaxies is noise. The curves start at 10 galaxies or 1% of all, whichever
    is more; with fewer than 50 galaxies, at a fifth of them.

    Args:
        models: The curve of each model.
        galaxies: Number of galaxies.
        chosen: Coverage and accuracy at the threshold of each model that has one.
        target: The target accuracy.
        title: Title of the figure.
        colours: The colours by model; by default those of :func:`model_colours`.

    Returns:
        The figure, 5.2 inches wide.
    """
    colours = colours or model_colours(list(models))
    first = min(max(10, 0.01 * galaxies), max(1, galaxies / 5)) / galaxies
    entries: Entries = [
        (Line2D([], [], color=colours[name], linewidth=3), shown)
        for name, shown in zip(models, legend_names(list(models)), strict=True)
    ]
    keys: list[tuple[Line2D, str]] = []
    if chosen:
        colour = colours[next(iter(chosen))] if len(models) == 1 else INK
        keys.append((_model_key(colour, line=False, size=8), "threshold from the validation galaxies"))
    if target is not None:
        keys.append((reference_key(), f"target accuracy ({target:.3g})"))
    figure, (axes,) = make_figure(_WIDTH, [2.9], title, [entries, keys])
    lowest = [target] if target is not None else []
    for name, (coverages, accuracies) in models.items():
        drawn = coverages >= first - 1e-9
        marker = "o" if drawn.sum() == 1 else None
        axes.plot(coverages[drawn], accuracies[drawn], color=colours[name], linewidth=1.8, marker=marker)
        lowest.append(float(accuracies[drawn].min()))
    if target is not None:
        axes.axhline(target, **REFERENCE_LINE)
    for name, point in (chosen or {}).items():
        axes.plot(*point, zorder=4, color=colours[name], marker="o", markersize=8, markeredgecolor=PAPER)
        lowest.append(point[1])
    label_axes(axes, "Coverage (fraction of the galaxies classified)", "Accuracy")
    margin = 0.06 * (1 - min(lowest)) or 0.02
    axes.set(xlim=(0, 1.02), ylim=(max(-0.02, min(lowest) - margin), 1 + margin))
    return figure


def _model_key(colour: str, *, line: bool, size: float = 5) -> Line2D:
    """Returns the entry of a legend for a model's points."""
    return Line2D([], [], color=colour, **_points(line=line, size=size))


def _points(*, line: bool, size: float = 5) -> dict[str, Any]:
    """Returns the style of points; an edge sets them apart from their line."""
    style = {"linestyle": "-", "markeredgecolor": PAPER} if line else {"linestyle": "none"}
    return {"marker": "o", "markersize": size} | style


def _reliability_keys(models: Mapping[str, ReliabilityBins]) -> Iterator[tuple[Line2D, str]]:
    """Yields the entries of the legend that hold for all models."""
    yield reference_key(), "perfect calibration"
    if len(models) <= MAX_WITH_INTERVALS:
        yield Line2D([], [], color=INK, marker="|", markersize=10, linestyle="none"), "68% interval"


def _left_out(models: Mapping[str, ReliabilityBins]) -> Iterator[tuple[Line2D, str]]:
    """Yields a note if there are bins with one galaxy."""
    if any((galaxies == 1).any() for _, _, galaxies in models.values()):
        yield Line2D([], [], linestyle="none"), "bins with one galaxy have no point"


def _interval(
    accuracies: npt.NDArray[np.float64], galaxies: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns the 68% Jeffreys intervals of accuracies (Brown et al. 2001), which contain the accuracies."""
    right, wrong = galaxies * accuracies + 0.5, galaxies * (1 - accuracies) + 0.5
    low, high = betaincinv(right, wrong, 0.16), betaincinv(right, wrong, 0.84)
    return np.minimum(low, accuracies), np.maximum(high, accuracies)


def _draw_numbers(axes: Axes, galaxies: npt.NDArray[np.int64], colour: str) -> None:
    """Draws the number of galaxies of each bin as bars, with the numbers above them."""
    edges = np.linspace(0, 1, len(galaxies) + 1)
    axes.stairs(galaxies, edges, fill=True, color=colour, alpha=0.5)
    highest = int(galaxies.max(initial=1))
    upright = highest < 1000  # Longer numbers are wider than a bar.
    for middle, number in zip((edges[:-1] + edges[1:]) / 2, galaxies.tolist(), strict=True):
        if number:
            axes.annotate(
                f"{number:,}",
                (middle, number),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7.5,
                rotation=0 if upright else 90,
            )
    axes.set_ylim(0, highest * (1.3 if upright else 1.3 + 0.11 * len(f"{highest:,}")))
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_ylabel("Galaxies", fontsize=TEXT_SIZE)
