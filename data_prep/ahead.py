"""Work that threads do ahead, in order, and never far ahead."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def cores() -> int:
    """Returns how many cores this process may use: on a cluster, those of its job."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def work_ahead(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int, depth: int
) -> Iterator[Result]:
    """Yields ``work(piece)`` of each piece, in order, while threads work on those that follow.

    Args:
        work: What is done; worth a thread where it leaves Python's lock alone, as Pillow's decoders do.
        pieces: What it is done to.
        threads: How many threads work.
        depth: How many pieces they may be ahead of what is yielded: what memory it takes.
    """
    with ThreadPoolExecutor(threads) as pool:
        rest = iter(pieces)
        pending = deque(pool.submit(work, piece) for piece in islice(rest, depth))
        try:
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(work, piece) for piece in islice(rest, 1))
                yield result
        finally:
            for future in pending:  # Of an interrupted run.
                future.cancel()
