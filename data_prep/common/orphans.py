"""The environment of child processes, and their end when the parent process ends, however it ended."""

import os
import re
import signal
import sys
import threading
import time
from typing import Final

_PARENT: Final = "GALAXY_PARENT"
_POLL_SECONDS: Final = 0.5
"""Seconds between checks of the parent."""
_GRACE_SECONDS: Final = 20.0
"""Seconds after SIGTERM in which the process may clean up, before it is ended by force."""
_RANKS: Final = re.compile(
    r"SLURM_(JOB_?ID|ARRAY_JOB_ID|NTASKS|NPROCS|PROCID|LOCALID|NODEID|GTIDS|TASKS_PER_NODE|NTASKS_PER_\w+|STEP_?\w+)"
    r"|(LOCAL_|GROUP_|NODE_|ROLE_)?RANK|((LOCAL|GROUP|ROLE)_)?WORLD_SIZE|TORCHELASTIC_\w+|MASTER_(ADDR|PORT)"
)
"""The variables with which SLURM and torchrun number the processes of one command (ranks), and the SLURM job,
which the parent requeues."""


def child_environment(**more: str) -> dict[str, str]:
    """Returns environment variables for a child process that must end when this process ends.

    Args:
        more: Further environment variables.
    """
    return os.environ | more | {_PARENT: str(os.getpid())}


def independent_environment(**more: str) -> dict[str, str]:
    """Returns :func:`child_environment` for a command of its own, which may start ranks itself.

    Within a job of SLURM, it would otherwise believe to be one of the ranks of this command.

    Args:
        more: Further environment variables.
    """
    return {name: value for name, value in child_environment(**more).items() if not _RANKS.fullmatch(name)}


def rank_variables() -> list[str]:
    """Returns the names of the variables that :func:`independent_environment` leaves out."""
    return [name for name in os.environ if _RANKS.fullmatch(name)]


def end_with_parent() -> None:
    """Terminates this process (SIGTERM) when its parent ends, if :func:`child_environment` asked for it.

    The processes of ``torchrun`` are treated likewise. Any other process outlives its parent, as a
    background job does.
    """
    parent = os.getppid()
    started_by_us = os.environ.pop(_PARENT, None) == str(parent)
    if sys.platform == "win32" or not (started_by_us or "TORCHELASTIC_RUN_ID" in os.environ):
        return
    threading.Thread(target=_watch_parent, args=(parent,), name="end-with-parent", daemon=True).start()


def _watch_parent(parent: int) -> None:
    """Terminates this process when its parent is no longer the given one."""
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)  # The main thread may be in a library call that ignores signals.
    os._exit(128 + signal.SIGTERM)
