"""Object ids in tables: read exactly, and recognised where a program has rounded them.

SDSS's ids have 18 digits, and 19 since Data Release 8. Spreadsheets keep 15 digits of a number and replace
the rest with zeros; JavaScript keeps 16 or 17; of such large numbers a 64-bit float holds only multiples of
128 or 256. A rounded id looks like an id, and is another galaxy's.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError

LARGEST_EXACT_FLOAT: Final = 2**53
"""Integers above this one do not all survive a conversion to a 64-bit float."""
LARGEST_ID: Final = 2**63 - 1

CHANCE: Final = 1.01e-6
"""A column is refused where true ids would have so many trailing zeros no more often than this."""
LEAST_SHARE: Final = 0.02
"""The smallest share of rounded ids that is looked for: true ids are not quite evenly distributed."""
MOST_ZEROS: Final = 9

REMEDY: Final = "export the column again from the source as 64-bit integers or text"
_FLOATED: Final = f"the ids came through a float, which rounds them to other galaxies' ids: {REMEDY}"
_WHOLE: Final = re.compile(r"([+-]?[0-9]+)(\.0*)?")
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}([,.'\u2019 \u00a0\u2009\u202f])[0-9]{3}(?:\1[0-9]{3})+")
_FLOAT: Final = re.compile(r"[+-]?[0-9]+[.,]?[0-9]*[eE][+-]?[0-9]+")

Ids = npt.NDArray[np.int64]


def whole_number(cell: str) -> int:
    """Reads a whole number, with what spreadsheets write around it.

    Spaces, quotes, a leading apostrophe and ``="..."`` are taken off; so are thousands separators where there
    are at least two of them, and a fraction of zeros where a float holds the number exactly.

    Args:
        cell: The cell's text.

    Raises:
        ValueError: It is no whole number, or has lost digits; the message says which.
    """
    text = cell.strip().removeprefix("=").strip("\"'\u2019 ")
    if _GROUPED.fullmatch(text):
        text = re.sub(r"[^0-9+-]", "", text)
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise ValueError(_FLOATED if _FLOAT.fullmatch(text) else "it must be a whole number")
    digits = match[1].lstrip("+-0")
    if len(digits) > len(str(LARGEST_ID)) or not -LARGEST_ID <= (number := int(match[1])) <= LARGEST_ID:
        raise ValueError(f"it is larger than any 64-bit integer ({LARGEST_ID}), so it is not an id of SDSS")
    if match[2] and abs(number) > LARGEST_EXACT_FLOAT:
        raise ValueError(_FLOATED)
    return number


def whole_numbers(cells: npt.NDArray[Any]) -> Ids:
    """Reads a column of whole numbers from its text.

    Args:
        cells: ``[N]`` strings; anything else is a missing cell.

    Returns:
        ``[N]``, int64.

    Raises:
        ValueError: One is no whole number.
        TypeError: One is missing.
        OverflowError: One is too large.
    """
    text = "".join(cells)
    if text.isascii() and text.isdigit():
        return cells.astype(np.int64)
    return np.fromiter(map(whole_number, cells), dtype=np.int64, count=len(cells))


@dataclass(frozen=True)
class Rounding:
    """What ids have in common that true ones do not.

    Attributes:
        factor: The number that too many of them are multiples of.
        rounded: How many are.
        ids: How many there are, above ``LARGEST_EXACT_FLOAT`` and each counted once.
    """

    factor: int
    rounded: int
    ids: int

    def __str__(self) -> str:
        """Returns the finding as a clause."""
        share = (
            "every id is a multiple"
            if self.rounded == self.ids
            else f"{self.rounded:,} of the {self.ids:,} ids are multiples"
        )
        if self.factor % 10:
            return (
                f"{share} of {self.factor}, so the ids were rounded by a program that read them as floats, "
                "and point at other galaxies"
            )
        return (
            f"{share} of {self.factor:,}, so the ids were rounded by a program that keeps fewer digits "
            "(Excel and Google Sheets keep 15, JavaScript 16 or 17), and point at other galaxies"
        )


def find_rounding(ids: Ids, *, partly: bool = False) -> Rounding | None:
    """Finds out whether ids were rounded to decimals, or to the numbers that a 64-bit float holds.

    Of true ids one in ten is a multiple of 10, and one in 128 a float. The more ids there are, the smaller is
    the chance that all of them are; it is bounded by Chernoff's inequality.

    Args:
        ids: Object ids; those up to 2^53, which a float holds exactly, are left aside.
        partly: Look for ids of which a part was rounded, too.

    Returns:
        What was found; None where the ids may be true.
    """
    large = ids[ids > LARGEST_EXACT_FLOAT]
    if not partly and np.any(large % 2) and np.any(large % 10):
        return None  # As of nearly every column, without another look.
    large = pd.unique(large)
    found: list[tuple[float, Rounding]] = []
    for factor, multiples, expected in _multiples(large):
        if partly or multiples == len(large):
            share = multiples / len(large)
            evidence = len(large) * _divergence(share, expected)
            if share > expected + LEAST_SHARE * (1 - expected) and evidence >= -math.log(CHANCE):
                found.append((evidence, Rounding(factor, multiples, len(large))))
    return max(found, key=lambda each: each[0])[1] if found else None


def refuse_rounded_ids(ids: Ids, path: Path, column: str, *, partly: bool = False) -> None:
    """Stops at object ids that were rounded and now point at other galaxies.

    Args:
        ids: The column.
        path: The table, for the message.
        column: The column's name.
        partly: Stop also where only a part of the ids was rounded.

    Raises:
        GalaxyError: They were.
    """
    rounding = find_rounding(ids, partly=partly)
    if rounding:
        raise GalaxyError(f"{path}, column {column}: {rounding}: {REMEDY}")


def refuse_unmatched_roundings(mapping: Ids, votes: Ids, mapping_path: Path, votes_path: Path) -> None:
    """Stops where object ids of one table would be the other's but for rounding.

    Args:
        mapping: The mapping's object ids.
        votes: Table 2's.
        mapping_path: The mapping, for the message.
        votes_path: Table 2, for the message.

    Raises:
        GalaxyError: The message says which of the tables was rounded.
    """
    unmatched = pd.unique(mapping[~pd.Index(mapping).isin(votes)])
    rounding = find_rounding(unmatched, partly=True)
    if rounding:
        raise GalaxyError(
            f"{mapping_path}, column objid: of the objids that {votes_path.name} lacks, {rounding}: {REMEDY}"
        )
    unmatched = unmatched[unmatched > LARGEST_EXACT_FLOAT]
    if 2 * len(unmatched) <= len(mapping):
        return
    others = pd.unique(votes[(votes > LARGEST_EXACT_FLOAT) & ~pd.Index(votes).isin(mapping)])
    in_mapping = (pd.Index(unmatched).isin(rounded) for rounded in _roundings(others))
    in_votes = (pd.Index(rounded).isin(others) for rounded in _roundings(unmatched))
    for path, column, attempts in ((mapping_path, "objid", in_mapping), (votes_path, "OBJID", in_votes)):
        for found in attempts:
            if 2 * np.count_nonzero(found) >= len(unmatched):
                other = votes_path if path is mapping_path else mapping_path
                raise GalaxyError(
                    f"{path}, column {column}: the ids were rounded by a program that keeps fewer digits: "
                    f"{len(unmatched):,} objids of {mapping_path.name} are not in {votes_path.name}, but "
                    f"{np.count_nonzero(found):,} of them are once those of {other.name} are rounded too: "
                    f"{REMEDY}"
                )


def _multiples(large: Ids) -> Iterator[tuple[int, int, float]]:
    """Yields factors, how many ids are multiples of each, and which share of true ones would be."""
    if not len(large):
        return
    steps = np.spacing(large.astype(np.float64)).astype(np.int64)
    yield int(steps.min()), int(np.count_nonzero(large % steps == 0)), float(np.mean(1 / steps))
    left = large
    for zeros in range(1, MOST_ZEROS + 1):
        left = left[left % 10**zeros == 0]
        yield 10**zeros, len(left), 10.0**-zeros


def _divergence(share: float, expected: float) -> float:
    """Returns Kullback and Leibler's divergence of two shares [nats]."""
    return sum(
        of * math.log(of / to)
        for of, to in ((share, expected), (1 - share, 1 - expected))
        if of > 0 and to > 0
    )


def _roundings(ids: Ids) -> Iterator[Ids]:
    """Yields ids as programs that lose digits would have written them."""
    floats = ids.astype(np.float64)
    yield np.minimum(floats, np.nextafter(2.0**63, 0)).astype(np.int64)
    yield (
        np.array([int(Decimal(repr(number))) for number in floats.tolist()], dtype=object)
        .clip(max=LARGEST_ID)
        .astype(np.int64)
    )
    for factor in (10, 100, 1_000, 10_000):
        cut = ids // factor * factor
        yield cut
        yield np.where(ids % factor >= factor / 2, cut + np.minimum(factor, LARGEST_ID - cut), cut)
