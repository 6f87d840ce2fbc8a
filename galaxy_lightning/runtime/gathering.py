"""Gathers results of all processes, however far apart they end their work."""

from datetime import timedelta
from typing import Final, TypeVar

import torch.distributed

_LIMIT: Final = timedelta(days=10000)
"""No limit. A process that ends early is noticed by its connection; see ``runtime/ranks.py``."""
Result = TypeVar("Result")


class Gathering:
    """Gathers results of all processes. Make it on all of them at the same time.

    PyTorch ends a command if a process waits for another for more than half an hour, but processes that share
    many galaxies can end hours apart. This class therefore connects them once more, without that limit.

    Attributes:
        processes: The number of processes.
        rank: The number of this process.
    """

    def __init__(self) -> None:
        connected = torch.distributed.is_initialized()
        self.processes = torch.distributed.get_world_size() if connected else 1
        self.rank = torch.distributed.get_rank() if connected else 0
        several = self.processes > 1
        self._group = torch.distributed.new_group(backend="gloo", timeout=_LIMIT) if several else None

    def gather(self, own: Result) -> list[Result]:
        """Returns the results of all processes, by rank, when the last one has called this method.

        Args:
            own: The result of this process.
        """
        if self._group is None:
            return [own]
        assert isinstance(self._group, torch.distributed.ProcessGroup)  # Every process is in it.
        results = [own] * self.processes
        torch.distributed.all_gather_object(results, own, group=self._group)
        return results
