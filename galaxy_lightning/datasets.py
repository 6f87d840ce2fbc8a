"""Datasets that hand over whole batches, gathered by one call and no Python a galaxy, ahead of time.

``DataLoader`` asks a dataset with ``__getitems__`` for all indices of a batch at once; what it
returns is the batch, so the loader's ``collate_fn`` is :func:`as_is`. Everything here is a plain
class or function, so that workers also start under ``spawn`` (macOS, Windows).
"""

import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import DataLoader, Dataset, get_worker_info
from torch.utils.data.distributed import DistributedSampler

from data_prep.ahead import cores
from data_prep.arrays import GalaxyArrays
from data_prep.errors import GalaxyError
from data_prep.images import Cutout, ImageError, read_cutout
from galaxy_lightning.batches import GalaxyBatch
from galaxy_lightning.image_files import find_images

_AHEAD: Final = 2
"""Batches that are read while the model works on one."""
_PREFETCHED: Final = 3
"""Batches of each worker that are in shared memory at a time: torch prefetches two, and one is in use."""
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - Linux's own place for it.


def require_shared_memory(batch_bytes: int, workers: int, folder: Path = _SHARED_MEMORY) -> None:
    """Stops where worker processes have no room to hand over their batches: they would wait for ever.

    Args:
        batch_bytes: The bytes of a batch.
        workers: How many processes read.
        folder: Where the system keeps shared memory; a container may have few megabytes of it.

    Raises:
        GalaxyError: There is too little.
    """
    if not workers or not folder.is_dir():
        return
    needed, free = workers * _PREFETCHED * batch_bytes, shutil.disk_usage(folder).free
    if free < needed:
        raise GalaxyError(
            f"{folder} has {free / 1e6:,.0f} MB free, and {workers} workers need {needed / 1e6:,.0f} MB of "
            "shared memory: use --data.num_workers 0, lower --data.batch_size, or give the container more "
            "(--shm-size)"
        )


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
    """A shuffling sampler whose next pass can begin in its midst.

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


def _cores() -> int:
    """Returns how many of the cores that this job may use fall to this process."""
    workers = get_worker_info()
    return max(cores() // workers.num_workers, 1) if workers else cores()


def _read_ahead(batches: Iterator[GalaxyBatch]) -> Iterator[GalaxyBatch]:
    with ThreadPoolExecutor(1) as reader:
        ahead = deque(reader.submit(next, batches, None) for _ in range(_AHEAD))
        while (batch := ahead.popleft().result()) is not None:
            ahead.append(reader.submit(next, batches, None))
            yield batch


class ArrayDataset(Dataset[GalaxyBatch]):
    """Chosen rows of the galaxy arrays, read from the memory map a batch at a time.

    Args:
        arrays: The galaxy arrays.
        rows: ``[N]`` row numbers that make up the dataset, in order.
        pixels: Read the pixels too; without them, whoever holds them already fills them in.
    """

    def __init__(self, arrays: GalaxyArrays, rows: npt.NDArray[np.int64], *, pixels: bool = True) -> None:
        self._arrays: GalaxyArrays | None = arrays
        self._open = arrays.opener()
        self.pixels = pixels
        self.labels = arrays.labels
        self.rows = rows
        self._more: dict[str, torch.Tensor] = {}

    @property
    def arrays(self) -> GalaxyArrays:
        """The galaxy arrays; another process opens them on first use, where what is wrong can be told."""
        if self._arrays is None:
            self._arrays = self._open()
        return self._arrays

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_arrays": None}

    def train_on(self, **more: npt.NDArray[np.float32]) -> None:
        """Sets what is trained on instead of the labels, or besides.

        Args:
            more: ``[N, ...]`` values for fields of the batch: ``targets``, ``weights``, ``auxiliary``.
        """
        self._more |= {name: torch.from_numpy(values) for name, values in more.items()}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> GalaxyBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> GalaxyBatch:
        """Reads the galaxies at ``indices`` as one batch."""
        rows = self.rows[np.asarray(indices)]
        return GalaxyBatch(
            torch.from_numpy(self.arrays.images[rows]) if self.pixels else torch.empty(0, dtype=torch.uint8),
            torch.from_numpy(self.labels[rows]),
            torch.from_numpy(rows),
            {},
            **{name: values[indices] for name, values in self._more.items()},
        )


class ImageFolderDataset(Dataset[GalaxyBatch]):
    """Every image file below a folder, without labels: the galaxies to predict.

    Args:
        folder: The folder; see :func:`galaxy_lightning.image_files.find_images` for what is found in it.
        crop: Side of the centre crop in pixels that the model was trained on.

    Attributes:
        paths: The image files, relative to the folder, in order.
        left_out: What else there is, relative to the folder, and why it is not read.
        ignored: How many hidden and system files there are.

    Raises:
        GalaxyError: There is no such folder, it cannot be read, or it holds no image file.
    """

    def __init__(self, folder: Path, crop: int) -> None:
        found = find_images(folder)
        self.folder = folder
        self.crop = crop
        self.paths, self.left_out, self.ignored = found.paths, found.left_out, found.ignored

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> GalaxyBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> GalaxyBatch:
        """Decodes the files at ``indices`` side by side (Pillow decodes outside Python's lock)."""
        images = np.zeros((len(indices), self.crop, self.crop, 3), dtype=np.uint8)
        problems = {}
        with ThreadPoolExecutor(_cores()) as pool:
            for place, (index, image) in enumerate(zip(indices, pool.map(self._read, indices), strict=True)):
                if isinstance(image, str):
                    problems[index] = image
                else:
                    images[place] = image
        rows = torch.as_tensor(indices, dtype=torch.int64)
        return GalaxyBatch(torch.from_numpy(images), torch.full_like(rows, -1), rows, problems)

    def _read(self, index: int) -> Cutout | str:
        """Reads one file, or says why it cannot be used."""
        try:
            return read_cutout(self.folder / self.paths[index], self.crop)
        except ImageError as error:
            return str(error)
