"""Work that threads do ahead, in order, and never far ahead."""

import contextlib
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


@contextlib.contextmanager
def work_ahead(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int, depth: int
) -> Iterator[Iterator[Result]]:
    """Has threads work on pieces; they have ended when the block has, however it ends.

    Args:
        work: What is done; worth a thread where it leaves Python's lock alone, as Pillow's decoders do.
        pieces: What it is done to.
        threads: How many threads work.
        depth: How many pieces they may be ahead of what is taken: what memory it takes.

    Yields:
        ``work(piece)`` of each piece, in order.
    """
    with ThreadPoolExecutor(threads) as pool:
        rest = iter(pieces)
        pending = deque(pool.submit(work, piece) for piece in islice(rest, depth))

        def results() -> Iterator[Result]:
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(work, piece) for piece in islice(rest, 1))
                yield result

        try:
            yield results()
        finally:
            for future in pending:  # Of an interrupted run.
                future.cancel()
