"""Every figure of the project, drawn without a screen."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure


def confusion_matrix(counts: npt.NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Draws a confusion matrix, normalised by row: the diagonal is each class's recall.

    Args:
        counts: ``[true class, predicted class]`` numbers of galaxies.
        classes: The class names, in order.
        title: What the matrix is of.

    Returns:
        The figure; each cell holds the share of its row and the number of galaxies.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 1.1 * len(classes)
    figure = Figure(figsize=(size, size - 0.4), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    for row, column in np.ndindex(*counts.shape):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{share:.2f}\n({counts[row, column]:,})",
            ha="center",
            va="center",
            color="white" if share > 0.55 else "black",
        )
    places = range(len(classes))
    axes.set_xticks(places, list(classes))
    axes.set_yticks(places, list(classes), rotation=90, va="center")
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title)
    return figure
