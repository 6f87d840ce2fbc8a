"""Every figure of the project, drawn without a screen."""

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

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito's (2008), which colour-blind readers tell apart."""

_STYLES: Final[list[dict[str, Any]]] = [
    {"color": colour, "linestyle": line} for line in ("-", "--", "-.") for colour in COLOURS
]

Counts = npt.NDArray[np.int64]
"""Numbers of galaxies, ``[true class, predicted class]``."""


def confusion_matrix(counts: Counts, classes: Sequence[str], title: str) -> Figure:
    """Draws a confusion matrix, normalised by row: the diagonal is each class's recall.

    Args:
        counts: ``[true class, predicted class]`` numbers of galaxies.
        classes: The class names, in order.
        title: What the matrix is of.

    Returns:
        The figure; each cell holds the share of its row and the number of galaxies.
    """
    size = 2.2 + 1.1 * len(classes)
    figure = Figure(figsize=(size, size - 0.4), layout="constrained")
    axes = figure.subplots()
    image = _draw_confusion(axes, counts, classes, title)
    axes.set_ylabel("true class")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def confusion_matrices(matrices: Mapping[str, Counts], classes: Sequence[str]) -> Figure:
    """Draws the confusion matrices of several models side by side, two or three in a row.

    Args:
        matrices: By model, ``[true class, predicted class]`` numbers of galaxies.
        classes: The class names, in order.

    Returns:
        The figure.
    """
    columns = 2 if len(matrices) == 4 else min(3, len(matrices))
    rows = -(-len(matrices) // columns)
    side = 0.9 + 0.9 * len(classes)
    figure = Figure(figsize=(columns * side + 1.2, rows * (side + 0.4)), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(matrices) :]:
        axes.axis("off")
    for place, (axes, (name, counts)) in enumerate(zip(grid.flat, matrices.items(), strict=False)):
        image = _draw_confusion(axes, counts, classes, name)
        if place % columns == 0:
            axes.set_ylabel("true class")
    figure.colorbar(image, ax=grid, label="share of the true class", shrink=0.7)
    return figure


def evolution(
    histories: Mapping[str, Sequence[pd.DataFrame]],
    measure: str,
    floor: Mapping[str, float] | None = None,
) -> Figure:
    """Draws how a measure went over the epochs, on the training and on the validation galaxies.

    Args:
        histories: By model, the ``history.csv`` of each of its runs.
        measure: ``"loss"`` or ``"accuracy"``.
        floor: What a model that has learnt nothing reaches on ``"train"`` and ``"val"``, as a dotted line.

    Returns:
        The figure: a thin line for each run, a thick one for their mean.
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    for axes, (split, title) in zip(both, (("train", "training"), ("val", "validation")), strict=True):
        for place, runs in enumerate(histories.values()):
            _draw_evolution(axes, runs, f"{split}_{measure}", _STYLES[place % len(_STYLES)])
        if floor is not None:
            axes.axhline(floor[split], color="0.5", linestyle=":")
        axes.set_title(f"{title} galaxies")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
    if measure == "loss":
        both[0].set_ylim(bottom=0, top=_highest(histories))
    both[0].set_ylabel(measure)
    handles = [
        Line2D([], [], linewidth=2, **style) for _, style in zip(histories, cycle(_STYLES), strict=False)
    ]
    labels = [_short(name) for name in histories]
    if floor is not None:
        handles.append(Line2D([], [], color="0.5", linestyle=":"))
        labels.append("most common class")
    columns = max(1, min(len(labels), 110 // (8 + max(map(len, labels), default=1))))
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def reliability_diagram(
    confidences: npt.NDArray[np.float64], accuracies: npt.NDArray[np.float64], galaxies: npt.NDArray[np.int64]
) -> Figure:
    """Draws accuracy against confidence; below the diagonal a model is overconfident.

    Args:
        confidences: ``[bins]`` mean probability of the predicted class, NaN where a bin is empty.
        accuracies: ``[bins]``.
        galaxies: ``[bins]`` how many.

    Returns:
        The figure: accuracies with their 68% interval above, the numbers of galaxies below.
    """
    figure = Figure(figsize=(5, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    filled = galaxies > 0
    confidences, accuracies, several = confidences[filled], accuracies[filled], galaxies[filled]
    # Jeffreys' interval (Brown et al. 2001): one galaxy that is wrong says little, and is drawn so.
    low, high = beta.interval(0.68, several * accuracies + 0.5, several * (1 - accuracies) + 0.5)
    error = np.maximum(0, [accuracies - low, high - accuracies])
    above.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="perfect calibration")
    above.errorbar(confidences, accuracies, error, color=COLOURS[0], fmt="o", capsize=2, label="the model")
    above.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), title="reliability")
    above.legend(frameon=False, loc="upper left")
    above.grid(alpha=0.25)
    edges = np.linspace(0, 1, len(galaxies) + 1)
    below.stairs(galaxies, edges, fill=True, color=COLOURS[5])
    below.set(xlabel="probability of the predicted class", ylabel="galaxies")
    return figure


def coverage_curve(
    coverages: npt.NDArray[np.float64],
    accuracies: npt.NDArray[np.float64],
    chosen: tuple[float, float] | None = None,
    target: float | None = None,
) -> Figure:
    """Draws the accuracy of the most confident galaxies against their share.

    Args:
        coverages: ``[N]`` shares of the galaxies, the most confident first.
        accuracies: ``[N]`` the accuracy on each share.
        chosen: Coverage and accuracy of those above the threshold that was chosen beforehand.
        target: The target accuracy.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(5.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(coverages, accuracies, color=COLOURS[0], linewidth=2, label="most confident galaxies")
    if target is not None:
        axes.axhline(target, color="0.5", linestyle=":", label=f"target: {target:g}")
    if chosen is not None:
        axes.plot(*chosen, "o", color=COLOURS[1], label="classified confidently")
    axes.set(xlabel="coverage: share of the galaxies classified", ylabel="accuracy on these", xlim=(0, 1))
    axes.set(ylim=(min(0.5, float(accuracies.min())), 1.005), title="accuracy against coverage")
    axes.legend(frameon=False, loc="lower left")
    axes.grid(alpha=0.25)
    return figure


def gallery(images: npt.NDArray[np.uint8], captions: Sequence[str], title: str) -> Figure:
    """Draws galaxies in rows of three, each with a caption.

    Args:
        images: uint8 ``[N, H, W, 3]``.
        captions: ``N`` texts.
        title: What they are.

    Returns:
        The figure.
    """
    rows = max(1, -(-len(images) // 3))
    figure = Figure(figsize=(6.6, 0.5 + 2.6 * rows), layout="constrained")
    _title(figure, title, 60)
    grid = figure.subplots(rows, 3, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, caption in zip(grid.flat, images, captions, strict=False):
        axes.imshow(image)
        axes.set_title(caption, fontsize=9).set_parse_math(False)
    return figure


def _draw_confusion(axes: Axes, counts: Counts, classes: Sequence[str], title: str) -> AxesImage:
    """Draws one matrix; each cell holds the share of its row and the number of galaxies."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*counts.shape):
        axes.text(
            column,
            row,
            f"{shares[row, column]:.2f}\n({counts[row, column]:,})",
            ha="center",
            va="center",
            color="white" if shares[row, column] > 0.55 else "black",
        )
    places = range(len(classes))
    axes.set_xticks(places, list(classes))
    axes.set_yticks(places, list(classes), rotation=90, va="center")
    axes.set_xlabel("predicted class")
    _title(axes, title, 28)
    return image


def _draw_evolution(axes: Axes, runs: Sequence[pd.DataFrame], column: str, style: Mapping[str, Any]) -> None:
    """Draws one model's runs and their mean; of a single epoch, a mark."""
    curves = [run.set_index("epoch")[column].dropna() for run in runs]
    mean = pd.concat(curves, axis=1).mean(axis=1).sort_index()
    marker = "o" if len(mean) < 2 else None
    if len(curves) > 1:
        for curve in curves:
            axes.plot(curve.index, curve, linewidth=0.8, alpha=0.35, marker=marker, **style)
    axes.plot(mean.index, mean, linewidth=2, marker=marker, **style)


def _highest(histories: Mapping[str, Sequence[pd.DataFrame]]) -> float | None:
    """Returns where a plot of losses ends: above nearly all, so that one wild epoch hides nothing."""
    runs = [run for several in histories.values() for run in several]
    values = np.concatenate([run[["train_loss", "val_loss"]].to_numpy().ravel() for run in runs])
    values = values[np.isfinite(values)]
    return 1.1 * float(np.quantile(values, 0.98)) if len(values) else None


def _title(owner: Axes | Figure, name: str, width: int) -> None:
    """Puts a name over a plot, in lines, and as it is: a dollar sign in it begins no formula."""
    text = "\n".join(textwrap.wrap(_short(name), width))
    title = owner.suptitle(text) if isinstance(owner, Figure) else owner.set_title(text)
    title.set_parse_math(False)


def _short(name: str) -> str:
    """Cuts a name that is too long for a figure."""
    return textwrap.shorten(name, 80, placeholder=" ...") if " " in name else name[:80]
