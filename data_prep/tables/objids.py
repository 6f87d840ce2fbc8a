"""Reads object ids exactly, and detects ids that a program has rounded.

SDSS object ids have 18 digits, and 19 since Data Release 8. Spreadsheets keep 15 digits of a number and
replace the rest with zeros; JavaScript keeps 16 or 17 digits; a 64-bit float represents only multiples of
128 or 256 among such large numbers. A rounded id still looks valid, but belongs to another galaxy.
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
"""The largest integer up to which a 64-bit float represents all integers."""
LARGEST_ID: Final = 2**63 - 1

SIGNIFICANCE: Final = 1.01e-6
"""A column is refused if the probability that true ids look as rounded is at most this."""
MIN_ROUNDED_SHARE: Final = 0.02
"""The smallest share of rounded ids to detect, since true ids are not exactly uniformly distributed."""
MAX_TRAILING_ZEROS: Final = 9

REMEDY: Final = "export the column again from the source as 64-bit integers or text"
_FLOATED: Final = f"the ids were converted to floats, which rounds them to other galaxies' ids: {REMEDY}"
_INTEGER: Final = re.compile(r"([+-]?[0-9]+)(\.0*)?")
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}([,.'\u2019 \u00a0\u2009\u202f])[0-9]{3}(?:\1[0-9]{3})+")
_FLOAT: Final = re.compile(r"[+-]?[0-9]+[.,]?[0-9]*[eE][+-]?[0-9]+")

Ids = npt.NDArray[np.int64]


def parse_integer(cell: str) -> int:
    """Parses an integer as spreadsheets write it.

    Spaces, quotes, a leading apostrophe and ``="..."`` are ignored. So are thousands separators if there are
    at least two, and a fraction of zeros if a float represents the number exactly.

    Args:
        cell: The cell's text.

    Raises:
        ValueError: The cell is not an integer or has lost digits; the message says which.
    """
    text = cell.strip().removeprefix("=").strip("\"'\u2019 ")
    if _GROUPED.fullmatch(text):
        text = re.sub(r"[^0-9+-]", "", text)
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise ValueError(_FLOATED if _FLOAT.fullmatch(text) else "it must be an integer")
    digits = match[1].lstrip("+-0")
    if len(digits) > len(str(LARGEST_ID)) or not -LARGEST_ID <= (number := int(match[1])) <= LARGEST_ID:
        raise ValueError(f"it exceeds the largest 64-bit integer ({LARGEST_ID}), so it is not an SDSS id")
    if match[2] and abs(number) > LARGEST_EXACT_FLOAT:
        raise ValueError(_FLOATED)
    return number


def parse_integers(cells: npt.NDArray[Any]) -> Ids:
    """Parses a column of integers.

    Args:
        cells: ``[N]`` strings; anything else is a missing cell.

    Returns:
        ``[N]``, int64.

    Raises:
        ValueError: A cell is not an integer.
        TypeError: A cell is missing.
        OverflowError: A number is too large.
    """
    text = "".join(cells)
    if text.isascii() and text.isdigit():
        return cells.astype(np.int64)
    return np.fromiter(map(parse_integer, cells), dtype=np.int64, count=len(cells))


@dataclass(frozen=True)
class Rounding:
    """Evidence that ids were rounded: too many are multiples of one factor.

    Attributes:
        factor: The factor.
        rounded: The number of ids that are multiples of it.
        ids: The number of distinct ids above ``LARGEST_EXACT_FLOAT``.
    """

    factor: int
    rounded: int
    ids: int

    def __str__(self) -> str:
        """Returns the evidence as a clause."""
        share = (
            "every id is a multiple"
            if self.rounded == self.ids
            else f"{self.rounded:,} of the {self.ids:,} ids are multiples"
        )
        program = (
            "read them as floats"
            if self.factor % 10
            else "keeps fewer digits (Excel and Google Sheets keep 15, JavaScript 16 or 17)"
        )
        return (
            f"{share} of {self.factor:,}, so a program that {program} has rounded the ids, and they now "
            "belong to other galaxies"
        )


def find_rounding(ids: Ids, *, partly: bool = False) -> Rounding | None:
    """Tests whether ids were rounded to fewer decimal digits or to 64-bit floats.

    One in ten true ids is a multiple of 10, and one in 128 is representable as a float. The Chernoff bound
    limits the probability that a given share of true ids is, which decreases with the number of ids.

    Args:
        ids: Object ids. Those up to 2^53 are ignored, because a float represents them exactly.
        partly: Whether to detect columns in which only some of the ids were rounded.

    Returns:
        The strongest evidence; None if the ids may be true.
    """
    large = ids[ids > LARGEST_EXACT_FLOAT]
    if not partly and np.any(large % 2) and np.any(large % 10):
        return None  # The common case, without removing duplicates.
    large = pd.unique(large)
    found: list[tuple[float, Rounding]] = []
    for factor, multiples, expected in _multiples(large):
        if partly or multiples == len(large):
            share = multiples / len(large)
            evidence = len(large) * _divergence(share, expected)
            if share > expected + MIN_ROUNDED_SHARE * (1 - expected) and evidence >= -math.log(SIGNIFICANCE):
                found.append((evidence, Rounding(factor, multiples, len(large))))
    return max(found, key=lambda each: each[0])[1] if found else None


def refuse_rounded_ids(ids: Ids, path: Path, column: str, *, partly: bool = False) -> None:
    """Raises an error if object ids were rounded and thus belong to other galaxies.

    Args:
        ids: The column of ids.
        path: The table, for the message.
        column: The column's name.
        partly: Whether to refuse columns in which only some of the ids were rounded.

    Raises:
        GalaxyError: The ids were rounded.
    """
    rounding = find_rounding(ids, partly=partly)
    if rounding:
        raise GalaxyError(f"{path}, column {column}: {rounding}: {REMEDY}")


def refuse_ids_rounded_in_one_table(mapping: Ids, votes: Ids, mapping_path: Path, votes_path: Path) -> None:
    """Raises an error if the ids of two tables do not match because those of one table were rounded.

    Args:
        mapping: The object ids of the mapping.
        votes: The object ids of Table 2.
        mapping_path: The mapping, for the message.
        votes_path: Table 2, for the message.

    Raises:
        GalaxyError: The ids of one table were rounded; the message names the table.
    """
    unmatched = pd.unique(mapping[~pd.Index(mapping).isin(votes)])
    rounding = find_rounding(unmatched, partly=True)
    if rounding:
        raise GalaxyError(
            f"{mapping_path}, column objid: among the objids that are not in {votes_path.name}, {rounding}: "
            f"{REMEDY}"
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
                    f"{path}, column {column}: a program that keeps fewer digits has rounded the ids: "
                    f"{len(unmatched):,} objids of {mapping_path.name} are not in {votes_path.name}, but "
                    f"{np.count_nonzero(found):,} of these match if the ids of {other.name} are rounded too: "
                    f"{REMEDY}"
                )


def _multiples(large: Ids) -> Iterator[tuple[int, int, float]]:
    """Yields a factor, the number of its multiples among the ids, and the expected share among true ids."""
    if not len(large):
        return
    steps = np.spacing(large.astype(np.float64)).astype(np.int64)
    yield int(steps.min()), int(np.count_nonzero(large % steps == 0)), float(np.mean(1 / steps))
    multiples = large
    for zeros in range(1, MAX_TRAILING_ZEROS + 1):
        multiples = multiples[multiples % 10**zeros == 0]
        yield 10**zeros, len(multiples), 10.0**-zeros


def _divergence(share: float, expected: float) -> float:
    """Returns the Kullback-Leibler divergence of two Bernoulli distributions [nats]."""
    return sum(
        p * math.log(p / q) for p, q in ((share, expected), (1 - share, 1 - expected)) if p > 0 and q > 0
    )


def _roundings(ids: Ids) -> Iterator[Ids]:
    """Yields the ids rounded in each of the ways that programs round them."""
    floats = ids.astype(np.float64)
    yield np.minimum(floats, np.nextafter(2.0**63, 0)).astype(np.int64)
    yield (
        np.array([int(Decimal(repr(number))) for number in floats.tolist()], dtype=object)
        .clip(max=LARGEST_ID)
        .astype(np.int64)
    )
    for factor in (10, 100, 1_000, 10_000):
        truncated = ids // factor * factor
        rounded_up = truncated + np.minimum(factor, LARGEST_ID - truncated)
        yield truncated
        yield np.where(ids % factor >= factor / 2, rounded_up, truncated)
