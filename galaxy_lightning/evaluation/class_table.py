"""A table of the metrics of each class and of the confusion matrix, for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.common.text_layout import align_right, display_width, shorten_names
from galaxy_lightning.evaluation.measures import CLASS_METRICS, Counts, metric_title

MAX_COLUMNS: Final = 6
"""Maximum number of classes whose confusion matrix is printed."""
MAX_WIDTH: Final = 112
"""Maximum width of a table with the confusion matrix, in characters."""
_NAME: Final = 32
"""Maximum width of a name in a table without the confusion matrix."""


def class_table(counts: Counts, classes: Sequence[str], matrix_file: str) -> Iterator[str]:
    """Yields the lines of a table with a row per class: its metrics, and its row of the confusion matrix.

    If there are many classes, or their names are long, the row holds the number of galaxies and the most
    frequent error instead of the confusion matrix, and the last line names the file with the matrix.

    Args:
        counts: The confusion matrix, ``[true class, predicted class]``.
        classes: The class names, in order.
        matrix_file: Name of the file with the confusion matrix.
    """
    names = [display_width(name) for name in classes]
    first = max(12, *names)
    equal, own = [max(11, *(2 + name for name in names))] * len(names), [max(8, 2 + name) for name in names]
    available = MAX_WIDTH - first - 11 * len(CLASS_METRICS) - 13
    widths = next((widths for widths in (equal, own) if sum(widths) <= available), None)
    if widths is not None and len(classes) <= MAX_COLUMNS:
        yield from _with_matrix(counts, classes, first, widths)
    else:
        yield from _with_commonest_error(counts, classes)
        yield f"The confusion matrix is in {matrix_file}"


def _with_matrix(counts: Counts, classes: Sequence[str], first: int, widths: Sequence[int]) -> Iterator[str]:
    """Yields the lines of a table with the confusion matrix."""
    headings = _cells([metric_title(name) for name in CLASS_METRICS])
    columns = "".join(map(align_right, classes, widths))
    yield f"{'true class':>{first}}{headings}   predicted:{columns}"
    for name, row, values in zip(classes, counts, _metrics(counts), strict=True):
        numbers = "".join(f"{count:>{width},}" for count, width in zip(row, widths, strict=True))
        yield f"{align_right(name, first)}{_cells(values)}{'':13}{numbers}"


def _with_commonest_error(counts: Counts, classes: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a table with the class that each class is most often mistaken for."""
    names = shorten_names(classes, _NAME)
    first = max(12, *map(display_width, names))
    headings = _cells(["galaxies", *(metric_title(name) for name in CLASS_METRICS)], 10)
    yield f"{'true class':>{first}}{headings}   most often mistaken for"
    for number, (name, row, values) in enumerate(zip(names, counts, _metrics(counts), strict=True)):
        errors = np.where(np.arange(len(row)) == number, 0, row)
        most = int(errors.argmax())
        mistaken = f"   {names[most]} ({errors[most]:,})" if errors[most] else ""
        yield f"{align_right(name, first)}{_cells([f'{row.sum():,}', *values], 10)}{mistaken}"


def _metrics(counts: Counts) -> list[list[str]]:
    """Returns the metrics of each class as text."""
    values: list[npt.NDArray[np.float64]] = [metric(counts) for metric in CLASS_METRICS.values()]
    return [
        ["-" if np.isnan(value) else f"{value:.3f}" for value in row] for row in zip(*values, strict=True)
    ]


def _cells(texts: Sequence[str], width: int = 11) -> str:
    return "".join(f"{text:>{width}}" for text in texts)
