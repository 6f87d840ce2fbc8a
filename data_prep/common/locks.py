"""Locks between processes; the system releases them when a process ends, even if it is killed."""

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
"""Whether this is Windows, where other processes cannot read a locked file or remove an open one."""


@contextlib.contextmanager
def file_lock(
    file: Path, path: Path, problem: str | None = None, *, temporary: bool = False
) -> Iterator[None]:
    """Locks a file against other processes, if the file system supports locks. Its content does not change.

    Args:
        file: The file to lock.
        path: The file or folder that is being made, for the error message.
        problem: Another error message for a second process.
        temporary: Whether to create the file for the lock and remove it after the block.

    Raises:
        GalaxyError: Another process holds the lock, or has just removed the file.
        OSError: The file cannot be opened.
    """
    if _WINDOWS and not temporary:
        file, temporary = file.with_name(f".{file.name}.lock"), True
    descriptor = _lock(file, create=temporary)
    if descriptor is None:
        raise GalaxyError(
            problem or f"another process is making {path}: wait until it has ended, or choose another path"
        )
    try:
        yield
    finally:
        _unlock(descriptor, file if temporary else None)


@contextlib.contextmanager
def wait_for_lock(file: Path, message: str) -> Iterator[bool]:
    """Runs a block in one process at a time, if the file system supports locks.

    Args:
        file: The file to lock, which is created for the lock and removed after the block.
        message: The message to print if this process has to wait.

    Yields:
        Whether this process had to wait.

    Raises:
        OSError: The file cannot be created.
    """
    waited = False
    while (descriptor := _lock(file, create=True)) is None:
        if not waited:
            print(message, file=sys.stderr, flush=True)
        waited = True
        time.sleep(_POLL_INTERVAL)
    try:
        yield waited
    finally:
        _unlock(descriptor, file)


class HeldLock:
    """A lock on a file that :func:`try_lock` has created.

    Args:
        file: The file, which is removed when the lock is released.
        descriptor: The open file. A child process that inherits it keeps the lock until it ends, if this
            process is killed before.
    """

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file, self.descriptor = file, descriptor

    def release(self) -> None:
        """Releases the lock, and removes the file."""
        _unlock(self.descriptor, self._file)


def try_lock(file: Path) -> HeldLock | None:
    """Locks a file, if the file system supports locks and no other process has locked it.

    Args:
        file: The file, which is created for the lock and removed when the lock is released.

    Returns:
        The lock; None if another process holds it.

    Raises:
        OSError: The file cannot be created.
    """
    descriptor = _lock(file, create=True)
    return None if descriptor is None else HeldLock(file, descriptor)


# filelock.FileLock truncates the file before version 4.2.1, cannot lock a read-only file, and leaves the file
# behind on Unix.
def _lock(file: Path, *, create: bool) -> int | None:
    """Locks a file; returns its descriptor, or None if another process has locked or removed it."""
    # NFS locks only files that are open for writing.
    access = os.O_RDWR if create or os.access(file, os.W_OK) else os.O_RDONLY
    try:
        descriptor = os.open(file, access | (os.O_CREAT if create else 0), 0o666)
    except FileNotFoundError:
        if create:  # The folder is missing.
            raise
        return None
    locked = True
    with contextlib.suppress(OSError):  # Some file systems do not support locks.
        locked = lock_descriptor(descriptor, blocking=False)
    if locked and _is_same_file(file, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _is_same_file(file: Path, descriptor: int) -> bool:
    """Returns whether a path is still that of an open file; another process may have removed the file."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except OSError:  # On NFS, the error for a removed file differs.
        return False


def _unlock(descriptor: int, temporary: Path | None) -> None:
    if temporary and not _WINDOWS:  # Before unlocking; afterwards another process may lock it.
        with contextlib.suppress(OSError):
            temporary.unlink()
    with contextlib.suppress(OSError):
        unlock_descriptor(descriptor)
    os.close(descriptor)
    if temporary and _WINDOWS:  # Fails while another process has it open.
        with contextlib.suppress(OSError):
            temporary.unlink()
