"""Data loaders that prefetch batches in a thread, and samplers that can resume an epoch."""

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

_PREFETCHED: Final = 2
"""Number of batches to read while the model processes one."""


def identity_collate(batch: GalaxyBatch) -> GalaxyBatch:
    """Returns the batch unchanged, because the datasets return complete batches."""
    return batch


class PrefetchingLoader(DataLoader[GalaxyBatch]):
    """A data loader that reads the next batches while the model processes one.

    Without worker processes, a thread reads the batches. Reading the arrays and decoding files release the
    global interpreter lock, and a thread starts at once and shares memory.

    Lightning saves the position in the epoch, and restores it when a fit is resumed.
    """

    yielded = 0
    """Number of batches of this epoch that the model has received."""

    def __iter__(self) -> Any:
        """Starts a pass over the dataset."""
        self.yielded = 0
        if isinstance(self.sampler, ResumableSampler):
            self.yielded = self.sampler.skip // (self.batch_size or 1)
        batches = super().__iter__()
        return self._count(batches if self.num_workers else _prefetch(batches))

    def _count(self, batches: Iterator[GalaxyBatch]) -> Iterator[GalaxyBatch]:
        try:
            for batch in batches:
                self.yielded += 1
                yield batch
        except GalaxyError as error:  # A worker process adds its traceback to the message.
            raise GalaxyError(str(error).rpartition("GalaxyError: ")[2].strip()) from error

    def state_dict(self) -> dict[str, int]:
        """Returns the position in the epoch, in batches; 0 if the epoch is complete."""
        return {"taken": self.yielded % len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Sets the position at which the next pass starts."""
        if isinstance(self.sampler, ResumableSampler):
            self.sampler.skip = state["taken"] % len(self) * (self.batch_size or 1)


class ResumableSampler(DistributedSampler[Any]):
    """A shuffling sampler that can resume an epoch.

    Attributes:
        skip: Number of galaxies to skip in the next pass.
    """

    skip = 0

    def __iter__(self) -> Iterator[Any]:
        """Starts a pass."""
        rest = islice(super().__iter__(), self.skip, None)
        self.skip = 0
        return rest


class SequentialSampler(UnrepeatedDistributedSampler):
    """A sampler that divides the galaxies among processes in order, each galaxy once.

    Args:
        dataset: The dataset.
        processes: Number of processes.
        rank: Rank of this process.
        skip: Number of galaxies of this process to skip.
    """

    def __init__(self, dataset: Dataset[GalaxyBatch], processes: int, rank: int, skip: int = 0) -> None:
        super().__init__(dataset, processes, rank, shuffle=False)
        self.skip = skip

    def __iter__(self) -> Iterator[Any]:
        """Starts a pass."""
        return islice(super().__iter__(), self.skip, None)

    def __len__(self) -> int:
        return max(super().__len__() - self.skip, 0)


def _prefetch(batches: Iterator[GalaxyBatch]) -> Iterator[GalaxyBatch]:
    with ThreadPoolExecutor(1) as reader:
        pending = deque(reader.submit(next, batches, None) for _ in range(_PREFETCHED))
        while (batch := pending.popleft().result()) is not None:
            pending.append(reader.submit(next, batches, None))
            yield batch
