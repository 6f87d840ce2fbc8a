"""Puts a SLURM job back into the queue before its time limit, once the work so far is saved.

``#SBATCH --signal=USR1@120`` makes SLURM send SIGUSR1 two minutes before the limit. A command treats it like
SIGTERM: it saves its work and ends. Its first process then requeues the job, which runs its script again.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

from data_prep.common import slurm

_WAIT_SECONDS: Final = 10
"""How long the other processes wait for scontrol. If one ended before, SLURM might end the job as failed."""


class _Requeueing:
    """The state of the command that runs in this process.

    Attributes:
        process: The number of the process; forked processes, such as data loaders, are others.
        resumes: Whether the command goes on where it was when it is run again.
        is_asked: Whether SLURM has asked it to end.
        is_done: Whether it has been requeued, or need not be.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self.resumes = self.is_asked = self.is_done = False


_current = _Requeueing()


@contextlib.contextmanager
def requeue_on_signal() -> Iterator[None]:
    """Ends the block as SIGTERM would if SIGUSR1 arrives, then requeues the SLURM job of this process.

    A block that completes is not requeued. Lightning has such a handler too, unless it finds one; but that
    saves at any moment, also between two updates of the state of a fit.
    """
    global _current
    number = getattr(signal, "SIGUSR1", None)  # Windows has none.
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before, _current = _current, _Requeueing()
    previous = signal.signal(number, _end)
    try:
        yield
    except SystemExit:
        requeue_if_asked()
        raise
    finally:
        signal.signal(number, previous)
        _current = before


def allow_requeue() -> None:
    """Says that the command goes on where it was when it is run again. Others would begin anew each time."""
    _current.resumes = True


def note_signal(number: int) -> None:
    """Notes a signal that a thread has received, since the main thread may be in a library.

    Args:
        number: The signal.
    """
    if number == getattr(signal, "SIGUSR1", None):
        _current.is_asked = True


def requeue_if_asked() -> None:
    """Requeues the SLURM job if it was asked to end; processes other than the first wait for that."""
    job = slurm.batch_job()
    if job is None or not _current.is_asked or _current.is_done:
        return
    _current.is_done = True
    if not slurm.is_first_process():
        time.sleep(_WAIT_SECONDS)
        return
    asked = f"SLURM has asked job {job} to end"
    if not _current.resumes:
        line = f"{asked}: it is not requeued, since this command would begin anew (see docs/cluster.md)"
    elif problem := slurm.call("scontrol", "requeue", job):
        line = f"{asked}, but it cannot be requeued ({problem}): submit it again"
    else:
        line = f"{asked}: it was requeued"
    print(line, file=sys.stderr, flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    """Handles SIGUSR1 as SIGTERM is handled; a forked process is ended by its parent."""
    if os.getpid() != _current.process:
        return
    note_signal(number)
    terminate = signal.getsignal(signal.SIGTERM)
    if callable(terminate):
        terminate(signal.SIGTERM, frame)
