"""Datasets that hand over whole batches, gathered by one call and no Python a galaxy, ahead of time.

``DataLoader`` asks a dataset with ``__getitems__`` for all indices of a batch at once; what it
returns is the batch, so the loader's ``collate_fn`` is :func:`as_is`. Everything here is a plain
class or function, so that workers also start under ``spawn`` (macOS, Windows).
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset, get_worker_info

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.common.threads import cores
from data_prep.sources.images import Cutout, ImageError, read_cutout
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.data.image_files import find_images

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


def _cores() -> int:
    """Returns how many of the cores that this job may use fall to this process."""
    workers = get_worker_info()
    return max(cores() // workers.num_workers, 1) if workers else cores()


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
        folder: The folder; see :func:`galaxy_lightning.data.image_files.find_images` for what is found in it.
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
