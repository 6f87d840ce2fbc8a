"""A table of the metrics of each class and of the confusion matrix, for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.common.text_layout import align_right, display_width, shorten_names
from galaxy_lightning.evaluation.measures import CLASS_METRICS, Counts, metric_title, misclassified

MAX_COLUMNS: Final = 6
"""Maximum number of classes whose confusion matrix is printed."""
MAX_WIDTH: Final = 80
"""Maximum width of a table in terminal columns."""
_MISTAKEN: Final = "most often mistaken for"
_MIN_NAME: Final = 8
"""Minimum width of a shortened name."""

_Column = list[str]
"""The heading of a column, and its cells."""


def class_table(counts: Counts, classes: Sequence[str], matrix_file: str) -> Iterator[str]:
    """Yields the lines of a table with a row per class: its metrics, and its row of the confusion matrix.

    If there are many classes, or their names are long, the row holds the number of galaxies and the most
    frequent error instead of the confusion matrix, and the last line names the file with the matrix.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.
        classes: The class names, in order.
        matrix_file: Name of the file with the confusion matrix.
    """
    measured = align_columns([["true class", *classes], *_metrics(counts)])
    matrix = align_columns(
        [[name, *(f"{count:,}" for count in column)] for name, column in zip(classes, counts.T, strict=True)]
    )
    width = display_width(measured[0])
    if len(classes) <= MAX_COLUMNS and width + 4 + display_width(matrix[0]) <= MAX_WIDTH:
        yield f"{'':{width}}    predicted class"
        yield from (f"{left}    {right}" for left, right in zip(measured, matrix, strict=True))
    else:
        yield from _with_commonest_error(counts, classes)
        yield f"The confusion matrix is in {matrix_file}"


def align_columns(columns: Sequence[_Column]) -> list[str]:
    """Returns the lines of a table whose columns are aligned at the right, with two blanks between them.

    Args:
        columns: The columns, each with its heading and its cells.
    """
    return ["  ".join(cells) for cells in zip(*(_align(column) for column in columns), strict=True)]


def _with_commonest_error(counts: Counts, classes: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a table with the class that each class is most often mistaken for."""
    errors = misclassified(counts)
    commonest, numbers = errors.argmax(axis=1), errors.max(axis=1)
    galaxies = ["galaxies", *(f"{number:,}" for number in counts.sum(axis=1))]
    numeric = align_columns([galaxies, *_metrics(counts)])
    suffixes = [f" ({number:,})" if number else "" for number in numbers]
    space = MAX_WIDTH - len(numeric[0]) - 4
    width = min((space - max(map(len, suffixes))) // 2, space - len(_MISTAKEN))
    names = shorten_names(classes, max(_MIN_NAME, width))
    mistaken = [
        names[other] + suffix if suffix else "" for other, suffix in zip(commonest, suffixes, strict=True)
    ]
    first = _align(["true class", *names])
    last = [_MISTAKEN, *mistaken]
    for cells in zip(first, numeric, last, strict=True):
        yield "  ".join(cells).rstrip()


def _align(column: _Column) -> _Column:
    """Pads the cells of a column on their left to the same width."""
    width = max(map(display_width, column))
    return [align_right(cell, width) for cell in column]


def _metrics(counts: Counts) -> list[_Column]:
    """Returns a column for each metric of the classes."""
    values: dict[str, npt.NDArray[np.float64]] = {
        name: metric(counts) for name, metric in CLASS_METRICS.items()
    }
    return [
        [metric_title(name), *("-" if np.isnan(value) else f"{value:.3f}" for value in column)]
        for name, column in values.items()
    ]
