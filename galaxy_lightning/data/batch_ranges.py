"""Ranges of batches: which batches of a prediction are done, and which each process makes."""

import math
from collections.abc import Iterable, Sequence

BatchRanges = Sequence[tuple[int, int]]
"""Ascending ranges ``(start, stop)`` of batch numbers; ``stop`` is not included."""


def count_batches(ranges: BatchRanges) -> int:
    """Returns the number of batches in ranges.

    Args:
        ranges: The ranges.
    """
    return sum(stop - start for start, stop in ranges)


def first_batches(ranges: BatchRanges, number: int) -> BatchRanges:
    """Returns the first batches of ranges.

    Args:
        ranges: The ranges.
        number: The number of batches.
    """
    return _slice(ranges, 0, number)


def missing_batches(done: Iterable[tuple[int, int]], batches: int) -> BatchRanges:
    """Returns the batches that are not done.

    Args:
        done: Ranges of batches that are done, in any order, without overlaps.
        batches: The number of all batches.
    """
    missing, position = [], 0
    for start, stop in sorted(done):
        if start > position:
            missing.append((position, start))
        position = stop
    return [*missing, (position, batches)] if position < batches else missing


def overlap(first: BatchRanges, second: BatchRanges) -> bool:
    """Returns whether a batch is in both of two ranges.

    Args:
        first: Ranges, in any order.
        second: Other ranges, in any order.
    """
    return any(start < end and begin < stop for start, stop in first for begin, end in second)


def share_of_process(ranges: BatchRanges, processes: int, rank: int) -> BatchRanges:
    """Returns the batches of one of several processes, which get almost equal, contiguous shares.

    If there are fewer batches than processes, the first process has one. A batch has the same galaxies for
    every number of processes, so that its results do not depend on it.

    Args:
        ranges: The batches of all processes.
        processes: The number of processes.
        rank: The process.
    """
    total = count_batches(ranges)
    first, last = (math.ceil(total * number / processes) for number in (rank, rank + 1))
    return _slice(ranges, first, last)


def _slice(ranges: BatchRanges, first: int, last: int) -> BatchRanges:
    """Returns the batches at the positions ``first`` to ``last - 1`` of ranges."""
    sliced, position = [], 0
    for start, stop in ranges:
        left, right = max(first - position, 0), min(last - position, stop - start)
        if left < right:
            sliced.append((start + left, start + right))
        position += stop - start
    return sliced
