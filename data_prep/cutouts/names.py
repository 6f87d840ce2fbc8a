"""Names of cutouts: file names that are valid on all file systems, and names by position."""

import hashlib
import re
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.tables.angles import Degrees

MAX_NAME: Final = 150
"""Maximum length of a file name without its suffix. Most systems allow 255 bytes, of which a temporary name
needs some more."""

_SAFE: Final = re.compile(r"[A-Za-z0-9_+=,@()\[\]-](?:[A-Za-z0-9_+=,@()\[\]. -]*[A-Za-z0-9_+=,@()\[\]-])?")
"""Names without characters that a file system or a shell's tools treat specially: neither a dot nor a blank
is first or last."""
_SAFE_CHARACTER: Final = re.compile(r"[A-Za-z0-9_+=,@()\[\]. -]")
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Names of devices on Windows, with any suffix."""


def file_name(name: str, *, encode_case: bool = False) -> str:
    """Returns the file name of a galaxy's id, without suffix.

    It is the id itself if this is a valid file name everywhere. Otherwise other characters are
    percent-encoded as in URLs, so that different ids have different names and ``urllib.parse.unquote``
    returns the id. Names of more than ``MAX_NAME`` characters are cut, and end in a hash of the id.

    Args:
        name: The id.
        encode_case: Whether to encode capital letters, since another id differs only in case, and some file
            systems ignore it.
    """
    if encode_case:
        encoded = "".join(_encode(each) if each.isupper() else _encode_unsafe(each) for each in name)
    else:
        encoded = name if _SAFE.fullmatch(name) else "".join(map(_encode_unsafe, name))
    if encoded[0] in ". " or _RESERVED.fullmatch(encoded):
        encoded = _encode(encoded[0]) + encoded[1:]
    if encoded[-1] in ". ":
        encoded = encoded[:-1] + _encode(encoded[-1])
    if len(encoded) > MAX_NAME:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        encoded = f"{encoded[: MAX_NAME - len(digest) - 1]}~{digest}"
    return encoded


def position_names(ra: Degrees, dec: Degrees) -> npt.NDArray[np.object_]:
    """Returns names such as ``J123456.78+123456.7``: as the IAU recommends, the coordinates are truncated.

    Args:
        ra: ``[N]`` right ascensions in degrees (J2000).
        dec: ``[N]`` declinations in degrees (J2000).

    Returns:
        ``[N]`` strings.
    """
    # The tiny addition keeps an angle that was written with these digits from falling below them.
    hours = np.floor(ra / 15 * 360_000 + 1e-4).astype(np.int64) % (24 * 360_000)
    degrees = np.floor(np.abs(dec) * 36_000 + 1e-4).astype(np.int64)
    signs = np.where(dec < 0, "-", "+")
    return np.array(
        [
            f"J{_digits(hour, 100)}.{hour % 100:02d}{sign}{_digits(degree, 10)}.{degree % 10}"
            for hour, sign, degree in zip(hours.tolist(), signs.tolist(), degrees.tolist(), strict=True)
        ],
        dtype=object,
    )


def differ_only_in_case(names: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Returns for each of ``[N]`` different names whether another one differs from it only in case."""
    lower = pd.Series([name.lower() for name in names.tolist()], dtype=object)
    return lower.duplicated(keep=False).to_numpy(dtype=np.bool_)


def _encode(text: str) -> str:
    """Percent-encodes a character, with small letters as digits, which no file system confuses."""
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))


def _encode_unsafe(character: str) -> str:
    return character if _SAFE_CHARACTER.fullmatch(character) else _encode(character)


def _digits(count: int, fractions: int) -> str:
    """Returns an angle as hours or degrees, minutes and seconds, of two digits each."""
    seconds = count // fractions
    return f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
