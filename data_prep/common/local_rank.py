"""Which of the processes of a command on one machine this is."""

import os
from typing import Final

_NAMES: Final = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "JSM_NAMESPACE_LOCAL_RANK")
"""Variables that Lightning and torchrun, SLURM, Open MPI and LSF set."""


def local_rank() -> int:
    """Returns the number of this process among those of the command on this machine, from 0."""
    return int(next((os.environ[name] for name in _NAMES if name in os.environ), 0))
