"""Locks against other processes; the system frees them when a process ends, even if it is killed."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import lock_descriptor, unlock_descriptor

from data_prep.common.errors import GalaxyError

_POLL_INTERVAL: Final = 0.5
"""Seconds between two attempts to get a lock."""
_WINDOWS: Final = os.name == "nt"
"""Windows does not let others read a locked file, nor remove an open one."""


@contextlib.contextmanager
def file_lock(
    file: Path, path: Path, problem: str | None = None, *, temporary: bool = False
) -> Iterator[None]:
    """Locks a file against other processes, where the file system has locks. Its content does not change.

    Args:
        file: The file to lock.
        path: What is being made, for the message.
        problem: Another message for a second process.
        temporary: The file is created for the lock, and removed after the block.

    Raises:
        GalaxyError: Another process is at work there, or has just finished.
        OSError: The file cannot be opened.
    """
    if _WINDOWS and not temporary:
        file, temporary = file.with_name(f".{file.name}.lock"), True
    descriptor = _lock(file, create=temporary)
    if descriptor is None:
        raise GalaxyError(problem or f"another process is making {path}: wait for it, or name another place")
    try:
        yield
    finally:
        _unlock(descriptor, file if temporary else None)


@contextlib.contextmanager
def wait_for_lock(file: Path, waiting: str) -> Iterator[bool]:
    """Lets processes run a block one after the other, where the file system has locks.

    Args:
        file: The file to lock; it is created for the lock, and removed after the block.
        waiting: What to print where this process has to wait.

    Yields:
        Whether it had to wait.

    Raises:
        OSError: The file cannot be created.
    """
    waited = False
    while (descriptor := _lock(file, create=True)) is None:
        if not waited:
            print(waiting, file=sys.stderr, flush=True)
        waited = True
        time.sleep(_POLL_INTERVAL)
    try:
        yield waited
    finally:
        _unlock(descriptor, file)


# FileLock of filelock empties the file before 4.2.1, opens no read-only one, and stays behind on Unix.
def _lock(file: Path, *, create: bool) -> int | None:
    """Locks a file; returns its descriptor, or None if another process has it or has removed it."""
    # NFS locks only what is open for writing.
    access = os.O_RDWR if create or os.access(file, os.W_OK) else os.O_RDONLY
    try:
        descriptor = os.open(file, access | (os.O_CREAT if create else 0), 0o666)
    except FileNotFoundError:
        if create:  # Its folder is missing.
            raise
        return None
    free = True
    with contextlib.suppress(OSError):  # Some file systems have no locks.
        free = lock_descriptor(descriptor, blocking=False)
    if free and _is_open_as(file, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _is_open_as(file: Path, descriptor: int) -> bool:
    """Says whether a file is still the one that was opened; the process that had it may have removed it."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except OSError:  # NFS has other errors for a removed file.
        return False


def _unlock(descriptor: int, temporary: Path | None) -> None:
    if temporary and not _WINDOWS:  # While it is locked: afterwards it may be another process's.
        with contextlib.suppress(OSError):
            temporary.unlink()
    with contextlib.suppress(OSError):
        unlock_descriptor(descriptor)
    os.close(descriptor)
    if temporary and _WINDOWS:  # Not removed while another process has it open.
        with contextlib.suppress(OSError):
            temporary.unlink()
