"""The galaxies that Python code passes to a classifier: a folder, files, an array or a table."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch.utils.data import Dataset

from data_prep.common.errors import GalaxyError
from data_prep.images.cutouts import ImageError, centre_corner
from data_prep.images.image_files import split_suffix
from data_prep.images.image_settings import ImageSettings
from data_prep.tables.column_guesses import guess_columns
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.data.image_folders import (
    ImageFilesDataset,
    ImageFolderDataset,
    ImageListDataset,
    identify_images,
)
from galaxy_lightning.data.training_images import TrainingImages

Path_ = str | os.PathLike[str]
Galaxies = Path_ | Sequence[Path_] | npt.NDArray[np.uint8] | torch.Tensor | pd.DataFrame
"""Galaxies to classify; see :meth:`galaxy_lightning.api.classifier.Classifier.predict`."""

_ACCEPTED: Final = (
    "a folder, a list of image files, an array of uint8 [N, H, W, C], or a table with a column of image files"
)


class ArrayImages(Dataset[GalaxyBatch]):
    """Images in memory.

    Args:
        images: uint8 ``[N, H, W, C]``; the central square is used.
        settings: The settings of the model's images.

    Raises:
        GalaxyError: The images have another type, another number of bands, or are too small.
    """

    def __init__(self, images: npt.NDArray[Any], settings: ImageSettings) -> None:
        bands = len(settings.bands)
        if images.ndim == 3 and images.shape[-1] == bands:
            raise GalaxyError("one image [H, W, C] instead of several [N, H, W, C]: pass image[None]")
        if images.ndim != 4 or images.shape[-1] != bands:
            raise GalaxyError(
                f"images of shape {list(images.shape)}: the model needs [N, H, W, {bands}], with the bands "
                f"{', '.join(settings.bands)} last"
            )
        if images.dtype != np.uint8:
            raise GalaxyError(
                f"images of type {images.dtype}: the model needs uint8, 0 to 255, as in the files of its "
                "training (for floats from 0 to 1: (255 * images).round().astype('uint8'))"
            )
        if not len(images):
            raise GalaxyError("there are no images: the array is empty")
        height, width = images.shape[1:3]
        try:
            left, top = centre_corner(width, height, settings.crop)
        except ImageError as error:
            raise GalaxyError(f"the images have {error}") from None
        self._images = images[:, top : top + settings.crop, left : left + settings.crop]

    def __len__(self) -> int:
        return len(self._images)

    def describe(self) -> Iterator[str]:
        """Yields nothing: the scale of images in memory is unknown."""
        yield from ()

    def __getitems__(self, indices: Sequence[int]) -> GalaxyBatch:
        """Returns the images at ``indices`` as a batch."""
        rows = torch.as_tensor(indices, dtype=torch.int64)
        images = torch.from_numpy(np.ascontiguousarray(self._images[np.asarray(indices)]))
        return GalaxyBatch(images, torch.full_like(rows, -1), rows, {})


class OpenedGalaxies(NamedTuple):
    """Galaxies, ready to be read in batches.

    Attributes:
        identifiers: ``N`` rows, to which the predictions are added.
        dataset: The images, in the same order.
    """

    identifiers: pd.DataFrame
    dataset: ImageFilesDataset | ArrayImages


def open_galaxies(
    galaxies: Galaxies,
    training: TrainingImages,
    crop: int,
    pixel_scale: float | None,
    folder: Path_ | None,
) -> OpenedGalaxies:
    """Opens galaxies of any kind.

    Args:
        galaxies: The galaxies.
        training: What is known about the model's training images.
        crop: The side of the model's images in pixels.
        pixel_scale: Arcsec per pixel of image files without celestial coordinates.
        folder: The folder in which relative paths begin; by default the current folder.

    Raises:
        GalaxyError: They are of no accepted kind, or there are none.
    """
    start = Path(folder or ".").expanduser()
    if isinstance(galaxies, str | os.PathLike):
        path = start / Path(galaxies).expanduser()
        if not path.is_file():
            found = ImageFolderDataset(path, training.to_predict(crop, pixel_scale, path))
            return OpenedGalaxies(found.identifiers, found)
        galaxies = [galaxies]
    if hasattr(galaxies, "__array__") and not isinstance(galaxies, pd.DataFrame):
        if pixel_scale is not None:
            raise GalaxyError("pixel_scale is that of image files: resample the array, or leave it out")
        images = np.asarray(galaxies)
        dataset = ArrayImages(images, training.to_predict(crop, None).settings)
        return OpenedGalaxies(pd.DataFrame(index=pd.RangeIndex(len(images))), dataset)
    if isinstance(galaxies, pd.DataFrame):
        identifiers, paths = galaxies, _paths_of(galaxies)
    else:
        paths = _parse_list(galaxies)
        identifiers = identify_images([split_suffix(Path(path).name)[0] for path in paths], paths)
    prepared = training.to_predict(crop, pixel_scale, start)
    if prepared.settings.pattern is not None:
        raise GalaxyError(
            "the model needs one file per band of each image: pass their folder, or an array of all bands"
        )
    files = [(start / Path(path).expanduser(),) for path in paths]
    return OpenedGalaxies(identifiers, ImageListDataset(files, prepared))


def _paths_of(table: pd.DataFrame) -> list[str]:
    """Returns the image files that a table names; empty texts for missing ones."""
    column = guess_columns([str(name) for name in table.columns])["path"].column
    if column is None:
        raise GalaxyError("the table has no column of image files: name it 'path'")
    if table.empty:
        raise GalaxyError("there are no galaxies: the table is empty")
    return [str(path) for path in table[column].fillna("")]


def _parse_list(galaxies: Any) -> list[str]:
    """Returns a list of image files as texts; refuses anything else."""
    entries = list(galaxies) if isinstance(galaxies, Iterable) else None
    if entries == []:
        raise GalaxyError("there are no galaxies: the list is empty")
    if entries is None or not all(isinstance(entry, str | os.PathLike) for entry in entries):
        of_images = entries is not None and hasattr(entries[0], "__array__")
        raise GalaxyError(
            "a list of images: pass one array, numpy.stack(images)"
            if of_images
            else f"cannot classify an object of type {type(galaxies).__name__}: pass {_ACCEPTED}"
        )
    return [os.fspath(entry) for entry in entries]
