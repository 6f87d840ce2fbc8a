"""Processing in threads, with bounded memory."""

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
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


@contextlib.contextmanager
def unordered(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int
) -> Iterator[Iterator[tuple[Piece, Result | Exception]]]:
    """Applies a function in threads, and yields each result as soon as there is one.

    The threads are for functions that wait, as for a network. When the block ends or raises, it does not wait
    for calls in progress: these end by themselves, or with the process.

    Args:
        work: The function to apply.
        pieces: The arguments; at most two for each thread are taken in advance.
        threads: The number of threads.

    Yields:
        An iterator over each piece and its result, or the exception that ``work`` raised.
    """
    tasks: SimpleQueue[tuple[Piece] | None] = SimpleQueue()
    done: SimpleQueue[tuple[Piece, Result | Exception]] = SimpleQueue()
    ended = threading.Event()

    def run() -> None:
        while (task := tasks.get()) is not None and not ended.is_set():
            result: Result | Exception
            try:
                result = work(task[0])
            except Exception as error:
                result = error
            done.put((task[0], result))

    def results() -> Iterator[tuple[Piece, Result | Exception]]:
        pending = 0
        for piece in pieces:
            tasks.put((piece,))
            pending += 1
            if pending == 2 * threads:
                yield done.get()
                pending -= 1
        for _ in range(pending):
            yield done.get()

    for _ in range(threads):
        threading.Thread(target=run, daemon=True).start()
    try:
        yield results()
    finally:
        ended.set()
        for _ in range(threads):
            tasks.put(None)
