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
def prefetch(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int, depth: int
) -> Iterator[Iterator[Result]]:
    """Processes pieces in threads, which have ended when the block ends, also by an exception.

    Args:
        work: The function to apply; worth a thread where it releases Python's lock, as Pillow's decoders do.
        pieces: The pieces.
        threads: The number of threads.
        depth: How many pieces may be processed or waiting beyond those taken; it bounds the memory.

    Yields:
        ``work(piece)`` of each piece, in order.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        rest = iter(pieces)
        pending = deque(pool.submit(work, piece) for piece in islice(rest, depth))

        def results() -> Iterator[Result]:
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(work, piece) for piece in islice(rest, 1))
                yield result

        yield results()
    finally:
        pool.shutdown(cancel_futures=True)
