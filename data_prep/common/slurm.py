"""What a process knows about its job of SLURM, from environment variables; calls of SLURM's programs."""

import atexit
import os
import signal
import subprocess
import time
from typing import Final

_INTERACTIVE: Final = ("bash", "interactive")
"""Names of interactive jobs, by which Lightning knows them too."""
_STEP_SECONDS: Final = 5
"""How long a process that has failed lets the others of its step end by themselves."""
_CALL_SECONDS: Final = 60
"""Limit for the call of a program of SLURM."""


def batch_job() -> str | None:
    """Returns the job of this process as ``scontrol`` names it; None outside a job and in an interactive one.

    A task of an array job is ``<job>_<task>``.
    """
    if "SLURM_JOB_ID" not in os.environ or is_interactive():
        return None
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else os.environ["SLURM_JOB_ID"]


def is_interactive() -> bool:
    """Returns whether the job is interactive, so that Lightning starts the processes itself."""
    return os.environ.get("SLURM_JOB_NAME") in _INTERACTIVE


def is_in_step() -> bool:
    """Returns whether ``srun`` has started this process; a batch script runs its commands outside a step."""
    return "SLURM_STEP_ID" in os.environ or _number("SLURM_PROCID", 0) > 0


def job_tasks() -> int:
    """Returns the number of tasks of the job; 1 outside a job."""
    return _number("SLURM_NTASKS", 1)


def step_tasks() -> int:
    """Returns how many times ``srun`` has started the command: the tasks of its step; 1 outside a step."""
    return _number("SLURM_STEP_NUM_TASKS", job_tasks()) if is_in_step() else 1


def call(program: str, *arguments: str) -> str:
    """Runs a program of SLURM.

    Args:
        program: Its name.
        arguments: Its arguments.

    Returns:
        Why it failed; an empty text if it succeeded.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are this program's or SLURM's.
            [program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_CALL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return " ".join(done.stderr.split()) or f"status {done.returncode}" if done.returncode else ""


def end_step_at_exit() -> None:
    """Ends all processes that ``srun`` has started together when this one exits.

    Call it if this process fails before the others know it: they may wait for it for half an hour. A shell
    that ``srun`` has started is not ended, nor a command that torchrun may start again.
    """
    if step_tasks() > 1 and not is_interactive() and "TORCHELASTIC_RUN_ID" not in os.environ:
        keep_step()
        atexit.register(_end_step)


def keep_step() -> None:
    """Takes back :func:`end_step_at_exit`, for a program that goes on after the error."""
    atexit.unregister(_end_step)


def is_first_process() -> bool:
    """Returns whether this is the first process of the command, also under torchrun."""
    return all(_number(name, 0) == 0 for name in ("SLURM_PROCID", "RANK", "LOCAL_RANK"))


def _end_step() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # This process has its own status.
    time.sleep(_STEP_SECONDS)
    step = f"{os.environ.get('SLURM_JOB_ID')}.{os.environ.get('SLURM_STEP_ID')}"
    call("scancel", step)  # If it fails, the others wait.


def _number(variable: str, default: int) -> int:
    """Returns the number in an environment variable; the default if it holds none."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else default
