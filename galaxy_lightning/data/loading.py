"""Data loaders: a thread prefetches batches, and an epoch can be resumed."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.batches import GalaxyBatch

_AHEAD: Final = 2
"""Batches that are read while the model works on one."""


def as_is(batch: GalaxyBatch) -> GalaxyBatch:
    """Returns the batch: it needs no collating."""
    return batch


class ReadAhead(DataLoader[GalaxyBatch]):
    """A loader that reads its next batches while the model works.

    By a thread, where there are no workers: reading the arrays and decoding files leave Python's lock
    alone, and a thread starts at once and shares its memory.

    Lightning saves how far a pass is, and has the next one, of a resumed fit, begin there.
    """

    taken = 0
    """Batches of this pass that were handed over."""

    def __iter__(self) -> Any:
        """Begins a pass over the dataset."""
        self.taken = self.sampler.skip // (self.batch_size or 1) if isinstance(self.sampler, Resumable) else 0
        batches = super().__iter__()
        return self._counted(batches if self.num_workers else _read_ahead(batches))

    def _counted(self, batches: Iterator[GalaxyBatch]) -> Iterator[GalaxyBatch]:
        try:
            for batch in batches:
                self.taken += 1
                yield batch
        except GalaxyError as error:  # A worker's comes with its traceback for a message.
            raise GalaxyError(str(error).rpartition("GalaxyError: ")[2].strip()) from error

    def state_dict(self) -> dict[str, int]:
        """Returns how far the pass is; a whole one is over, whatever number of processes goes on."""
        return {"taken": self.taken % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Has the next pass begin there."""
        if isinstance(self.sampler, Resumable):
            self.sampler.skip = state["taken"] % len(self) * (self.batch_size or 1)


class Resumable(DistributedSampler[Any]):
    """A shuffling sampler whose epoch can be resumed.

    Attributes:
        skip: How many galaxies of the next pass are left out.
    """

    skip = 0

    def __iter__(self) -> Iterator[Any]:
        """Begins a pass."""
        rest = islice(super().__iter__(), self.skip, None)
        self.skip = 0
        return rest


class InOrder(UnrepeatedDistributedSampler):
    """A sampler that hands out each galaxy once, in order, however many processes share them.

    Args:
        dataset: What is handed out.
        processes: How many processes share it.
        rank: Which of them this is.
        skip: How many of its galaxies are left out.
    """

    def __init__(self, dataset: Dataset[GalaxyBatch], processes: int, rank: int, skip: int = 0) -> None:
        super().__init__(dataset, processes, rank, shuffle=False)
        self.skip = skip

    def __iter__(self) -> Iterator[Any]:
        """Begins a pass."""
        return islice(super().__iter__(), self.skip, None)

    def __len__(self) -> int:
        return max(super().__len__() - self.skip, 0)


def _read_ahead(batches: Iterator[GalaxyBatch]) -> Iterator[GalaxyBatch]:
    with ThreadPoolExecutor(1) as reader:
        ahead = deque(reader.submit(next, batches, None) for _ in range(_AHEAD))
        while (batch := ahead.popleft().result()) is not None:
            ahead.append(reader.submit(next, batches, None))
            yield batch
