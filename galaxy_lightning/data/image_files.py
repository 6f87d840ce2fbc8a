"""Finding the image files below a folder, and saying what else is there."""

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
    """What is below a folder.

    Attributes:
        paths: The image files, relative to the folder, in order.
        left_out: What else there is, relative to the folder, in order, and why it is no image to be read.
        ignored: How many hidden and system files and folders there are (``.DS_Store``, ``Thumbs.db``,
            ``@eaDir``, ...), not counting what is in such folders.
    """

    paths: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)
    ignored: int = 0


def find_images(folder: Path) -> ImageFiles:
    """Finds the image files below a folder.

    A file is an image if its suffix says so, or if it has another suffix or none and begins as an image does.
    Symbolic links to folders are followed, after the folders that are really there; no folder is searched
    twice.

    Args:
        folder: The folder.

    Returns:
        What was found; the same for the same files.

    Raises:
        GalaxyError: There is no such folder, it cannot be read, or it holds no image file.
    """
    if folder.is_file():
        raise GalaxyError(f"{folder} is a file: name the folder that holds it")
    if not folder.is_dir():
        raise GalaxyError(f"there is no folder {folder}: name one that holds image files, or galaxy arrays")
    found, search = ImageFiles(), _Search(folder)
    suffixes = set(image_suffixes())
    while (here := search.next_folder(found)) is not None:
        for entry in _entries(folder, here, found):
            path = here / entry.name
            if is_litter(entry.name):
                found.ignored += 1
                continue
            try:
                if entry.is_dir():
                    search.add(path, is_link=entry.is_symlink())
                    continue
                reason = None if path.suffix.lower() in suffixes else _why_no_image(folder / path, entry)
            except OSError as error:
                reason = f"cannot be read: {error.strerror}"
            if reason is None:
                found.paths.append(path)
            else:
                found.left_out[path] = reason
    found.paths.sort()
    found.left_out = dict(sorted(found.left_out.items()))
    if not found.paths:
        raise GalaxyError(f"{folder} holds no image file ({', '.join(FORMATS)}){_describe_left_out(found)}")
    return found


class _Search:
    """The folders that are still to be searched: real ones first, then links to folders, in order.

    Args:
        folder: Where the search begins.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting = [(False, Path())]
        self._searched: dict[tuple[int, int], Path] = {}

    def add(self, path: Path, *, is_link: bool) -> None:
        """Adds a folder, relative to the one where the search begins."""
        heapq.heappush(self._waiting, (is_link, path))

    def next_folder(self, found: ImageFiles) -> Path | None:
        """Returns the next one, if any, and lists those that are searched already under another name."""
        while self._waiting:
            is_link, path = heapq.heappop(self._waiting)
            try:
                about = (self._folder / path).stat()
                holds_all = is_link and self._folder.resolve().is_relative_to((self._folder / path).resolve())
            except OSError as error:
                found.left_out[path] = f"cannot be read: {error.strerror}"
                continue
            other = self._searched.setdefault((about.st_dev, about.st_ino), path)
            if other != path:
                found.left_out[path] = f"the same folder as {other}, and searched there"
            elif holds_all:
                found.left_out[path] = "a link to a folder that holds the one that is searched"
            else:
                return path
        return None


def _entries(folder: Path, here: Path, found: ImageFiles) -> "list[os.DirEntry[str]]":
    """Returns what is in a folder; lists the folder where it cannot be read."""
    try:
        with os.scandir(folder / here) as entries:
            return list(entries)
    except OSError as error:
        if here == Path():
            raise GalaxyError(f"{folder} cannot be read: {error.strerror}") from error
        found.left_out[here] = f"cannot be read: {error.strerror}"
        return []


def _why_no_image(file: Path, entry: "os.DirEntry[str]") -> str | None:
    """Says why a file whose suffix is no image's is none; None where it is one."""
    if not entry.is_file():
        return "a link that leads nowhere" if entry.is_symlink() else "no regular file"
    if file.name.lower().endswith(FITS_SUFFIXES):
        return "FITS images are not read yet; export as PNG or JPEG"
    return None if is_image(file) else f"not an image of a format that is read ({', '.join(FORMATS)})"


def _describe_left_out(found: ImageFiles) -> str:
    """Says what there is where there is no image."""
    parts = []
    if found.left_out:
        path, reason = next(iter(found.left_out.items()))
        parts.append(f"; other files and folders: {len(found.left_out):,}, the first {path} ({reason})")
    if found.ignored:
        parts.append(f"; hidden or system files: {found.ignored:,}")
    return "".join(parts) or ": it is empty"
