"""Reads the positions of a catalogue in degrees."""

from typing import Any, Final

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.tables.angles import Degrees, InvalidAngleError, is_decimal, to_degrees
from data_prep.tables.catalogues import Catalogue

_RANGES: Final = {"right ascension": (0.0, 360.0), "declination": (-90.0, 90.0)}


def read_positions(catalogue: Catalogue, ra: str, dec: str) -> pd.DataFrame:
    """Reads the positions of a catalogue; see :func:`parse_positions`."""
    return parse_positions(catalogue.read(text=[ra, dec]), catalogue, ra, dec)


def parse_positions(
    table: pd.DataFrame, catalogue: Catalogue, ra: str, dec: str, *, ra_hours: bool = False
) -> pd.DataFrame:
    """Converts the positions of a catalogue to degrees.

    Args:
        table: The columns of the catalogue as text, as ``Catalogue.read`` returns them.
        catalogue: The catalogue.
        ra: The column of right ascensions: decimal degrees or sexagesimal hours.
        dec: The column of declinations: decimal or sexagesimal degrees.
        ra_hours: Whether decimal right ascensions are in hours, 0 to 24.

    Returns:
        One row per row of the catalogue, with the columns ``ra`` (0 to 360) and ``dec`` (-90 to 90) in
        degrees, float64; NaN where a cell is missing.

    Raises:
        GalaxyError: A cell is not an angle or out of range, or a column has another unit than degrees.
    """
    positions: dict[str, Degrees] = {}
    for name, column, (angle, (low, high)) in zip(("ra", "dec"), (ra, dec), _RANGES.items(), strict=True):
        try:
            degrees = to_degrees(table[column], hours=name == "ra")
        except InvalidAngleError as error:
            raise GalaxyError(f"{catalogue.where(column, error.row)}: {error}") from None
        in_hours = ra_hours and name == "ra" and _are_decimal(table[column])
        if in_hours:
            degrees = degrees * _check_hours(catalogue, column)
        elif _are_decimal(table[column]):
            degrees = degrees * _unit_in_degrees(catalogue, column)
        invalid = ~np.isnan(degrees) & ~((low <= degrees) & (degrees <= high))
        if invalid.any():
            row = int(np.argmax(invalid))
            allowed = "0 to 24 hours" if in_hours else f"{low:g} to {high:g} degrees"
            raise GalaxyError(
                f"{catalogue.where(column, row)}: {table[column].iloc[row]} is not a {angle}: it must be "
                f"{allowed}"
            )
        positions[name] = degrees
    return pd.DataFrame(positions)


def _are_decimal(column: "pd.Series[Any]") -> bool:
    """Returns whether a valid column holds decimal angles."""
    present = column.dropna()
    return present.empty or is_decimal(present.iloc[0])


def _check_hours(catalogue: Catalogue, column: str) -> float:
    """Returns the size of an hour of right ascension in degrees, unless a column has another unit."""
    unit = catalogue.unit(column)
    if unit is not None and unit.strip().lower() not in ("", "h", "hr", "hour", "hours", "hourangle"):
        raise GalaxyError(f"{catalogue.where(column)} is in {unit}, not in hours: leave out --ra-hours")
    return 15.0


def _unit_in_degrees(catalogue: Catalogue, column: str) -> float:
    """Returns the size of a column's unit in degrees; 1 if the file states none."""
    unit = catalogue.unit(column)
    if unit is None or unit.strip().lower() in ("", "deg", "degree", "degrees"):
        return 1.0
    from astropy import units  # Imported here, since it takes a quarter of a second.

    try:
        return float(units.Unit(unit).to(units.deg))
    except (ValueError, TypeError):
        raise GalaxyError(
            f"{catalogue.where(column)} is in {unit}: convert it to degrees, and set its unit to deg"
        ) from None
