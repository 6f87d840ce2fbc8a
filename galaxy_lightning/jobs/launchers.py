"""Refuses launchers that start a command several times, if the command starts its processes itself."""

import os

from data_prep.common.errors import GalaxyError


def refuse_ranks(command: str, remedy: str) -> None:
    """Refuses to run as one of several processes of ``torchrun``, or of a job step of SLURM.

    ``srun`` starts a step. A batch script runs its commands once, also in a job of several tasks.

    Args:
        command: The name of the command.
        remedy: What to do instead.

    Raises:
        GalaxyError: The command was started several times.
    """
    if _number("WORLD_SIZE", 1) > 1:
        raise GalaxyError(
            f"{command} starts the processes of each fit itself: run it without torchrun, {remedy}"
        )
    in_step = "SLURM_STEP_ID" in os.environ or _number("SLURM_PROCID", 0) > 0
    if in_step and _number("SLURM_STEP_NUM_TASKS", _number("SLURM_NTASKS", 1)) > 1:
        raise GalaxyError(
            f"{command} starts the processes of each fit itself: run it without srun, or with "
            f"srun --ntasks=1, {remedy}"
        )


def _number(variable: str, default: int) -> int:
    """Returns the number in an environment variable."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() else default
