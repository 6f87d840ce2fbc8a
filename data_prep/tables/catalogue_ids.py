"""Turns a column of ids, integers or any text, into 64-bit object ids."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.tables.column_guesses import plain_name
from data_prep.tables.objids import (
    LARGEST_EXACT_FLOAT,
    LARGEST_ID,
    REMEDY,
    Ids,
    parse_integer,
    refuse_rounded_ids,
)

_LOST_DIGITS: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+[eE]\+?|[eE]\+)[0-9]+")
"""Numbers as programs write large floats. Hexadecimal ids such as 12e34 are not among them."""
_FLOAT: Final = re.compile(r"[+-]?[0-9]+(?:\.([0-9]*))?(?:[eE][+-]?[0-9]+)?")
_LEADING_ZERO: Final = re.compile(r"0[0-9]+")
_MULTIPLES_OF_128: Final = ("sourceid", "gaia")
"""Columns with ids of Gaia, which are multiples of 128, as if they had been rounded to 64-bit floats."""


@dataclass(frozen=True)
class CatalogueIds:
    """The ids of a column.

    Attributes:
        objid: ``[N]``, int64, not negative; 0 where the id is missing.
        text: ``[N]`` the ids as text, None where missing; None if all ids are integers.
        missing: ``[N]``, whether the id is missing.
    """

    objid: Ids
    text: npt.NDArray[np.object_] | None
    missing: npt.NDArray[np.bool_]

    @property
    def names(self) -> npt.NDArray[np.object_]:
        """``[N]`` the ids as text, also those of integers. The text of a missing id has no meaning."""
        return self.objid.astype(str).astype(object) if self.text is None else self.text


def parse_ids(
    column: "pd.Series[Any]", path: Path, name: str, place: Callable[[int], str] | None = None
) -> CatalogueIds:
    """Turns a column of ids into 64-bit object ids.

    If all ids are integers from 0 to 2^63 - 1, without leading zeros, they are the object ids. They may be
    decorated as in :func:`data_prep.tables.objids.parse_integer`. Otherwise all ids are text, and the object
    ids are their hashes; see :func:`hash_id`.

    Args:
        column: ``[N]`` ids as text, as ``Catalogue.read`` returns them; empty or missing ids are allowed.
        path: The table, for messages.
        name: The column's name, for messages.
        place: Returns the place of a row, for messages; by default its number.

    Raises:
        GalaxyError: Ids were converted to floats or rounded, or two ids have the same hash.
    """
    text = np.array([cell.strip() if isinstance(cell, str) else "" for cell in column.tolist()], dtype=object)
    missing = text == ""
    present = text[~missing]
    objid = np.zeros(len(text), dtype=np.int64)
    integers = _parse_integers(present)
    if integers is None:
        row = _find_lost_digits(text)
        if row is not None:
            where = f"{path}, {place(row) if place else f'row {row + 1:,}'}, column {name}"
            raise GalaxyError(
                f"{where}: {text[row]!r}: the ids were converted to floats, which rounds "
                f"them to other galaxies' ids: {REMEDY}"
            )
        objid[~missing] = hash_ids(present, f"{path}, column {name}")
        text[missing] = None
        return CatalogueIds(objid, text, missing)
    if not any(known in plain_name(name) for known in _MULTIPLES_OF_128):
        refuse_rounded_ids(integers, path, name)
    objid[~missing] = integers
    return CatalogueIds(objid, None, missing)


def hash_id(text: str) -> int:
    """Returns a stable object id for a text: the first 63 bits of its SHA-256, from 1 to 2^63 - 1.

    The first bit of the hash's first eight bytes, big-endian, is cleared. A hash of 0 becomes 1.
    """
    return (
        int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big") & LARGEST_ID
        or 1
    )


def hash_ids(texts: Iterable[str], where: str) -> Ids:
    """Returns the hashes of texts; see :func:`hash_id`.

    Args:
        texts: ``[N]`` texts, possibly repeated.
        where: Where they are, for the message.

    Raises:
        GalaxyError: Two different texts have the same hash.
    """
    codes, different = pd.factorize(np.array(list(texts), dtype=object))
    hashes = np.fromiter(map(hash_id, different), dtype=np.int64, count=len(different))
    repeated = pd.Series(hashes).duplicated(keep=False).to_numpy()
    if repeated.any():
        first, second = different[hashes == hashes[repeated][0]][:2]
        raise GalaxyError(f"{where}: the ids {first!r} and {second!r} have the same hash: change one of them")
    return hashes[codes]


def _parse_integers(ids: npt.NDArray[np.object_]) -> Ids | None:
    """Parses ids as integers; None if one is no integer, is negative or has leading zeros."""
    joined = "".join(ids)
    try:
        if joined.isascii() and joined.isdigit():
            integers = ids.astype(np.int64)
        else:
            integers = np.fromiter(map(parse_integer, ids), dtype=np.int64, count=len(ids))
    except (ValueError, OverflowError):
        return None
    if (integers < 0).any() or any(_LEADING_ZERO.match(each) for each in ids):
        return None
    return integers


def _find_lost_digits(text: npt.NDArray[np.object_]) -> int | None:
    """Returns the row of an id that was converted to a float and may have lost digits, if there is one."""
    numbers = [_FLOAT.fullmatch(each) for each in text]
    only_numbers = all(number or not each for number, each in zip(numbers, text, strict=True))
    for row, number in enumerate(numbers):
        if number is None:
            if _LOST_DIGITS.fullmatch(text[row]):  # With a decimal comma.
                return row
            continue
        exponent = "e" in number[0].lower()
        large = number[1] is not None and abs(float(number[0])) > LARGEST_EXACT_FLOAT
        if _LOST_DIGITS.fullmatch(number[0]) or large or (only_numbers and exponent):
            return row
    return None
