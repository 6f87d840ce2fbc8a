"""Putting a finished folder in the place of an older one, in one step where the file system has one."""

import contextlib
import ctypes
import glob
import os
import shutil
import sys
import uuid
from pathlib import Path


def put_in_place(partial: Path, path: Path, note: str | None = None) -> None:
    """Renames a finished folder; an older one in its place is exchanged in the same instant, and removed.

    Args:
        partial: The finished folder.
        path: Its place.
        note: A file in it that it has until it is in its place, and keeps where that fails.
    """
    aside = partial.with_name(f".{path.name}.partial-{token()}")
    inside = partial / note if note else None
    if inside and inside.exists():
        inside.rename(aside)
    try:
        _rename(partial, path)
    except BaseException:
        if inside and aside.exists():
            with contextlib.suppress(OSError):
                aside.rename(inside)
        raise
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def _rename(partial: Path, path: Path) -> None:
    replaced = path.with_name(f".{path.name}.replaced-{token()}")
    if not path.exists():
        partial.rename(path)
    elif _exchange(partial, path):
        try:
            partial.rename(replaced)
        except OSError:  # The new one is in its place all the same.
            shutil.rmtree(partial, ignore_errors=True)
    else:
        path.rename(replaced)
        try:
            partial.rename(path)
        except BaseException:
            replaced.rename(path)
            raise
    shutil.rmtree(replaced, ignore_errors=True)


def restore(path: Path) -> None:
    """Puts an older folder back that a killed process had moved away, or clears it where it was replaced."""
    for replaced in path.parent.glob(f".{glob.escape(path.name)}.replaced-*"):
        if path.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            replaced.rename(path)


def token() -> str:
    """Returns a part of a temporary name that no other process chooses."""
    return uuid.uuid4().hex[:12]


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two folders in one step; returns False where the system, or the file system, has none."""
    if sys.platform == "win32":
        return False
    paths = os.fsencode(one), os.fsencode(other)
    here, swap = -100, 2  # AT_FDCWD; RENAME_EXCHANGE, which macOS calls RENAME_SWAP.
    with contextlib.suppress(AttributeError):  # An older C library.
        libc = ctypes.CDLL(None)
        if sys.platform == "darwin":
            failed = libc.renamex_np(*paths, swap)
        else:
            failed = libc.renameat2(here, paths[0], here, paths[1], swap)
        return bool(failed == 0)
    return False
