"""Reads the tables of several parts as one."""

import contextlib
import csv
import heapq
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

ROW = "row"
"""First column of a part: the row of the galaxy in the table."""


def merged_rows(parts: Sequence[Path]) -> Iterator[list[str]]:
    """Yields the header and the rows of all parts in the order of the galaxies, with few in memory at a time.

    Args:
        parts: The parts, whose rows are in the order of the galaxies.
    """
    with contextlib.ExitStack() as stack:
        tables = [csv.reader(stack.enter_context(part.open(newline="", encoding="utf-8"))) for part in parts]
        # A part is empty if all of its images are unusable.
        headers = [header for table in tables if (header := next(table, None))]
        yield from itertools.chain(headers[:1], heapq.merge(*tables, key=lambda row: int(row[0])))
