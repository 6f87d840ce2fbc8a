"""The galaxies that Python code passes to a classifier: a folder, files, an array or a table."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch.utils.data import Dataset

from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
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
from galaxy_lightning.data.seen_galaxies import parse_objids
from galaxy_lightning.data.training_images import TrainingImages

FilePath = str | os.PathLike[str]
Galaxies = FilePath | Iterable[FilePath] | npt.NDArray[np.uint8] | torch.Tensor | pd.DataFrame
"""Galaxies to classify; see :meth:`galaxy_lightning.api.classifier.Classifier.predict`."""

_NO_FILE: Final = "(no file named)"
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
        objids: ``[N]`` SDSS object ids, -1 where a galaxy has none.
    """

    identifiers: pd.DataFrame
    dataset: ImageFilesDataset | ArrayImages
    objids: npt.NDArray[np.int64]


def open_galaxies(
    galaxies: Galaxies,
    training: TrainingImages,
    crop: int,
    pixel_scale: float | None,
    folder: FilePath | None,
) -> OpenedGalaxies:
    """Opens galaxies of any kind.

    Args:
        galaxies: The galaxies.
        training: What is known about the model's training images.
        crop: The side of the model's images in pixels.
        pixel_scale: Arcsec per pixel of image files without celestial coordinates.
        folder: The folder that relative paths refer to; by default the current folder.

    Raises:
        GalaxyError: The type of ``galaxies`` is not supported, or there are none.
    """
    start = _expand(folder or ".")
    if isinstance(galaxies, str | os.PathLike):
        path = start / _expand(galaxies)
        if not path.is_file():
            found = ImageFolderDataset(path, training.to_predict(crop, pixel_scale, path))
            identifiers = found.identifiers
            return OpenedGalaxies(identifiers, found, parse_objids(identifiers.iloc[:, 0]))
        galaxies = [galaxies]
    if isinstance(galaxies, pd.DataFrame):
        paths = _paths_of(galaxies)
        identifiers, objids = galaxies, _ids_of(galaxies, paths)
    elif (images := _as_images(galaxies)) is not None:
        if pixel_scale is not None:
            raise GalaxyError("pixel_scale is that of image files: resample the array, or leave it out")
        dataset = ArrayImages(images, training.to_predict(crop, None).settings)
        return OpenedGalaxies(pd.DataFrame(index=range(len(images))), dataset, np.full(len(images), -1))
    else:
        paths = _parse_list(galaxies)
        names = _names_of(paths)
        identifiers, objids = identify_images(names, paths), parse_objids(names)
    files = [(start / path,) for path in map(_expand, paths)]
    prepared = training.to_predict(crop, pixel_scale, _common_folder(files))
    if prepared.settings.pattern is not None:
        raise GalaxyError(
            "the model needs one file per band of each image: pass their folder, or an array of all bands"
        )
    return OpenedGalaxies(identifiers, ImageListDataset(files, prepared), objids)


def _expand(path: FilePath) -> Path:
    """Expands ``~`` and variables in a path."""
    return Path(expand_path(os.fspath(path)))


def _as_images(galaxies: Any) -> npt.NDArray[Any] | None:
    """Returns an array or tensor of images as a NumPy array; None for anything else, also arrays of paths.

    Raises:
        GalaxyError: It is a masked array, or cannot become a NumPy array.
    """
    if isinstance(galaxies, np.ma.MaskedArray):
        raise GalaxyError("a masked array: fill the masked pixels first, with .filled(0)")
    try:
        if isinstance(galaxies, torch.Tensor):
            return galaxies.detach().cpu().numpy()
        images = np.asarray(galaxies) if hasattr(galaxies, "__array__") else None
    except (TypeError, RuntimeError, ValueError) as error:
        raise GalaxyError(f"cannot classify this {type(galaxies).__name__}: {error}") from None
    return None if images is None or images.dtype.kind in "OUST" else images


def _names_of(paths: Sequence[str]) -> list[str]:
    """Returns the names of files without their suffixes."""
    return [split_suffix(Path(path).name)[0] for path in paths]


def _paths_of(table: pd.DataFrame) -> list[str]:
    """Returns the image files that a table names; missing files for empty cells."""
    paths = _cells(table, "path")
    if paths is None:
        raise GalaxyError("the table has no column of image files, or several: name one of them 'path'")
    if table.empty:
        raise GalaxyError("there are no galaxies: the table is empty")
    return [_NO_FILE if path is None else str(path) for path in paths]


def _ids_of(table: pd.DataFrame, paths: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns the object ids of a table: those of its column of ids or, where it has none, of its files."""
    of_files, cells = parse_objids(_names_of(paths)), _cells(table, "id")
    if cells is None:
        return of_files
    ids = parse_objids(cells)
    return np.where(ids < 0, of_files, ids)


def _cells(table: pd.DataFrame, role: str) -> list[Any] | None:
    """Returns the cells of the column that is named like a role, None where missing; None without one."""
    names = [str(name) for name in table.columns]
    column = guess_columns(names)[role].column
    if column is None:
        return None
    cells = table.iloc[:, names.index(column)].astype(object)
    return list(cells.where(cells.notna(), None))


def _parse_list(galaxies: Any) -> list[str]:
    """Returns a list of image files as texts; refuses anything else."""
    is_list = isinstance(galaxies, Iterable) and not isinstance(galaxies, Mapping)
    entries = list(galaxies) if is_list else None
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


def _common_folder(files: Sequence[tuple[Path, ...]]) -> Path | None:
    """Returns the folder that holds all files, or their subfolders, if there is one."""
    with contextlib.suppress(ValueError):  # On different drives of Windows.
        return Path(os.path.commonpath([file.parent.absolute() for (file,) in files]))
    return None
