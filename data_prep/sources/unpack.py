"""Unpacking archives that come from elsewhere: nothing outside, nothing larger than it says."""

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

LARGEST_IMAGE: Final = 16 << 20
LARGEST_TABLE: Final = 1 << 30
_DISTRUST: Final = "it is not what was published, and nothing of it is used"

MOST_BYTES: Final = 16 << 30
"""What the real archive's 243,434 images take several times over."""


def unpack_images(archive: Path, folder: Path) -> int:
    """Unpacks the JPEGs of a zip into a new folder, side by side, whatever folders they are in.

    Leaves out what macOS adds (``._*``, ``__MACOSX``) and what is no JPEG.

    Args:
        archive: The zip.
        folder: The folder to make, whole or not at all.

    Returns:
        How many images there are.

    Raises:
        GalaxyError: It is no zip, is damaged, holds a path that leads elsewhere, two images of one name, or
            more than images of galaxies take.
    """
    try:
        with explain_read_errors(archive):
            content = zipfile.ZipFile(archive)
        with content:
            members = dict(_members(archive, content))
            with new_folder(folder, contents=()) as partial:
                for name, member in progress_bar(members.items(), desc="unpacking", unit=" images"):
                    # zipfile reads no more than the member's declared size, and checks its CRC.
                    with explain_read_errors(archive):
                        image = content.read(member)
                    (partial / name).write_bytes(image)
    except (GalaxyError, OSError, MemoryError):
        raise
    except Exception as error:  # A damaged file fails in any way.
        raise GalaxyError(f"{archive} cannot be unpacked: {error}; download it again") from error
    return len(members)


def _members(archive: Path, content: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Yields the images with their names, if all that is in the archive is harmless."""
    names: set[str] = set()
    total = 0
    for member in content.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member.filename:
            raise GalaxyError(
                f"{archive} holds {member.filename!r}, which leads out of its folder: {_DISTRUST}"
            )
        if member.is_dir() or path.suffix.lower() != ".jpg" or path.name.startswith("."):
            continue
        if stat.S_ISLNK(member.external_attr >> 16):
            raise GalaxyError(f"{archive} holds {member.filename!r}, a link: {_DISTRUST}")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise GalaxyError(f"{archive} holds {member.filename!r}, packed in a rare way: {_DISTRUST}")
        total += member.file_size
        if member.file_size > LARGEST_IMAGE or total > MOST_BYTES:
            raise GalaxyError(
                f"{archive} says that it holds {total / 1e9:.1f} GB up to {member.filename!r}, more than "
                f"images of galaxies take: {_DISTRUST}"
            )
        if path.name in names:
            raise GalaxyError(f"{archive} holds two images named {path.name}: {_DISTRUST}")
        names.add(path.name)
        yield path.name, member


def unpack_table(archive: Path, path: Path) -> None:
    """Unpacks a gzipped table, whole or not at all.

    Args:
        archive: The ``.gz``.
        path: The file to make.

    Raises:
        GalaxyError: It is no gzip, is damaged, or holds more than a table of galaxies does.
    """
    with new_file(path) as partial, partial.open("wb") as file:
        size = 0
        for chunk in _gunzipped(archive):
            size += len(chunk)
            if size > LARGEST_TABLE:
                raise GalaxyError(
                    f"{archive} holds more than {LARGEST_TABLE >> 20} MiB, a table of votes less: {_DISTRUST}"
                )
            file.write(chunk)


def _gunzipped(archive: Path) -> Iterator[bytes]:
    with explain_read_errors(archive):
        try:
            with gzip.open(archive) as content:
                while chunk := content.read(CHUNK_BYTES):
                    yield chunk
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise GalaxyError(f"{archive} cannot be unpacked: {error}; download it again") from error
