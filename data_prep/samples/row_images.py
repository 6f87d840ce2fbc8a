"""Finds the image of each row of a table: by its path, by its name in a mapping, or by the galaxy's id."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.samples.image_lookup import ImageLookup, image_name
from data_prep.samples.table_rows import add_ids_of_images
from data_prep.sources.catalogue_ids import parse_ids
from data_prep.sources.catalogues import open_catalogue
from data_prep.sources.column_guesses import guess_columns

NO_IMAGE: Final = "no image"


def read_mapping(path: Path, rows: pd.DataFrame) -> "pd.Series[Any]":
    """Reads the names of images from a table that maps ids to names.

    Args:
        path: The table.
        rows: ``N`` rows with an ``objid``.

    Returns:
        ``[N]`` names, NaN where the id is not in the mapping.

    Raises:
        GalaxyError: The table cannot be read, or has no column of ids or of names.
    """
    catalogue = open_catalogue(path)
    guesses = guess_columns(catalogue.names)
    id_column, image_column = guesses["id"].column, guesses["path"].column
    if any(name.casefold() == "asset_id" for name in catalogue.names):
        image_column = "asset_id"
    if id_column is None or image_column is None:
        raise GalaxyError(
            f"{path} is not a mapping: it needs a column of ids (objid) and one of image names (asset_id)"
        )
    table = catalogue.read(text=[id_column, image_column])
    ids = parse_ids(table[id_column], path, id_column, catalogue.place)
    images = pd.Series(table[image_column].to_numpy(), index=ids.objid)[~ids.missing]
    return images[~images.index.duplicated()].reindex(rows["objid"])


def add_images(
    rows: pd.DataFrame, lookup: ImageLookup, names: "pd.Series[Any] | None", where: str
) -> list[str]:
    """Adds the column ``path``, and excludes rows without an image.

    Args:
        rows: ``N`` rows of a table, as :class:`data_prep.samples.table_rows.TableRows` describes them.
        lookup: The images.
        names: ``[N]`` names of the images from a mapping; None without one.
        where: The table, for messages.

    Returns:
        Messages for the user.
    """
    notes = []
    paths = np.full(len(rows), None, dtype=object)
    if names is None and "file" in rows:
        paths = lookup.by_path(rows["file"].tolist())
        names = rows["file"]
    if names is not None and not pd.notna(paths).any():
        paths = lookup.by_name([image_name(name) if name else None for name in names.fillna("")])
    if "name" in rows and not pd.notna(paths).any():
        if names is not None:
            notes.append("the images are found by the id, since no other name fits")
        paths = lookup.by_name(rows["name"].tolist())
    if "objid" not in rows:
        files = [image_name(path) if path else f"row {row + 1}" for row, path in enumerate(paths)]
        add_ids_of_images(rows, files, where)
    rows["path"] = paths
    missing = pd.isna(rows["path"]) & (rows["reason"] == "")
    rows.loc[missing, "reason"] = NO_IMAGE
    if missing.any() and not pd.notna(rows["path"]).any():
        expected = next((name for name in rows["name"] if name), "ID")
        found = next(iter(lookup.images.values()))
        notes.append(
            f"no image is named by an id: expected names such as {expected}.jpg, found {found} (--mapping or "
            "--path-column names the images)"
        )
    return notes
