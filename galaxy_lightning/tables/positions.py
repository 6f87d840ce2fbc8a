"""The positions of galaxies in degrees."""

import pandas as pd

from data_prep.tables.angles import InvalidAngleError, to_degrees


def positions_in_degrees(catalog: pd.DataFrame) -> pd.DataFrame:
    """Returns the positions in a catalogue.

    Args:
        catalog: ``N`` rows, with or without the columns ``ra`` and ``dec`` (in any case): decimal degrees, or
            sexagesimal hours and degrees.

    Returns:
        ``N`` rows with ``ra`` and ``dec`` in degrees, NaN where missing; without columns if the catalogue
        has no valid positions.
    """
    columns = {str(name).lower(): name for name in catalog.columns}
    if not {"ra", "dec"} <= columns.keys():
        return pd.DataFrame(index=catalog.index)
    try:
        degrees = {name: to_degrees(catalog[columns[name]], hours=name == "ra") for name in ("ra", "dec")}
    except InvalidAngleError:
        return pd.DataFrame(index=catalog.index)
    table = pd.DataFrame(degrees, index=catalog.index)
    return table.where(table["ra"].between(0, 360) & table["dec"].between(-90, 90))
