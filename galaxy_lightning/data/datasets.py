"""Datasets that return complete batches, without a Python loop over galaxies.

``DataLoader`` passes all indices of a batch to ``__getitems__``, which returns the batch; the loader's
``collate_fn`` is therefore :func:`galaxy_lightning.data.loading.identity_collate`. All classes and functions
can be pickled, so that worker processes also start by ``spawn`` (macOS, Windows).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, get_worker_info

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.threads import cores
from galaxy_lightning.data.batches import GalaxyBatch

_PREFETCHED: Final = 3
"""Batches of each worker in shared memory: torch prefetches two, and one is in use."""
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - Linux's shared memory.


def require_shared_memory(batch_bytes: int, workers: int, folder: Path = _SHARED_MEMORY) -> None:
    """Refuses worker processes without enough shared memory for their batches; they would hang.

    Args:
        batch_bytes: Size of a batch in bytes.
        workers: Number of worker processes.
        folder: The system's shared memory; a container may have only a few megabytes.

    Raises:
        GalaxyError: There is too little shared memory.
    """
    if not workers or not folder.is_dir():
        return
    needed, free = workers * _PREFETCHED * batch_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise GalaxyError(
            f"{folder} has {free / 1e6:,.0f} MB free, but {workers} workers need {needed / 1e6:,.0f} MB of "
            "shared memory: use --data.num_workers 0, reduce --data.batch_size, or give the container more "
            "(--shm-size)"
        )


def cores_per_process() -> int:
    """Returns this process's share of the CPU cores."""
    workers = get_worker_info()
    return max(cores() // workers.num_workers, 1) if workers else cores()


class ArrayDataset(Dataset[GalaxyBatch]):
    """Rows of galaxy arrays, read from the memory map in batches.

    Args:
        arrays: The galaxy arrays.
        rows: ``[N]`` row numbers of the galaxies, in order.
        read_images: Read the images; False if they are already on the device.
    """

    def __init__(
        self, arrays: GalaxyArrays, rows: npt.NDArray[np.int64], *, read_images: bool = True
    ) -> None:
        self._arrays: GalaxyArrays | None = arrays
        self._open = arrays.opener()
        self.read_images = read_images
        self.labels = arrays.labels
        self.rows = rows
        self._targets: dict[str, torch.Tensor] = {}

    @property
    def arrays(self) -> GalaxyArrays:
        """The galaxy arrays. A worker process opens them on first use, when it can report errors."""
        if self._arrays is None:
            self._arrays = self._open()
        return self._arrays

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_arrays": None}

    def set_targets(self, **fields: npt.NDArray[np.float32]) -> None:
        """Sets training targets.

        Args:
            fields: ``[N, ...]`` values of the batch's ``targets``, ``weights`` and ``auxiliary``.
        """
        self._targets |= {name: torch.from_numpy(values) for name, values in fields.items()}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> GalaxyBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> GalaxyBatch:
        """Returns the galaxies at ``indices`` as a batch."""
        rows = self.rows[np.asarray(indices)]
        no_images = torch.empty(0, dtype=torch.uint8)
        return GalaxyBatch(
            torch.from_numpy(self.arrays.images[rows]) if self.read_images else no_images,
            torch.from_numpy(self.labels[rows]),
            torch.from_numpy(rows),
            {},
            **{name: values[indices] for name, values in self._targets.items()},
        )
