"""Processing in threads, in order and with bounded memory."""

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
    """Returns the number of CPU cores that this process may use; on a cluster, those of its job."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextlib.contextmanager
def prefetch(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int, depth: int
) -> Iterator[Iterator[Result]]:
    """Applies a function in threads, which end when the block ends or raises.

    Args:
        work: The function to apply. Threads help if it releases the GIL, as Pillow's decoders do.
        pieces: The arguments.
        threads: The number of threads.
        depth: The maximum number of pieces in progress or waiting to be consumed, which bounds the memory.

    Yields:
        An iterator over ``work(piece)`` of each piece, in order.
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
