"""Locks against other processes."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError

_TURN: Final = 0.5
"""Seconds between two tries to get a lock."""


@contextlib.contextmanager
def file_lock(place: Path, path: Path, problem: str | None = None) -> Iterator[None]:
    """Locks a file or folder against other processes, where the system has locks.

    Args:
        place: The file or folder in which the work is.
        path: What is being made of it, for the message.
        problem: Another message for a second process.

    Raises:
        GalaxyError: Another process is at work there, or has just finished.
    """
    handle = _lock(place)
    if handle is None:
        raise GalaxyError(problem or f"another process is making {path}: wait for it, or name another place")
    try:
        yield
    finally:
        _unlock(handle)


@contextlib.contextmanager
def wait_for_lock(place: Path, waiting: str) -> Iterator[bool]:
    """Lets processes run a block one after the other, where the system has locks.

    Args:
        place: A file that is made for the lock, and removed.
        waiting: What to print where this process has to wait.

    Yields:
        Whether it had to wait.
    """
    waited = False
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    while (handle := _lock(place)) is None:
        if not waited:
            print(waiting, file=sys.stderr, flush=True)
        waited = True
        time.sleep(_TURN)
        place.touch()  # Who had it has removed it.
    try:
        yield waited
    finally:
        place.unlink(missing_ok=True)
        _unlock(handle)


def _lock(place: Path) -> int | None:
    """Locks a file or folder; returns its handle, -1 where there are no locks, or None if another has it."""
    if sys.platform == "win32":
        return -1
    import fcntl

    # NFS locks only what is open for writing, as a folder cannot be.
    writes = not place.is_dir() and os.access(place, os.W_OK)
    try:
        handle = os.open(place, os.O_RDWR if writes else os.O_RDONLY)
    except FileNotFoundError:
        return None
    busy = False
    with contextlib.suppress(OSError):  # Some file systems have no locks.
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = True
    # Who held it may have put it in its place, or removed it, meanwhile.
    if busy or not place.exists() or not os.path.samestat(os.fstat(handle), place.stat()):
        os.close(handle)
        return None
    return handle


def _unlock(handle: int) -> None:
    if handle >= 0:
        os.close(handle)
