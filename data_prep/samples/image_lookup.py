"""Finds the image of each galaxy: by the path in a table, or by the name of the file."""

import os
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.images.band_files import BAND_SEPARATOR, group_bands, no_complete_image
from data_prep.images.cutout_ids import read_cutout_ids
from data_prep.images.image_files import ImageFiles, find_images, index_by_stem, split_suffix
from data_prep.images.image_settings import ImageSettings
from data_prep.schema import COLOURS

NOT_IN_TABLE: Final = "not in the table"


@dataclass(frozen=True)
class ImageLookup:
    """The images in a folder, by name.

    Attributes:
        folder: The folder.
        images: The image of each name, relative to the folder; if it has one file per band, these are joined
            by ``BAND_SEPARATOR``.
        namesakes: Images of the same names in other subfolders or formats, relative to the folder, and why
            each is not used; a path in a table can name them all the same.
        others: Other files, relative to the folder, and why each is not used.
        hidden: Number of hidden and system files.
        ids: The names of images that are not those of their files, by the path: the ids of cutouts.
    """

    folder: Path
    images: dict[str, str]
    namesakes: dict[str, str]
    others: dict[str, str]
    hidden: int
    ids: dict[str, str] = field(default_factory=dict)

    def by_name(self, names: Sequence[str | None]) -> npt.NDArray[np.object_]:
        """Returns the image of each name.

        Args:
            names: ``[N]`` names without suffix, also with the subfolder (``a/1``); None if unknown.

        Returns:
            ``[N]`` paths relative to the folder, None where there is no image.
        """
        images = {_normalise(name): path for name, path in self.images.items()}
        if any(name and "/" in name for name in names):
            paths = [path for path in (*self.namesakes, *self.images.values()) if path not in self.ids]
            images = {_normalise(split_suffix(path)[0]): path for path in paths} | images
        return np.array([images.get(_normalise(name)) if name else None for name in names], dtype=object)

    def by_path(self, paths: Sequence[str | None]) -> npt.NDArray[np.object_]:
        """Returns the image of each path in a table, which may have been written on another computer.

        Args:
            paths: ``[N]`` paths; None if unknown.

        Returns:
            ``[N]`` paths relative to the folder, each the longest that ends the path in the table; None where
            there is no image.
        """
        known = {_normalise(path): path for path in (*self.namesakes, *self.images.values())}
        found = [next((known[end] for end in _endings(text) if end in known), None) for text in paths]
        return np.array(found, dtype=object)

    def names(self, paths: Sequence[str]) -> list[str]:
        """Returns the name of each image, without folder and suffix.

        Args:
            paths: Images of this folder.
        """
        known = {path: name.rpartition("/")[2] for name, path in self.images.items()} | self.ids
        return [known.get(path) or image_name(path) for path in paths]

    def long_names(self, paths: Sequence[str]) -> list[str]:
        """Returns the name of each image with its folder; of an image with one file per band, its key."""
        known = {path: name for name, path in self.images.items() if BAND_SEPARATOR in path} | self.ids
        return [known.get(path) or split_suffix(path)[0] for path in paths]

    def unused(self, used: Collection[str]) -> dict[str, str]:
        """Returns the images and files that are not used, sorted, and why.

        Args:
            used: The images that are used.
        """
        files = dict.fromkeys(self.images.values(), NOT_IN_TABLE) | self.namesakes | self.others
        return {path: reason for path, reason in sorted(files.items()) if path not in used}


def check_bands(pattern: str | None, bands: Sequence[str]) -> None:
    """Checks the names of bands, and of the files of images with one file per band.

    Args:
        pattern: The names of the files; None if there is one file per image.
        bands: The names of the bands; empty if they are unknown.

    Raises:
        GalaxyError: They are invalid, or there is a pattern without bands.
    """
    if pattern is not None and not bands:
        raise GalaxyError("--pattern needs the names of the bands: add --bands, such as --bands g r z")
    ImageSettings(crop=1, bands=tuple(bands) or COLOURS, pattern=pattern)


def find_nameable_images(folder: Path) -> ImageFiles:
    """Finds the image files in a folder that a table can name; others are skipped.

    Args:
        folder: The folder; see :func:`data_prep.images.image_files.find_images`.
    """
    files = find_images(folder)
    if unnameable := {path for path in files.paths if not _is_text(str(path))}:
        files.paths = [path for path in files.paths if path not in unnameable]
        files.skipped |= dict.fromkeys(sorted(unnameable), "a name that is not valid UTF-8: rename it")
    return files


def look_up_images(folder: Path, pattern: str | None = None, bands: Sequence[str] = ()) -> ImageLookup:
    """Finds the images in a folder and its subfolders by their names; the name of a cutout is its id.

    Args:
        folder: The folder.
        pattern: For images with one file per band, the names of the files; see
            :func:`data_prep.images.band_files.group_bands`.
        bands: The names of the bands, if there is a pattern.

    Raises:
        GalaxyError: The folder does not exist, cannot be read, or contains no images.
    """
    files = find_nameable_images(folder)
    namesakes: dict[Path, str] = {}
    others, ids = files.skipped, dict[str, str]()
    if pattern is None:
        known = read_cutout_ids(folder)
        ids = {str(path): known[path.as_posix()] for path in files.paths if path.as_posix() in known}
        by_stem, namesakes = index_by_stem(files.paths)
        images = {ids.get(str(path), name): str(path) for name, path in by_stem.items()}
    else:
        groups = group_bands(files.paths, pattern, bands)
        images, others = groups.joined, others | groups.skipped
        if not images:
            raise no_complete_image(folder, groups.skipped)
    return ImageLookup(folder, images, as_text(namesakes), as_text(others), files.ignored, ids)


def image_name(path: str) -> str:
    """Returns the name of an image without folder and suffix: ``123`` for ``fits/123.fits.gz``.

    Args:
        path: The path of the image, or of its file in the first band.
    """
    # os.path is much faster than pathlib, which matters for hundreds of thousands of images.
    return split_suffix(os.path.basename(path.partition(BAND_SEPARATOR)[0]))[0]  # noqa: PTH119


def as_text(files: Mapping[Path, str]) -> dict[str, str]:
    """Returns the reasons for not using files, with the paths as text."""
    return {str(path): reason for path, reason in files.items()}


def _endings(text: str | None) -> Iterator[str]:
    """Yields the ends of a path, the longest first."""
    # Without pathlib, which would take seconds for the paths of a large survey.
    parts = _normalise(text).replace("\\", "/").split("/") if text else []
    end = "/".join(part for part in parts if part not in ("", "."))
    while end:
        yield end
        end = end.partition("/")[2]


def _is_text(name: str) -> bool:
    """Returns whether a file can be named in a table; names may consist of any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _normalise(name: str) -> str:
    """Returns a name in the Unicode form that tables use; macOS writes file names in another one."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
