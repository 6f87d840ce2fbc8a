"""Data loaders that prefetch batches in a thread, and samplers that can resume an epoch."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import Any, Final

import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.distributed import DistributedSampler

from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.batch_ranges import BatchRanges
from galaxy_lightning.data.batches import GalaxyBatch

_PREFETCHED: Final = 2
"""Number of batches to read while the model processes one."""


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


class RangeSampler(Sampler[int]):
    """A sampler of the galaxies in ranges of batches, in order.

    Args:
        batches: The ranges.
        batch_size: Number of galaxies per batch.
        galaxies: Number of all galaxies; the last batch of all may have fewer than the others.
    """

    def __init__(self, batches: BatchRanges, batch_size: int, galaxies: int) -> None:
        self._ranges = [
            range(start * batch_size, min(stop * batch_size, galaxies)) for start, stop in batches
        ]

    def __iter__(self) -> Iterator[int]:
        """Starts a pass."""
        return chain.from_iterable(self._ranges)

    def __len__(self) -> int:
        return sum(map(len, self._ranges))


def make_loader(
    dataset: Dataset[GalaxyBatch], sampler: Sampler[Any], batch_size: int, num_workers: int
) -> PrefetchingLoader:
    """Makes a loader of a dataset that returns complete batches.

    Args:
        dataset: The dataset.
        sampler: The sampler of its galaxies.
        batch_size: Number of galaxies per batch.
        num_workers: Processes that load batches; 0 uses a thread.
    """
    return PrefetchingLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        collate_fn=identity_collate,  # type: ignore[arg-type]
        pin_memory=torch.cuda.is_available(),
    )


def identity_collate(batch: GalaxyBatch) -> GalaxyBatch:
    """Returns the batch unchanged: the dataset has collated it."""
    return batch


def _prefetch(batches: Iterator[GalaxyBatch]) -> Iterator[GalaxyBatch]:
    with ThreadPoolExecutor(1) as reader:
        pending = deque(reader.submit(next, batches, None) for _ in range(_PREFETCHED))
        while (batch := pending.popleft().result()) is not None:
            pending.append(reader.submit(next, batches, None))
            yield batch
