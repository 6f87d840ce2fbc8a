"""Ends a process together with the one that started it, however that one ended."""

import os
import signal
import sys
import threading
import time
from typing import Final

_PARENT: Final = "GALAXY_PARENT"
_LOOK_EVERY: Final = 0.5
"""Seconds between two looks at the parent."""
_GRACE: Final = 20.0
"""Seconds that the process then has to clear away."""


def child_environment(**more: str) -> dict[str, str]:
    """Returns the environment for a process that is to end when this one does.

    Args:
        more: Further variables.
    """
    return os.environ | more | {_PARENT: str(os.getpid())}


def end_with_parent() -> None:
    """Has this process terminated (SIGTERM) when its parent is gone, if it was started to do so.

    The processes of ``torchrun`` do so too. Others outlive their parent, as a job in the background does.
    """
    parent = os.getppid()
    by_us = os.environ.pop(_PARENT, None) == str(parent)
    if sys.platform == "win32" or not (by_us or "TORCHELASTIC_RUN_ID" in os.environ):
        return
    threading.Thread(target=_follow, args=(parent,), name="end-with-parent", daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)  # The main thread may be waiting in a library that hears no signal.
    os._exit(128 + signal.SIGTERM)
