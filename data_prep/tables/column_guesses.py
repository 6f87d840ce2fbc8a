"""Finds the columns of a catalogue: by name, or by guessing from the names that are in use."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError

Tiers = tuple[tuple[str, ...], ...]

GUESSES: Final[dict[str, Tiers]] = {
    "id": (
        (
            *("objid", "dr7objid", "dr8objid", "iauname", "idstr", "galaxyid", "objectid", "id", "sourceid"),
            *("sdssobjid", "galid", "gzid", "coaddobjectid", "lsid"),
        ),
        ("specobjid", "name", "designation", "galaxy", "object", "objname", "galaxyname"),
    ),
    "label": (
        ("label", "labels", "class", "classlabel", "classname", "derivedlabel", "truelabel", "targetclass"),
        (
            "morphology",
            "morphtype",
            "hubbletype",
            "galaxytype",
            "classification",
            "target",
            "type",
            "category",
        ),
    ),
    "path": (
        ("path", "filepath", "fileloc", "filename", "imagepath", "imagefile", "imagefilename"),
        ("file", "image", "imagename", "img", "jpg", "png", "fits"),
        ("assetid",),
    ),
    "split": (("split", "datasplit", "partition"), ("set", "subset")),
}
"""For each role, the usual names in tiers: a name of a later tier counts only without an earlier one."""

POSITION_GUESSES: Final = (
    ("ra", "dec"),
    ("radeg", "decdeg"),
    ("radeg", "dedeg"),
    ("raj2000", "decj2000"),
    ("raj2000", "dej2000"),
    ("raicrs", "decicrs"),
    ("raicrs", "deicrs"),
    ("ra", "de"),
    ("alphaj2000", "deltaj2000"),
    ("rightascension", "declination"),
)
"""The usual names of right ascension and declination, in the order of preference."""

ROLES: Final = (*GUESSES, "ra", "dec")

KNOWN_NAMES: Final = frozenset(
    name for tiers in (*GUESSES.values(), POSITION_GUESSES) for tier in tiers for name in tier
)
"""All names that are guessed, as :func:`plain_name` returns them."""

_NEAREST: Final = 3
_MAX_NAMES: Final = 300
"""Maximum length of a list of column names in a message, in characters."""


@dataclass(frozen=True)
class Guess:
    """The guessed column of a role.

    Attributes:
        role: One of ``ROLES``.
        column: The column's name; None if no column has a usual name, or several have one.
        candidates: The columns with equally usual names, if there are several.
    """

    role: str
    column: str | None
    candidates: tuple[str, ...] = ()

    def describe(self, option: str) -> str:
        """Returns one line for the user.

        Args:
            option: The option that names the column, such as ``--id-column``.
        """
        if self.column is not None:
            return f"{self.role} column: {self.column} (guessed; {option} names another)"
        if self.candidates:
            return f"{self.role} column: {' or '.join(self.candidates)}? Name it with {option}"
        return f"{self.role} column: none found; {option} names one"


def plain_name(name: str) -> str:
    """Returns a column name in lower case, without blanks and punctuation: ``RA (deg)`` becomes ``radeg``."""
    return "".join(character for character in name.lower() if character.isalnum())


def find_column(names: Sequence[str], wanted: str, path: Path) -> int:
    """Finds a column by its exact name or, if there is none, by its name in any case.

    Args:
        names: The names of all columns.
        wanted: The name of the column to find.
        path: The table, for the message.

    Returns:
        The column's position.

    Raises:
        GalaxyError: There is no such column, or there are several; the message names the nearest ones.
    """
    found = [position for position, name in enumerate(names) if name == wanted]
    if not found:
        folded = wanted.strip().casefold()
        found = [position for position, name in enumerate(names) if name.casefold() == folded]
    if len(found) == 1:
        return found[0]
    if found:
        alike = sorted({names[position] for position in found})
        raise GalaxyError(
            f"{path} has {len(found)} columns named {wanted}: keep the intended one"
            if len(alike) == 1
            else f"{path} has no column {wanted}, but {' and '.join(alike)}: write the exact name of one"
        )
    raise GalaxyError(f"{path} has no column {wanted}{_describe_nearest(names, wanted)}")


def find_named(names: Sequence[str], named: Mapping[str, str | None], path: Path) -> dict[str, str]:
    """Finds the columns that the user has named.

    Args:
        names: The names of all columns.
        named: The name of the column of each role, with ``ra`` and ``dec``; None if it is not named.
        path: The table, for the message.

    Returns:
        The exact names of the named columns, by role.

    Raises:
        GalaxyError: A column is missing or ambiguous, or only one of the two coordinates is named.
    """
    if (named["ra"] is None) != (named["dec"] is None):
        raise GalaxyError("--ra-column and --dec-column are used together: name both")
    return {role: names[find_column(names, name, path)] for role, name in named.items() if name is not None}


def list_names(names: Sequence[str]) -> str:
    """Returns column names separated by commas, as far as they fit into a message."""
    listed = ", ".join(name for name in names if name)
    return listed if len(listed) <= _MAX_NAMES else f"{listed[:_MAX_NAMES]} ..."


def guess_columns(names: Sequence[str]) -> dict[str, Guess]:
    """Guesses the columns of a catalogue from names that are in use.

    Args:
        names: The names of all columns.

    Returns:
        A guess for each of ``ROLES``. Right ascension and declination are guessed together or not at all.
    """
    columns: dict[str, list[str]] = {}
    for name in names:
        columns.setdefault(plain_name(name), []).append(name)
    guesses = {role: _guess(role, tiers, columns) for role, tiers in GUESSES.items()}
    pairs = (pair for pair in POSITION_GUESSES if all(len(columns.get(name, [])) == 1 for name in pair))
    ra, dec = next(pairs, (None, None))
    guesses["ra"] = Guess("ra", columns[ra][0] if ra else None)
    guesses["dec"] = Guess("dec", columns[dec][0] if dec else None)
    return guesses


def _guess(role: str, tiers: Tiers, columns: dict[str, list[str]]) -> Guess:
    """Guesses the column of a role from the first tier that has one."""
    for tier in tiers:
        found = [column for name in tier for column in columns.get(name, [])]
        if found:
            return Guess(role, found[0]) if len(found) == 1 else Guess(role, None, tuple(found))
    return Guess(role, None)


def _describe_nearest(names: Sequence[str], wanted: str) -> str:
    """Describes the columns whose names are most similar to a missing one, and how many there are."""
    folded = {name.casefold(): name for name in names if name}
    near = [folded[name] for name in difflib.get_close_matches(wanted.casefold(), folded, n=_NEAREST)]
    if near:
        return f"; did you mean {' or '.join(near)}? (It has {len(names):,} columns.)"
    return f"; its {len(names):,} columns are: {list_names(list(folded.values()))}"
