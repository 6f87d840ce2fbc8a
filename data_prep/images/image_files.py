"""Finds the image files in a folder and its subfolders, and lists the other files."""

import heapq
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.litter import is_litter
from data_prep.images.cutouts import FORMATS, image_suffixes, is_image
from data_prep.images.fits_format import FITS_SUFFIXES, is_fits
from data_prep.schema import CUTOUTS_FAILED, CUTOUTS_SETTINGS, CUTOUTS_TABLE

_FORMATS: Final = ", ".join((*FORMATS, "FITS"))
_RANKS: Final = {suffix: number for number, suffix in enumerate((*image_suffixes(), *FITS_SUFFIXES))}
_COMPRESSED: Final = (".gz", ".fz")
_LONGEST_FIRST: Final = sorted(FITS_SUFFIXES, key=len, reverse=True)


@dataclass
class ImageFiles:
    """The contents of a folder and its subfolders; paths are relative to the folder.

    Attributes:
        paths: The image files, sorted.
        skipped: Other files and folders, sorted, and why each is skipped.
        ignored: Number of hidden and system files and folders (``.DS_Store``, ``Thumbs.db``, ``@eaDir``),
            without the contents of these folders, and of the tables beside downloaded cutouts.
    """

    paths: list[Path] = field(default_factory=list)
    skipped: dict[Path, str] = field(default_factory=dict)
    ignored: int = 0


def find_images(folder: Path) -> ImageFiles:
    """Finds the image files in a folder and its subfolders.

    Image files have the suffix of an image format, or another suffix or none and the first bytes of an image.
    Links to folders are followed after all real folders, and no folder is searched twice, so that the result
    is reproducible.

    Args:
        folder: The folder.

    Raises:
        GalaxyError: The folder does not exist, cannot be read, or contains no image files.
    """
    if folder.is_file():
        raise GalaxyError(f"{folder} is a file: give the folder that contains it")
    if not folder.is_dir():
        raise GalaxyError(f"there is no folder {folder}: give a folder of image files")
    files, queue = ImageFiles(), _FolderQueue(folder)
    while (subfolder := queue.next_folder(files)) is not None:
        try:
            listing = list_folder(folder / subfolder)
        except OSError as error:
            if subfolder == Path():
                raise GalaxyError(f"{folder} cannot be read: {error.strerror}") from error
            files.skipped[subfolder] = f"cannot be read: {error.strerror}"
            continue
        files.paths += [subfolder / name for name in listing.images]
        files.skipped |= {subfolder / name: reason for name, reason in listing.skipped.items()}
        files.ignored += listing.ignored
        for name, is_link in listing.folders.items():
            queue.add(subfolder / name, is_link=is_link)
    _ignore_tables_of_cutouts(files)
    files.paths.sort(key=lambda path: path.parts)
    files.skipped = dict(sorted(files.skipped.items()))
    if not files.paths:
        raise GalaxyError(f"{folder} contains no image files ({_FORMATS}){_describe_others(files)}")
    return files


def _ignore_tables_of_cutouts(files: ImageFiles) -> None:
    """Ignores the tables in a folder that ``python -m data_prep cutouts`` made."""
    if Path(CUTOUTS_SETTINGS) in files.skipped:
        for name in (CUTOUTS_SETTINGS, CUTOUTS_TABLE, CUTOUTS_FAILED):
            files.ignored += files.skipped.pop(Path(name), None) is not None


@dataclass
class Listing:
    """The contents of one folder, by name.

    Attributes:
        images: The image files, in no order.
        folders: The subfolders, and whether each is a link.
        skipped: Other files, and why each is skipped.
        ignored: Number of hidden and system files and folders.
    """

    images: list[str] = field(default_factory=list)
    folders: dict[str, bool] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    ignored: int = 0


def list_folder(folder: Path) -> Listing:
    """Lists the contents of one folder in one pass, which is much faster than looking up each file.

    Args:
        folder: The folder.

    Raises:
        OSError: The folder cannot be read.
    """
    listing = Listing()
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_litter(entry.name):
                listing.ignored += 1
                continue
            try:
                if entry.is_dir():
                    listing.folders[entry.name] = entry.is_symlink()
                    continue
                reason = None if split_suffix(entry.name)[1] else _reason_to_skip(folder / entry.name, entry)
            except OSError as error:
                reason = f"cannot be read: {error.strerror}"
            if reason is None:
                listing.images.append(entry.name)
            else:
                listing.skipped[entry.name] = reason
    return listing


def split_suffix(name: str) -> tuple[str, str]:
    """Splits the name of a file at the suffix of an image format.

    Args:
        name: The name, such as ``1.JPG``, ``1.fits.gz`` or ``1``.

    Returns:
        The name without the suffix, and the suffix in lower case, which is empty if it is not of an image.
    """
    stem, dot, ending = name.rpartition(".")
    suffix = (dot + ending).lower()
    if not stem or suffix in _COMPRESSED:
        lower = name.lower()
        suffix = next((known for known in _LONGEST_FIRST if lower.endswith(known)), "")
        return name[: len(name) - len(suffix)], suffix
    return (stem, suffix) if suffix in _RANKS else (name, "")


def index_by_stem(paths: Iterable[Path]) -> tuple[dict[str, Path], dict[Path, str]]:
    """Finds image files by their stem, the name without folder and suffix.

    Args:
        paths: The image files.

    Returns:
        One file for each stem; and the other files, with the reason for not using each. Of files with the
        same stem, the one with the most common suffix is used, then that in lower case, then the first.
    """
    chosen: dict[str, Path] = {}
    repeated = []
    for path in paths:
        stem, _ = split_suffix(path.name)
        if (other := chosen.setdefault(stem, path)) != path:
            chosen[stem], unused = sorted((path, other), key=_preference)
            repeated.append((unused, stem))
    return chosen, {
        path: f"an image of the same name, {chosen[stem]}, is used" for path, stem in sorted(repeated)
    }


def _preference(path: Path) -> tuple[int, str, Path]:
    """Returns the sort key of files with the same stem; names in lower case come first."""
    return _RANKS.get(split_suffix(path.name)[1], len(_RANKS)), path.name.swapcase(), path


class _FolderQueue:
    """The folders that remain to be searched: real folders first, then links, each in sorted order.

    Args:
        root: The folder of the search.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._queue = [(False, Path())]
        self._searched: dict[tuple[int, int], Path] = {}

    def add(self, path: Path, *, is_link: bool) -> None:
        """Adds a folder, relative to the root."""
        heapq.heappush(self._queue, (is_link, path))

    def next_folder(self, files: ImageFiles) -> Path | None:
        """Returns the next folder, or None, and lists folders that need no search as skipped."""
        while self._queue:
            is_link, path = heapq.heappop(self._queue)
            try:
                status = (self._root / path).stat()
                is_parent = is_link and self._root.resolve().is_relative_to((self._root / path).resolve())
            except OSError as error:
                files.skipped[path] = f"cannot be read: {error.strerror}"
                continue
            first_path = self._searched.setdefault((status.st_dev, status.st_ino), path)
            if first_path != path:
                files.skipped[path] = f"the same folder as {first_path}, which is searched"
            elif is_parent:
                files.skipped[path] = "a link to a parent of the searched folder"
            else:
                return path
        return None


def _reason_to_skip(file: Path, entry: "os.DirEntry[str]") -> str | None:
    """Returns why a file without the suffix of an image is not an image; None if it is one."""
    if not entry.is_file():
        return "a broken link" if entry.is_symlink() else "not a regular file"
    if is_image(file) or is_fits(file):
        return None
    return f"not an image in a supported format ({_FORMATS})"


def _describe_others(files: ImageFiles) -> str:
    """Describes the contents of a folder without image files."""
    parts = []
    if files.skipped:
        path, reason = next(iter(files.skipped.items()))
        parts.append(f"; other files and folders: {len(files.skipped):,}, the first {path} ({reason})")
    if files.ignored:
        parts.append(f"; hidden or system files: {files.ignored:,}")
    return "".join(parts) or ": it is empty"
