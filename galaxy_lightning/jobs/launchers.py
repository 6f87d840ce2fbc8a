"""Refuses launchers that start a command several times, if the command starts its processes itself."""

import os

from data_prep.common import slurm
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
    processes = os.environ.get("WORLD_SIZE", "")
    if processes.isdecimal() and int(processes) > 1:
        raise GalaxyError(
            f"{command} starts the processes of each fit itself: run it without torchrun, {remedy}"
        )
    if slurm.step_tasks() > 1:
        raise GalaxyError(
            f"{command} starts the processes of each fit itself: run it without srun, or with "
            f"srun --ntasks=1, {remedy}"
        )
