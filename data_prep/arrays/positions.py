"""The identifiers of galaxies and their positions in degrees."""

import pandas as pd

from data_prep.arrays.format import GalaxyArrays
from data_prep.tables.angles import InvalidAngleError, to_degrees


def identify_galaxies(arrays: GalaxyArrays) -> pd.DataFrame:
    """Returns the identifiers of the galaxies of galaxy arrays, and ``ra`` and ``dec`` if known.

    Args:
        arrays: ``N`` galaxies.

    Returns:
        ``N`` rows.
    """
    return pd.concat([arrays.identities, positions_in_degrees(arrays.catalog)], axis=1)


def identify_images(arrays: GalaxyArrays) -> pd.DataFrame:
    """Returns what :func:`identify_galaxies` does, and the ``path`` of each image.

    Args:
        arrays: ``N`` galaxies.

    Returns:
        ``N`` rows.
    """
    return identify_galaxies(arrays).assign(path=arrays.catalog["path"])


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
