"""Image files without labels, for predictions."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from data_prep.arrays.image_choice import find_scales
from data_prep.images.band_files import BAND_SEPARATOR, group_bands, no_complete_image
from data_prep.images.cutout_ids import read_cutout_ids
from data_prep.images.cutouts import Cutout, ImageError
from data_prep.images.image_files import find_images, split_suffix
from data_prep.images.image_reader import read_image
from data_prep.images.pixel_scale import scales_agree
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.data.datasets import cores_per_process
from galaxy_lightning.data.seen_galaxies import OBJID
from galaxy_lightning.data.training_images import ImagesToPredict


class ImageFilesDataset(Dataset[GalaxyBatch], ABC):
    """Image files without labels.

    Args:
        images: How the files become pixels.
    """

    def __init__(self, images: ImagesToPredict) -> None:
        self.settings, self._notes, self._unit = images

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the file of an image; or the file of each band, in the order of the bands."""

    def __getitem__(self, index: int) -> GalaxyBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> GalaxyBatch:
        """Reads the images at ``indices`` as a batch, in parallel: Pillow releases the interpreter lock."""
        crop, bands = self.settings.crop, len(self.settings.bands)
        images = np.zeros((len(indices), crop, crop, bands), dtype=np.uint8)
        problems = {}
        with ThreadPoolExecutor(cores_per_process()) as pool:
            cutouts = zip(indices, pool.map(self._read, indices), strict=True)
            for position, (index, cutout) in enumerate(cutouts):
                if isinstance(cutout, str):
                    problems[index] = cutout
                else:
                    images[position] = cutout
        rows = torch.as_tensor(indices, dtype=torch.int64)
        return GalaxyBatch(torch.from_numpy(images), torch.full_like(rows, -1), rows, problems)

    def describe(self) -> Iterator[str]:
        """Yields how the images differ from those of the training, and whether they are resampled."""
        yield from self._notes
        target = self.settings.target_scale
        if target is None:
            return
        scales = find_scales(map(self.files, range(len(self))), self.settings)
        if all(scales_agree(scale, target) for scale in scales):
            return
        low, high = min(scales), max(scales)
        found = f"{low:.3g}" if scales_agree(low, high) else f"{low:.3g} to {high:.3g}"
        yield f"Images of {found} {self._unit} per pixel are resampled to the model's {target:.3g}"

    def _read(self, index: int) -> Cutout | str:
        """Returns the pixels of an image, or why it cannot be used."""
        try:
            return read_image(self.files(index), self.settings)
        except ImageError as error:
            return str(error)


class ImageListDataset(ImageFilesDataset):
    """Image files in the order of a list.

    Args:
        paths: The files, or the files of all bands of each image.
        images: How the files become pixels.
    """

    def __init__(self, paths: Sequence[tuple[Path, ...]], images: ImagesToPredict) -> None:
        super().__init__(images)
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the files of an image."""
        return self._paths[index]


class ImageFolderDataset(ImageFilesDataset):
    """The images in a folder and its subfolders.

    Args:
        folder: The folder; see :func:`data_prep.images.image_files.find_images`.
        images: How the files become pixels.

    Attributes:
        names: The name of each image, without folder and suffix; that of a downloaded cutout is its id.
        paths: The path of each image relative to the folder, sorted; of an image with one file per band, the
            paths of all files.
        skipped: Other files and folders, relative to the folder, and why each is skipped.
        ignored: Number of hidden and system files.

    Raises:
        GalaxyError: The folder does not exist, cannot be read, or contains no images.
    """

    def __init__(self, folder: Path, images: ImagesToPredict) -> None:
        super().__init__(images)
        found, settings = find_images(folder), self.settings
        self.folder = folder
        self.skipped, self.ignored = found.skipped, found.ignored
        if settings.pattern is None:
            ids = read_cutout_ids(folder)
            self.names = [ids.get(path.as_posix()) or split_suffix(path.name)[0] for path in found.paths]
            self.paths = [str(path) for path in found.paths]
            return
        groups = group_bands(found.paths, settings.pattern, settings.bands)
        self.skipped = dict(sorted((found.skipped | groups.skipped).items()))
        self.names, self.paths = list(groups.joined), list(groups.joined.values())
        if not self.names:
            raise no_complete_image(folder, self.skipped)

    @property
    def identifiers(self) -> pd.DataFrame:
        """The identifiers of each image; see :func:`identify_images`."""
        return identify_images(self.names, self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def files(self, index: int) -> tuple[Path, ...]:
        """Returns the files of an image."""
        parts = self.paths[index].split(BAND_SEPARATOR) if self.settings.pattern else [self.paths[index]]
        return tuple(self.folder / part for part in parts)


def identify_images(names: Sequence[str], paths: Sequence[str], column: str | None = None) -> pd.DataFrame:
    """Returns the identifiers of image files: their names without suffix, and the ``path``.

    Args:
        names: The names without suffix.
        paths: The paths.
        column: Name of the column of names; by default ``objid`` if all are SDSS object ids, so that the
            table can be joined with a catalogue, else ``id``.
    """
    if column is None:
        column = "objid" if all(OBJID.fullmatch(name) for name in names) else "id"
    # A carriage return in a name would end a line of the table. pandas' own type of text refuses names that
    # are not valid UTF-8.
    columns = {column: names, "path": paths}
    return pd.DataFrame(
        {name: [text.replace("\r", "\\r") for text in texts] for name, texts in columns.items()}, dtype=object
    )


def list_skipped(
    galaxies: pd.DataFrame,
    problems: Mapping[int, str],
    images: ImageFolderDataset | None,
    is_output: Callable[[Path], bool],
) -> pd.DataFrame:
    """Lists the images that cannot be used and, of a folder, the other files.

    Args:
        galaxies: The identifiers of each galaxy, by row.
        problems: Why an image cannot be used, by row.
        images: The folder of images; None for galaxy arrays.
        is_output: Tells whether a command writes a file, which is then not listed.

    Returns:
        Their identifiers, sorted by ``path`` if there are other files, with the ``reason``.
    """
    rows = sorted(problems)
    unusable = galaxies.iloc[rows].assign(reason=[problems[row] for row in rows])
    skipped = {} if images is None else images.skipped
    others = {
        str(path): (path.stem, reason)
        for path, reason in skipped.items()
        if images is not None and not is_output(images.folder / path)
    }
    if not others:
        return unusable
    names, reasons = zip(*others.values(), strict=True)
    listed = identify_images(names, list(others), str(galaxies.columns[0])).assign(reason=reasons)
    return pd.concat([unusable, listed]).sort_values("path")
