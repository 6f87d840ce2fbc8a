"""Finds the image of each galaxy: by the path in a table, or by the name of the file."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.sources.band_files import group_bands
from data_prep.sources.image_files import find_images, index_by_stem, split_suffix

BAND_SEPARATOR: Final = "|"
"""Between the paths of an image's files, if it has one per band, in the order of the bands."""
NOT_IN_TABLE: Final = "no labelled row of the table"


@dataclass(frozen=True)
class ImageLookup:
    """The images in a folder, by name.

    Attributes:
        folder: The folder.
        images: The image of each name, relative to the folder; if it has one file per band, these are joined
            by ``BAND_SEPARATOR``.
        others: Other files, relative to the folder, and why each is not used.
        hidden: Number of hidden and system files.
    """

    folder: Path
    images: dict[str, str]
    others: dict[str, str]
    hidden: int

    def by_name(self, names: Sequence[str | None]) -> npt.NDArray[np.object_]:
        """Returns the image of each name.

        Args:
            names: ``[N]`` names without suffix; None if unknown.

        Returns:
            ``[N]`` paths relative to the folder, None where there is no image.
        """
        return np.array([self.images.get(name) if name else None for name in names], dtype=object)

    def by_path(self, paths: Sequence[str | None]) -> npt.NDArray[np.object_]:
        """Returns the image of each path in a table, which may have been written on another computer.

        Args:
            paths: ``[N]`` paths; None if unknown.

        Returns:
            ``[N]`` paths relative to the folder, each the longest that ends the path in the table; None where
            there is no image.
        """
        known = {*self.images.values(), *self.others}
        found = [next((path for path in _endings(text) if path in known), None) for text in paths]
        return np.array(found, dtype=object)

    def unused(self, used: Collection[str]) -> dict[str, str]:
        """Returns the images and files that are not used, sorted, and why.

        Args:
            used: The images that are used.
        """
        rest = dict.fromkeys(set(self.images.values()).difference(used), NOT_IN_TABLE)
        others = {path: reason for path, reason in self.others.items() if path not in used}
        return dict(sorted((rest | others).items()))


def look_up_images(folder: Path, pattern: str | None = None, bands: Sequence[str] = ()) -> ImageLookup:
    """Finds the images in a folder and its subfolders by their names.

    Args:
        folder: The folder.
        pattern: For images with one file per band, the names of the files; see
            :func:`data_prep.sources.band_files.group_bands`.
        bands: The names of the bands, if there is a pattern.

    Raises:
        GalaxyError: The folder does not exist, cannot be read, or contains no images.
    """
    files = find_images(folder)
    if pattern is None:
        by_stem, repeated = index_by_stem(files.paths)
        images = {name: str(path) for name, path in by_stem.items()}
    else:
        groups = group_bands(files.paths, pattern, bands)
        images = {name: BAND_SEPARATOR.join(map(str, paths)) for name, paths in groups.images.items()}
        repeated = groups.skipped
        if not images:
            path, reason = next(iter(repeated.items()))
            raise GalaxyError(f"{folder} contains no image with a file for each band; {path}: {reason}")
    others = {str(path): reason for path, reason in (files.skipped | repeated).items()}
    return ImageLookup(folder, images, others, files.ignored)


def image_name(path: str) -> str:
    """Returns the name of an image without folder and suffix: ``123`` for ``fits/123.fits.gz``.

    Args:
        path: The path of the image, or of its file in the first band.
    """
    # os.path is much faster than pathlib, which matters for hundreds of thousands of images.
    return split_suffix(os.path.basename(path.partition(BAND_SEPARATOR)[0]))[0]  # noqa: PTH119


def _endings(text: str | None) -> list[str]:
    """Returns the ends of a path, the longest first."""
    parts = PurePath(text.replace("\\", "/")).parts if text else ()
    return [str(PurePath(*parts[skip:])) for skip in range(len(parts))]
