"""What a process knows about its job of SLURM, from the environment variables that SLURM sets."""

import os
from typing import Final

_INTERACTIVE: Final = ("bash", "interactive")
"""Names of interactive jobs, by which Lightning knows them too."""


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


def is_first_process() -> bool:
    """Returns whether this is the first process of the command, also under torchrun."""
    return all(_number(name, 0) == 0 for name in ("SLURM_PROCID", "RANK", "LOCAL_RANK"))


def _number(variable: str, default: int) -> int:
    """Returns the number in an environment variable; the default if it holds none."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else default
