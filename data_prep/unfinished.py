"""Unfinished work: kept from other processes, and gone on with only where it is what it was."""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from data_prep.errors import GalaxyError

_CHUNK_BYTES: Final = 1 << 24
State = TypeVar("State")


@contextlib.contextmanager
def alone(place: Path, path: Path) -> Iterator[None]:
    """Keeps a second process out of unfinished work, where the system can.

    Args:
        place: The file or folder in which the work is.
        path: What is being made of it, for the message.

    Raises:
        GalaxyError: Another process is at work there, or has just finished.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    # NFS locks only what is open for writing, as a folder cannot be.
    handle = os.open(place, os.O_RDONLY if place.is_dir() else os.O_RDWR)
    try:
        busy = False
        with contextlib.suppress(OSError):  # Some file systems have no locks.
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy = True
        # Who held it may have put it in its place meanwhile.
        if busy or not place.exists() or not os.path.samestat(os.fstat(handle), place.stat()):
            raise GalaxyError(f"another process is making {path}: wait for it, or name another place")
        yield
    finally:
        os.close(handle)


def left_over(
    note: Path, file: Path, made_of: Mapping[str, Any], read: Callable[[dict[str, Any]], State]
) -> tuple[State, "hashlib._Hash"] | None:
    """Reads how far an interruption has left a file, and verifies that.

    Args:
        note: JSON with ``made_of``, the ``size`` in bytes and the ``sha256`` of the file when it was
            written, and more.
        file: The file that grows.
        made_of: What the file depends on now, as JSON has it.
        read: Reads what else the note says.

    Returns:
        What ``read`` returns, and the hash of the file up to there; None where there is nothing to go on
        with: no note, a damaged one, another file, or one that was made of something else.
    """
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
        if noted["made_of"] != made_of:
            return None
        state = read(noted)
        digest, left = hashlib.sha256(), int(noted["size"])
        with file.open("rb") as content:
            while chunk := content.read(min(_CHUNK_BYTES, left)):
                digest.update(chunk)
                left -= len(chunk)
        return (state, digest) if digest.hexdigest() == noted["sha256"] else None
    except (OSError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None
