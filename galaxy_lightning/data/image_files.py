"""Finds the image files in a folder and its subfolders, and lists the other files."""

import heapq
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.litter import is_litter
from data_prep.sources.images import FORMATS, image_suffixes, is_image

FITS_SUFFIXES: Final = (".fits", ".fit", ".fts", ".fz", ".fits.gz", ".fit.gz", ".fts.gz")


@dataclass
class ImageFiles:
    """The contents of a folder and its subfolders; paths are relative to the folder.

    Attributes:
        paths: The image files, sorted.
        skipped: Other files and folders, sorted, and why each is skipped.
        ignored: Number of hidden and system files and folders (``.DS_Store``, ``Thumbs.db``, ``@eaDir``),
            without the contents of these folders.
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
        raise GalaxyError(f"there is no folder {folder}: give a folder of image files, or galaxy arrays")
    files, queue = ImageFiles(), _FolderQueue(folder)
    suffixes = set(image_suffixes())
    while (subfolder := queue.next_folder(files)) is not None:
        for entry in _list_folder(folder, subfolder, files):
            path = subfolder / entry.name
            if is_litter(entry.name):
                files.ignored += 1
                continue
            try:
                if entry.is_dir():
                    queue.add(path, is_link=entry.is_symlink())
                    continue
                reason = None if path.suffix.lower() in suffixes else _reason_to_skip(folder / path, entry)
            except OSError as error:
                reason = f"cannot be read: {error.strerror}"
            if reason is None:
                files.paths.append(path)
            else:
                files.skipped[path] = reason
    files.paths.sort()
    files.skipped = dict(sorted(files.skipped.items()))
    if not files.paths:
        raise GalaxyError(f"{folder} contains no image files ({', '.join(FORMATS)}){_describe_others(files)}")
    return files


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


def _list_folder(root: Path, subfolder: Path, files: ImageFiles) -> "list[os.DirEntry[str]]":
    """Returns the contents of a subfolder; lists it as skipped if it cannot be read."""
    try:
        with os.scandir(root / subfolder) as entries:
            return list(entries)
    except OSError as error:
        if subfolder == Path():
            raise GalaxyError(f"{root} cannot be read: {error.strerror}") from error
        files.skipped[subfolder] = f"cannot be read: {error.strerror}"
        return []


def _reason_to_skip(file: Path, entry: "os.DirEntry[str]") -> str | None:
    """Returns why a file without the suffix of an image is not an image; None if it is one."""
    if not entry.is_file():
        return "a broken link" if entry.is_symlink() else "not a regular file"
    if file.name.lower().endswith(FITS_SUFFIXES):
        return "FITS images are not supported: convert them to PNG or JPEG"
    return None if is_image(file) else f"not an image in a supported format ({', '.join(FORMATS)})"


def _describe_others(files: ImageFiles) -> str:
    """Describes the contents of a folder without image files."""
    parts = []
    if files.skipped:
        path, reason = next(iter(files.skipped.items()))
        parts.append(f"; other files and folders: {len(files.skipped):,}, the first {path} ({reason})")
    if files.ignored:
        parts.append(f"; hidden or system files: {files.ignored:,}")
    return "".join(parts) or ": it is empty"
