"""Recognises FITS files by their name and by their first bytes."""

import zlib
from pathlib import Path
from typing import Final

FITS_SUFFIXES: Final = (".fits", ".fit", ".fts", ".fits.fz", ".fz", ".fits.gz", ".fit.gz", ".fts.gz")
"""Suffixes of FITS files in lower case; ``.fz`` files are tile-compressed (fpack)."""

SIGNATURE: Final = b"SIMPLE  ="
GZIP_SIGNATURE: Final = b"\x1f\x8b"
_START_BYTES: Final = 4096


def is_fits(path: Path) -> bool:
    """Returns whether a file starts like a FITS file, or like a gzipped one, regardless of its name.

    Args:
        path: The file. If it is missing, unreadable or not a regular file, the result is False.
    """
    try:
        if not path.is_file():  # Reading a pipe would block.
            return False
        with path.open("rb") as file:
            start = file.read(len(SIGNATURE))
            if start.startswith(GZIP_SIGNATURE):
                rest = file.read(_START_BYTES)
                start = zlib.decompressobj(wbits=31).decompress(start + rest, len(SIGNATURE))
    except (OSError, zlib.error):
        return False
    return start == SIGNATURE
