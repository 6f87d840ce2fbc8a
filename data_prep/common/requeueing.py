"""Puts a SLURM job back into the queue before its time limit, once the work so far is saved.

``#SBATCH --signal=USR1@120`` makes SLURM send SIGUSR1 two minutes before the limit. A command treats it like
SIGTERM: it saves its work and ends. Its first process then requeues the job, which runs its script again.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

_SCONTROL_SECONDS: Final = 60
"""Limit for the call of scontrol."""
_WAIT_SECONDS: Final = 10
"""How long the other processes wait for it. If one ended before, SLURM might end the job as failed."""


@contextlib.contextmanager
def requeue_on_signal() -> Iterator[None]:
    """Ends the block as SIGTERM would if SIGUSR1 arrives, then requeues the SLURM job of this process.

    A block that completes is not requeued. Lightning has such a handler too, unless it finds one; but that
    saves at any moment, also between two updates of the state of a fit.
    """
    number = getattr(signal, "SIGUSR1", None)  # Windows has none.
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    job, received = _find_job(), False

    def end(_: int, frame: FrameType | None) -> None:
        nonlocal received
        received = True
        terminate = signal.getsignal(signal.SIGTERM)
        if callable(terminate):
            terminate(signal.SIGTERM, frame)

    previous = signal.signal(number, end)
    try:
        yield
    except SystemExit:
        if received and job is not None:
            if _is_first_process():
                print(_requeue(job), file=sys.stderr, flush=True)
            else:
                time.sleep(_WAIT_SECONDS)
        raise
    finally:
        signal.signal(number, previous)


def is_interactive_job() -> bool:
    """Returns whether this SLURM job is interactive, so that Lightning starts the processes itself."""
    return os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")


def _find_job() -> str | None:
    """Returns the id of the SLURM job of this process, or None outside a job and in an interactive one."""
    job, array = os.environ.get("SLURM_JOB_ID"), os.environ.get("SLURM_ARRAY_JOB_ID")
    if job is None or is_interactive_job():
        return None
    return f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else job


def _is_first_process() -> bool:
    """Returns whether this is the first process of the job step, also under torchrun."""
    return all(os.environ.get(name, "0") == "0" for name in ("SLURM_PROCID", "RANK", "LOCAL_RANK"))


def _requeue(job: str) -> str:
    """Requeues a job; returns what was done."""
    try:
        done = subprocess.run(  # noqa: S603 - the job id is SLURM's.
            ["scontrol", "requeue", job],  # noqa: S607 - it is where the administrator put it.
            capture_output=True,
            text=True,
            check=False,
            timeout=_SCONTROL_SECONDS,
        )
        problem = " ".join(done.stderr.split()) if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        return f"SLURM has asked job {job} to end, but it cannot be requeued ({problem}): submit it again"
    return f"SLURM has asked job {job} to end: it was requeued"
