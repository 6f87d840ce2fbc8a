"""Which of several processes does what only one must do."""

import os

from lightning.pytorch.utilities import rank_zero_only


def is_first_process() -> bool:
    """Says whether this is the first of the processes that train together, before they have met."""
    nodes = (int(os.environ.get(name, 0)) for name in ("NODE_RANK", "GROUP_RANK"))
    return getattr(rank_zero_only, "rank", 0) == 0 and not any(nodes)


@rank_zero_only
def say(*lines: str) -> None:
    """Prints to the user, once however many devices there are."""
    print("\n" + "\n".join(lines))
