"""Rank-zero helpers: which process does what only one may do."""

import os
import sys

from lightning.pytorch.utilities import rank_zero_only

from data_prep.common.local_rank import local_rank


def is_first_process() -> bool:
    """Returns whether this is the first process of a command, even before the processes are connected."""
    nodes = (int(os.environ.get(name, 0)) for name in ("NODE_RANK", "GROUP_RANK"))
    return getattr(rank_zero_only, "rank", 0) == 0 and not any(nodes)


def is_first_on_machine() -> bool:
    """Returns whether this is the first process of a command on this machine."""
    return local_rank() == 0


@rank_zero_only
def rank_zero_print(*lines: str) -> None:
    """Prints lines on the first process only, after an empty line."""
    print("\n" + "\n".join(lines), flush=True)


@rank_zero_only
def rank_zero_warn(*lines: str) -> None:
    """Prints lines on standard error, on the first process only."""
    for line in lines:
        print(line, file=sys.stderr)
