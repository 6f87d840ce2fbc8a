"""Chooses the columns of a table that cutouts need: ids, positions and pixel scales."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.images.relative_scale import RelativeScale
from data_prep.tables.angles import Degrees, is_decimal
from data_prep.tables.catalogues import Catalogue
from data_prep.tables.column_guesses import find_column, find_named, guess_columns, list_names


@dataclass(frozen=True)
class PositionColumns:
    """The columns of a table that the user has named; None for those to be guessed."""

    id: str | None = None
    ra: str | None = None
    dec: str | None = None


def choose_columns(catalogue: Catalogue, named: PositionColumns) -> tuple[PositionColumns, list[str]]:
    """Finds the named columns, and guesses the others from their names.

    Args:
        catalogue: The table.
        named: The columns that the user has named.

    Returns:
        The columns, without one of ids if none is named like it; and a line about each guess.

    Raises:
        GalaxyError: A named column is missing, there are no positions, or several columns may hold the ids.
    """
    names = catalogue.names
    chosen = find_named(names, vars(named), catalogue.path)
    guesses = guess_columns([name for name in names if name not in chosen.values()])
    lines = []
    for role in ("id", "ra", "dec"):
        if role in chosen:
            continue
        guess = guesses[role]
        if guess.candidates:
            raise GalaxyError(f"{catalogue.path}: {guess.describe(f'--{role}-column')}")
        if guess.column is not None:
            chosen[role] = guess.column
            lines.append(guess.describe(f"--{role}-column"))
        elif role == "id":
            lines.append("id column: none found; files are named by position; --id-column names one")
        else:
            raise GalaxyError(
                f"{catalogue.path}: no columns are named like a position (ra and dec, ...): name them with "
                f"--ra-column and --dec-column; its columns are: {list_names(names)}"
            )
    return PositionColumns(**chosen), lines


def parse_scale(text: str, catalogue: Catalogue) -> RelativeScale:
    """Parses the option for the pixel scale.

    Args:
        text: A number, a column, or ``number*column``.
        catalogue: The table.

    Returns:
        The pixel scale, with the exact name of the column.

    Raises:
        GalaxyError: It is none of these, the number is not positive, or the column is missing.
    """
    names = catalogue.names
    if text in names:
        return RelativeScale(1.0, text)
    scale = RelativeScale.parse(text)
    if scale is None:
        raise GalaxyError(
            f"--pixel-scale {text}: write a positive number of arcsec per pixel such as 0.396, a column of "
            "the table, or a number times a column such as '0.02*petroR90_r'"
        )
    if scale.column is None:
        return scale
    try:
        return scale._replace(column=names[find_column(names, scale.column, catalogue.path)])
    except GalaxyError as error:
        raise GalaxyError(f"--pixel-scale {text} is neither a number nor a column: {error}") from None


def unit_in_arcsec(catalogue: Catalogue, name: str) -> float:
    """Returns the size of the unit of a column of pixel scales or radii in arcsec; 1 if the file states none.

    Args:
        catalogue: The table.
        name: The column; its unit is an angle, or an angle per pixel.

    Raises:
        GalaxyError: The column has another unit.
    """
    unit = (catalogue.unit(name) or "").strip()
    if unit.lower() in ("", "arcsec", "arcsec/pixel", "arcsec/pix"):
        return 1.0
    from astropy import units  # Imported here, since it takes a quarter of a second.

    for expected in (units.arcsec, units.arcsec / units.pix):
        try:
            return float(units.Unit(unit).to(expected))
        except (ValueError, TypeError):
            continue
    raise GalaxyError(
        f"{catalogue.where(name)} is in {unit}: convert it to arcsec, and set its unit to arcsec"
    )


def may_be_hours(catalogue: Catalogue, name: str, cells: "pd.Series[Any]", ra: Degrees) -> bool:
    """Returns whether decimal right ascensions without a unit are all between 0 and 24.

    Args:
        catalogue: The table.
        name: The column of right ascensions.
        cells: ``[R]`` its cells as text.
        ra: ``[R]`` the same in degrees.
    """
    present = cells.dropna()
    if present.empty or not is_decimal(present.iloc[0]) or (catalogue.unit(name) or "").strip():
        return False
    return bool(np.nanmax(ra) <= 24)
