"""Replaces a folder by a finished one, atomically if the file system supports it."""

import contextlib
import ctypes
import glob
import os
import shutil
import sys
import uuid
from pathlib import Path


def put_in_place(partial: Path, path: Path, progress_file: str | None = None) -> None:
    """Renames a finished folder to its final path; an existing folder there is replaced and removed.

    Args:
        partial: The finished folder.
        path: The final path.
        progress_file: The name of a file to remove from the folder; it is kept if renaming fails.
    """
    aside = partial.with_name(f".{path.name}.partial-{unique_token()}")
    inside = partial / progress_file if progress_file else None
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
    replaced = path.with_name(f".{path.name}.replaced-{unique_token()}")
    if not path.exists():
        partial.rename(path)
    elif _exchange(partial, path):
        try:
            partial.rename(replaced)
        except OSError:  # The new folder is in place nevertheless.
            shutil.rmtree(partial, ignore_errors=True)
    else:
        path.rename(replaced)
        try:
            partial.rename(path)
        except BaseException:
            replaced.rename(path)
            raise
    shutil.rmtree(replaced, ignore_errors=True)


def restore_replaced(path: Path) -> None:
    """Moves back a folder that a killed process had moved aside, or removes it if it was replaced."""
    for replaced in path.parent.glob(f".{glob.escape(path.name)}.replaced-*"):
        if path.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            replaced.rename(path)


def unique_token() -> str:
    """Returns a random string for a temporary name."""
    return uuid.uuid4().hex[:12]


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two folders atomically; returns False if the system or file system does not support it."""
    if sys.platform == "win32":
        return False
    paths = os.fsencode(one), os.fsencode(other)
    at_fdcwd, exchange = -100, 2  # RENAME_EXCHANGE, which macOS calls RENAME_SWAP.
    with contextlib.suppress(AttributeError):  # An older C library lacks the function.
        libc = ctypes.CDLL(None)
        if sys.platform == "darwin":
            status = libc.renamex_np(*paths, exchange)
        else:
            status = libc.renameat2(at_fdcwd, paths[0], at_fdcwd, paths[1], exchange)
        return bool(status == 0)
    return False
