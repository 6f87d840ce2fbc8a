"""A table of the numbers of galaxies by split and class, for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from data_prep.common.text_layout import align_right, display_width, shorten_names

MAX_COLUMNS: Final = 5
"""Maximum number of classes that are columns of the table; more classes are rows."""
MAX_WIDTH: Final = 100
"""Maximum width of a table whose columns are classes, in characters."""
_NAME: Final = 50
"""Maximum width of a name in a table whose rows are classes."""


def counts_table(counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a table of galaxies by split and class.

    Splits are rows and classes are columns. If there are many classes, or their names are long, classes are
    rows and splits are columns.

    Args:
        counts: Numbers of galaxies by split and class; missing numbers are 0.
        classes: The class names, in order.
    """
    widths = [max(12, display_width(name) + 2) for name in classes]
    if len(classes) <= MAX_COLUMNS and 12 + sum(widths) + 12 <= MAX_WIDTH:
        rows = [
            (split, [by_class.get(name, 0) for name in classes], sum(by_class.values()))
            for split, by_class in counts.items()
        ]
        yield from _table(classes, rows, widths)
        return
    rows = [
        (short, [by_class.get(name, 0) for by_class in counts.values()], _total(counts, name))
        for short, name in zip(shorten_names(classes, _NAME), classes, strict=True)
    ]
    totals = [sum(by_class.values()) for by_class in counts.values()]
    yield from _table(list(counts), [*rows, ("total", totals, sum(totals))], [12] * len(counts))


def _total(counts: Mapping[str, Mapping[str, int]], name: str) -> int:
    """Returns the number of galaxies of a class in all splits."""
    return sum(by_class.get(name, 0) for by_class in counts.values())


def _table(
    headings: Sequence[str], rows: Sequence[tuple[str, list[int], int]], widths: Sequence[int]
) -> Iterator[str]:
    """Yields the lines of a table with a last column of totals."""
    first = max([12, *(display_width(title) for title, _, _ in rows)])
    cells = (align_right(heading, width) for heading, width in zip(headings, widths, strict=True))
    yield " " * first + "".join(cells) + f"{'total':>12}"
    for title, numbers, total in rows:
        cells = (f"{number:{width},}" for number, width in zip(numbers, widths, strict=True))
        yield align_right(title, first) + "".join(cells) + f"{total:12,}"
