"""Keeps the memory that a training step frees for the next step."""

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_ALWAYS_KEEP: Final = 1 << 30


def keep_freed_memory() -> None:
    """Has glibc keep freed memory instead of handing it back to the system.

    Every step of a training on the CPU frees some hundred megabytes and asks for as much again. By
    default glibc returns blocks of that size at once, so that each step waits for the system to
    hand out and clear the same pages anew: more than half of the time of a small network. What a
    step computes stays the same. Elsewhere than on glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return
    # Older ones take no more than 32 MB for the first. Where it is refused, the second would do harm.
    if library.mallopt(_M_MMAP_THRESHOLD, _ALWAYS_KEEP) or library.mallopt(_M_MMAP_THRESHOLD, 32 << 20):
        library.mallopt(_M_TRIM_THRESHOLD, _ALWAYS_KEEP)
