"""Unpacks downloaded archives safely: only into the target folder, and within size limits."""

import gzip
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.common.files import CHUNK_BYTES, explain_read_errors, new_file, new_folder
from data_prep.common.progress import progress_bar

MAX_IMAGE_BYTES: Final = 16 << 20
MAX_TABLE_BYTES: Final = 1 << 30
MAX_TOTAL_BYTES: Final = 16 << 30
"""Several times the size of the published archive's 243,434 images."""
_REMEDY: Final = "it is not the published archive, so nothing was unpacked: download it again"


def unpack_images(archive: Path, folder: Path) -> int:
    """Unpacks the JPEGs of a zip archive into a new folder, without the archive's folders.

    Skips files that macOS adds (``._*``, ``__MACOSX``) and files that are not JPEGs.

    Args:
        archive: The zip archive.
        folder: The folder to create, atomically.

    Returns:
        The number of images.

    Raises:
        GalaxyError: The file is not a zip archive, is damaged or too large, holds a path outside its folder,
            or holds two images of the same name.
    """
    try:
        with explain_read_errors(archive):
            content = zipfile.ZipFile(archive)
        with content:
            members = dict(_members(archive, content))
            with new_folder(folder, contents=()) as partial:
                for name, member in progress_bar(members.items(), desc="unpacking", unit=" images"):
                    # zipfile reads at most the member's declared size, and checks its CRC.
                    with explain_read_errors(archive):
                        image = content.read(member)
                    (partial / name).write_bytes(image)
    except (GalaxyError, OSError, MemoryError):
        raise
    except Exception as error:  # A damaged archive may raise any exception.
        raise GalaxyError(f"{archive} cannot be unpacked: {error}; download it again") from error
    return len(members)


def _members(archive: Path, content: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Yields the archive's images with their names; refuses an archive with anything unsafe in it."""
    names: set[str] = set()
    total = 0
    for member in content.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member.filename:
            raise GalaxyError(f"{archive} holds {member.filename!r}, a path outside its folder: {_REMEDY}")
        if member.is_dir() or path.suffix.lower() != ".jpg" or path.name.startswith("."):
            continue
        if stat.S_ISLNK(member.external_attr >> 16):
            raise GalaxyError(f"{archive} holds {member.filename!r}, a link: {_REMEDY}")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise GalaxyError(f"{archive} holds {member.filename!r} in an unusual compression: {_REMEDY}")
        total += member.file_size
        if member.file_size > MAX_IMAGE_BYTES:
            raise GalaxyError(
                f"{archive} holds {member.filename!r} of {member.file_size / 1e6:.1f} MB, too large for a "
                f"galaxy image: {_REMEDY}"
            )
        if total > MAX_TOTAL_BYTES:
            raise GalaxyError(f"{archive} holds more than {MAX_TOTAL_BYTES >> 30} GiB of images: {_REMEDY}")
        if path.name in names:
            raise GalaxyError(f"{archive} holds two images named {path.name}: {_REMEDY}")
        names.add(path.name)
        yield path.name, member


def unpack_table(archive: Path, path: Path) -> None:
    """Unpacks a gzipped table atomically.

    Args:
        archive: The gzip file.
        path: The file to create.

    Raises:
        GalaxyError: The file is not a gzip file, is damaged or is too large.
    """
    with new_file(path) as partial, partial.open("wb") as file:
        size = 0
        for chunk in _decompress(archive):
            size += len(chunk)
            if size > MAX_TABLE_BYTES:
                raise GalaxyError(
                    f"{archive} holds more than {MAX_TABLE_BYTES >> 20} MiB, too large for a table of votes: "
                    f"{_REMEDY}"
                )
            file.write(chunk)


def _decompress(archive: Path) -> Iterator[bytes]:
    """Yields the content of a gzip file in chunks."""
    with explain_read_errors(archive):
        try:
            with gzip.open(archive) as content:
                while chunk := content.read(CHUNK_BYTES):
                    yield chunk
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise GalaxyError(f"{archive} cannot be unpacked: {error}; download it again") from error
