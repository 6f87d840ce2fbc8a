"""The figures of evaluations and reports, drawn without a display."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy.stats import beta

from galaxy_lightning.evaluation.figure_text import set_title, shorten_title, show_as_is, wrap_lines

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's (2008) palette, which is distinguishable for colour-blind readers."""

_STYLES: Final[list[dict[str, Any]]] = [
    {"color": colour, "linestyle": line} for line in ("-", "--", "-.") for colour in COLOURS
]


def plot_training_curves(
    histories: Mapping[str, Sequence[pd.DataFrame]],
    metric: str,
    baselines: Mapping[str, float] | None = None,
) -> Figure:
    """Plots a metric of the training and the validation galaxies against the epoch.

    Args:
        histories: The ``history.csv`` of each run, by model.
        metric: ``"loss"`` or ``"accuracy"``.
        baselines: Value for the most common class in the splits ``"train"`` and ``"val"``, as dotted lines.

    Returns:
        The figure, with a thin line for each run and a thick line for the mean of a model's runs.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (split, title) in zip(panels, (("train", "Training"), ("val", "Validation")), strict=True):
        for runs, style in zip(histories.values(), cycle(_STYLES), strict=False):
            _draw_training_curves(axes, runs, f"{split}_{metric}", style)
        if baselines is not None:
            axes.axhline(baselines[split], color="0.5", linestyle=":")
        axes.set_title(f"{title} galaxies")
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    if metric == "loss":
        panels[0].set_ylim(bottom=0, top=_upper_loss_limit(histories))
    panels[0].set_ylabel(metric.capitalize())
    handles = [
        Line2D([], [], linewidth=2, **style) for _, style in zip(histories, cycle(_STYLES), strict=False)
    ]
    labels = [shorten_title(name) for name in histories]
    if baselines is not None:
        handles.append(Line2D([], [], color="0.5", linestyle=":"))
        labels.append("Most common class")
    columns = max(1, min(len(labels), 110 // (8 + max(map(len, labels), default=1))))
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    for text in legend.get_texts():
        show_as_is(text)
    return figure


def plot_reliability_diagram(
    confidences: npt.NDArray[np.float64], accuracies: npt.NDArray[np.float64], galaxies: npt.NDArray[np.int64]
) -> Figure:
    """Plots accuracy against confidence; points below the diagonal show overconfidence.

    Args:
        confidences: ``[bins]`` mean probability of the predicted class, NaN in an empty bin.
        accuracies: ``[bins]`` accuracy, NaN in an empty bin.
        galaxies: ``[bins]`` number of galaxies.

    Returns:
        The figure: accuracies with their 68% intervals above, a histogram of the galaxies below.
    """
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    filled = galaxies > 0
    confidences, accuracies, numbers = confidences[filled], accuracies[filled], galaxies[filled]
    # Jeffreys interval (Brown et al. 2001), which is also wide for a bin with one misclassified galaxy.
    low, high = beta.interval(0.68, numbers * accuracies + 0.5, numbers * (1 - accuracies) + 0.5)
    error = np.maximum(0, [accuracies - low, high - accuracies])
    above.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="Perfect calibration")
    above.errorbar(
        confidences, accuracies, error, color=COLOURS[0], fmt="o", capsize=2, label="Model (68% interval)"
    )
    above.set(ylabel="Accuracy", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title="Reliability diagram")
    above.legend(frameon=False, loc="upper left")
    above.grid(alpha=0.25)
    edges = np.linspace(0, 1, len(galaxies) + 1)
    below.stairs(galaxies, edges, fill=True, color=COLOURS[5])
    below.set(xlabel="Confidence (probability of the predicted class)", ylabel="Galaxies")
    figure.align_ylabels()
    return figure


def plot_coverage_curve(
    coverages: npt.NDArray[np.float64],
    accuracies: npt.NDArray[np.float64],
    chosen: tuple[float, float] | None = None,
    target: float | None = None,
) -> Figure:
    """Plots the accuracy of the most confident classifications against their fraction of all galaxies.

    Args:
        coverages: ``[N]`` fractions of the galaxies, the most confident first.
        accuracies: ``[N]`` accuracy of each fraction.
        chosen: Coverage and accuracy at the model's threshold.
        target: The target accuracy.
    """
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(coverages, accuracies, color=COLOURS[0], linewidth=2, label="Most confident galaxies")
    if target is not None:
        axes.axhline(target, color="0.5", linestyle=":", label=f"Target accuracy ({target:.3g})")
    if chosen is not None:
        axes.plot(*chosen, "o", color=COLOURS[1], label="Threshold from the validation galaxies")
    axes.set(xlabel="Coverage (fraction of galaxies classified)", ylabel="Accuracy", xlim=(0, 1.02))
    axes.set(ylim=(min(0.5, float(accuracies.min())), 1.01), title="Accuracy and coverage")
    axes.legend(frameon=False, loc="lower left")
    axes.grid(alpha=0.25)
    return figure


def plot_gallery(images: npt.NDArray[np.uint8], captions: Sequence[str], title: str) -> Figure:
    """Plots galaxies in rows of three, each with a caption.

    Args:
        images: uint8 ``[N, H, W, C]``: in colour for three bands, otherwise the mean of the bands in grey.
        captions: ``N`` captions.
        title: Title of the figure.
    """
    rows = max(1, -(-len(images) // 3))
    captions = [wrap_lines(caption, 30) for caption in captions]
    lines = max((caption.count("\n") + 1 for caption in captions), default=3)
    figure = Figure(figsize=(6.6, 0.5 + (2.6 + 0.16 * max(0, lines - 3)) * rows), layout="constrained")
    set_title(figure, title, 60)
    grid = figure.subplots(rows, 3, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, caption in zip(grid.flat, images, captions, strict=False):
        # The mean of the bands, unless they are a colour image.
        pixels = image if image.shape[-1] == 3 else image.mean(axis=-1)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
        show_as_is(axes.set_title(caption, fontsize=9))
    return figure


def _draw_training_curves(
    axes: Axes, runs: Sequence[pd.DataFrame], column: str, style: Mapping[str, Any]
) -> None:
    """Draws the runs of one model and their mean; a single epoch is a marker."""
    curves = [run.set_index("epoch")[column].dropna() for run in runs]
    mean = pd.concat(curves, axis=1).mean(axis=1).sort_index()
    marker = "o" if len(mean) < 2 else None
    if len(curves) > 1:
        for curve in curves:
            axes.plot(curve.index, curve, linewidth=0.8, alpha=0.35, marker=marker, **style)
    axes.plot(mean.index, mean, linewidth=2, marker=marker, **style)


def _upper_loss_limit(histories: Mapping[str, Sequence[pd.DataFrame]]) -> float | None:
    """Returns the upper limit of the loss axis, from the 98th percentile, so that outliers do not set it."""
    all_runs = [run for runs in histories.values() for run in runs]
    values = np.concatenate([run[["train_loss", "val_loss"]].to_numpy().ravel() for run in all_runs])
    values = values[np.isfinite(values)]
    return 1.1 * float(np.quantile(values, 0.98)) if len(values) else None
