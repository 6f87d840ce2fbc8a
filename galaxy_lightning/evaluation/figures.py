"""The figures of evaluations and reports, drawn without a display."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy.stats import beta

from galaxy_lightning.evaluation.measures import Counts

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's (2008) palette, which is distinguishable for colour-blind readers."""

_STYLES: Final[list[dict[str, Any]]] = [
    {"color": colour, "linestyle": line} for line in ("-", "--", "-.") for colour in COLOURS
]


def plot_confusion_matrix(counts: Counts, classes: Sequence[str], title: str) -> Figure:
    """Plots a confusion matrix, normalised by true class, so that its diagonal shows the recalls.

    Args:
        counts: Numbers of galaxies, ``[true class, predicted class]``.
        classes: The class names, in order.
        title: Title of the figure.

    Returns:
        The figure. Each cell shows the fraction of its row, and the number of galaxies in brackets.
    """
    size = 2.2 + 1.1 * len(classes)
    figure = Figure(figsize=(size, size - 0.4), layout="compressed")
    axes = figure.subplots()
    image = _draw_confusion_matrix(axes, counts, classes)
    axes.set_ylabel("True class")
    figure.colorbar(image, ax=axes, label="Fraction of the true class", shrink=0.8)
    _set_title(figure, title, round(9.5 * size))
    return figure


def plot_confusion_matrices(matrices: Mapping[str, Counts], classes: Sequence[str]) -> Figure:
    """Plots the confusion matrices of several models, two or three per row.

    Args:
        matrices: Numbers of galaxies ``[true class, predicted class]`` by model.
        classes: The class names, in order.
    """
    columns = 2 if len(matrices) == 4 else min(3, len(matrices))
    rows = -(-len(matrices) // columns)
    side = 0.9 + 0.9 * len(classes)
    figure = Figure(figsize=(columns * side + 1.2, rows * (side + 0.4)), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(matrices) :]:
        axes.axis("off")
    for index, (axes, (name, counts)) in enumerate(zip(grid.flat, matrices.items(), strict=False)):
        image = _draw_confusion_matrix(axes, counts, classes)
        _set_title(axes, name, 28)
        if index % columns == 0:
            axes.set_ylabel("True class")
    figure.colorbar(image, ax=grid, label="Fraction of the true class", shrink=0.7)
    return figure


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
    labels = [_shorten(name) for name in histories]
    if baselines is not None:
        handles.append(Line2D([], [], color="0.5", linestyle=":"))
        labels.append("Most common class")
    columns = max(1, min(len(labels), 110 // (8 + max(map(len, labels), default=1))))
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
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
        images: uint8 ``[N, H, W, 3]``.
        captions: ``N`` captions.
        title: Title of the figure.
    """
    rows = max(1, -(-len(images) // 3))
    figure = Figure(figsize=(6.6, 0.5 + 2.6 * rows), layout="constrained")
    _set_title(figure, title, 60)
    grid = figure.subplots(rows, 3, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, caption in zip(grid.flat, images, captions, strict=False):
        axes.imshow(image)
        axes.set_title(caption, fontsize=9).set_parse_math(False)
    return figure


def _draw_confusion_matrix(axes: Axes, counts: Counts, classes: Sequence[str]) -> AxesImage:
    """Draws one confusion matrix, without a title and a label of the y axis."""
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(fractions, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*counts.shape):
        axes.text(
            column,
            row,
            f"{fractions[row, column]:.2f}\n({counts[row, column]:,})",
            ha="center",
            va="center",
            color="white" if fractions[row, column] > 0.55 else "black",
        )
    positions = range(len(classes))
    if max(map(len, classes)) <= 11:
        axes.set_xticks(positions, list(classes))
        axes.set_yticks(positions, list(classes), rotation=90, va="center")
    else:  # Longer names would overlap.
        axes.set_xticks(positions, list(classes), rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(positions, list(classes))
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_parse_math(False)
    axes.set_xlabel("Predicted class")
    return image


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


def _set_title(owner: Axes | Figure, name: str, width: int) -> None:
    """Sets a title, wrapped at ``width`` characters; dollar signs in it do not start a formula."""
    text = "\n".join(textwrap.wrap(_shorten(name), width))
    title = owner.suptitle(text) if isinstance(owner, Figure) else owner.set_title(text)
    title.set_parse_math(False)


def _shorten(name: str) -> str:
    """Shortens a name to the space in a figure."""
    return textwrap.shorten(name, 80, placeholder=" ...") if " " in name else name[:80]
