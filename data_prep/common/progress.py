"""Progress on standard error: bars on a terminal, and lines that fit its width."""

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tqdm import tqdm

from data_prep.common.text_layout import display_width

COLUMNS: Final = "GALAXY_COLUMNS"
"""Environment variable with the terminal's width, for a command whose lines another one shows there."""

_NOTEBOOK: Final = "ipykernel.iostream"
"""The module of standard output in a notebook."""


def progress_bar(iterable: Iterable[Any] | None = None, *, shown: bool = True, **options: Any) -> Any:
    """Returns a progress bar on standard error, by default shown after one second, and only on a terminal.

    Args:
        iterable: The iterable to follow; None for a bar that is advanced by ``update``.
        shown: Whether to show the bar at all.
        options: Further options of ``tqdm``, such as ``total``, ``desc`` and ``unit``.

    Returns:
        The bar: an iterator over ``iterable``, and a context manager with ``update``.
    """
    defaults = {"delay": 1, "dynamic_ncols": True}
    return tqdm(iterable, disable=None if shown else True, **(defaults | options))


def print_progress(text: str) -> None:
    """Prints a text on standard error, above the progress bars.

    In a notebook, standard output is used instead: Jupyter colours standard error like an error.
    """
    stream = sys.stdout if type(sys.stdout).__module__ == _NOTEBOOK else sys.stderr
    tqdm.write(text, file=stream)
    stream.flush()


def print_above_bars(text: str) -> None:
    """Prints a text on standard output, above the progress bars."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def terminal_columns() -> int | None:
    """Returns the width of the terminal on which standard error appears; None if it is not a terminal."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if sys.stderr.isatty():
            return os.get_terminal_size(sys.stderr.fileno()).columns or None
    columns = os.environ.get(COLUMNS, "")
    return int(columns) if columns.isdecimal() else None


def join_fields(fields: Sequence[str], expendable: Sequence[int], columns: int | None) -> str:
    """Joins the fields of a line with two blanks; leaves out some if the terminal is too narrow.

    Args:
        fields: The fields, in order.
        expendable: Positions of the fields that may be left out, the least important first.
        columns: The width of the terminal; None for no limit.

    Returns:
        The line, which leaves the terminal's last column free.
    """
    kept = list(range(len(fields)))
    for position in expendable:
        if columns is None or sum(2 + display_width(fields[number]) for number in kept) - 2 < columns:
            break
        kept.remove(position)
    return "  ".join(fields[number] for number in kept).rstrip()


def format_duration(seconds: float) -> str:
    """Returns a duration as minutes and seconds, or hours, minutes and seconds: ``0:12``, ``1:02:33``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
