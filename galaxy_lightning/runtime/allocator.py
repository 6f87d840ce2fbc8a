"""Keeps the memory that a training step frees for the next step."""

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_THRESHOLD: Final = 1 << 30
_OLD_MAX_THRESHOLD: Final = 32 << 20


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory instead of returning it to the system.

    Every training step on the CPU frees and allocates several hundred megabytes. By default, glibc returns
    blocks of that size to the system at once, so that each step waits for the system to allocate and clear
    the same pages again: more than half of the time of a small network. The results do not change. Without
    glibc, this function does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return
    # Older versions accept at most 32 MB. If both values are rejected, setting the trim threshold does harm.
    if any(library.mallopt(_M_MMAP_THRESHOLD, size) for size in (_THRESHOLD, _OLD_MAX_THRESHOLD)):
        library.mallopt(_M_TRIM_THRESHOLD, _THRESHOLD)
