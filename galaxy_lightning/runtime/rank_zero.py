"""Which of several processes does what only one must do."""

import os

from lightning.pytorch.utilities import rank_zero_only


def is_first_process() -> bool:
    """Says whether this is the first of the processes that train together, before they have met."""
    nodes = (int(os.environ.get(name, 0)) for name in ("NODE_RANK", "GROUP_RANK"))
    return getattr(rank_zero_only, "rank", 0) == 0 and not any(nodes)


def is_first_on_machine() -> bool:
    """Says whether this is the first of this machine's processes that train together."""
    names = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "JSM_NAMESPACE_LOCAL_RANK")
    local = next((os.environ[name] for name in names if name in os.environ), "0")
    return int(local) == 0


@rank_zero_only
def rank_zero_print(*lines: str) -> None:
    """Prints to the user, once however many devices there are."""
    print("\n" + "\n".join(lines))
