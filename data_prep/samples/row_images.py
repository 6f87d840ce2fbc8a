"""Finds the image of each row of a table: by its path, by its name in a mapping, or by the galaxy's id."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.samples.image_lookup import ImageLookup, image_name
from data_prep.tables.catalogue_ids import hash_ids, parse_ids
from data_prep.tables.catalogues import open_catalogue
from data_prep.tables.column_guesses import guess_columns
from data_prep.tables.objids import LARGEST_ID

NO_IMAGE: Final = "no image"


@dataclass(frozen=True)
class ImageNames:
    """The names of the images in a mapping.

    Attributes:
        path: The table.
        names: The name or path of each image, with the galaxy's id as text as its index; ids may be repeated.
    """

    path: Path
    names: "pd.Series[Any]"


def read_mapping(path: Path) -> ImageNames:
    """Reads the names of images from a table that maps ids to names.

    Args:
        path: The table, in any format.

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
            f"{path} is not a mapping: it needs a column of ids (such as objid) and one of image names (such "
            f"as asset_id); its columns are: {', '.join(catalogue.names[:20])}"
        )
    table = catalogue.read(text=[id_column, image_column])
    ids = parse_ids(table[id_column], path, id_column, catalogue.place)
    return ImageNames(path, pd.Series(table[image_column].to_numpy(), index=ids.names)[~ids.missing])


def add_images(rows: pd.DataFrame, lookup: ImageLookup, mapping: ImageNames | None, where: str) -> list[str]:
    """Adds the column ``path``, and excludes rows without an image; images identify galaxies without ids.

    Args:
        rows: ``N`` rows of a table, as :class:`data_prep.samples.table_rows.TableRows` describes them.
        lookup: The images.
        mapping: The names of the images, if they are not those of the galaxies.
        where: The table, for messages.

    Returns:
        Messages for the user.
    """
    notes: list[str] = []
    paths = np.full(len(rows), None, dtype=object)
    if mapping is not None:
        paths, notes = _find_by_mapping(rows, lookup, mapping, where)
    elif "file" in rows:
        paths = _find(lookup, rows["file"])
    if "name" in rows and not pd.notna(paths).any():
        paths = lookup.by_name(_texts(rows["name"]))
        if pd.notna(paths).any() and (mapping is not None or "file" in rows):
            other = "path in the table" if mapping is None else f"name in {mapping.path}"
            notes.append(f"the images are found by the ids, since no {other} is that of an image")
    rows["path"] = paths
    if "objid" not in rows:
        add_ids_of_images(rows, lookup, where)
    missing = rows["path"].isna() & (rows["reason"] == "")
    rows.loc[missing, "reason"] = NO_IMAGE
    if missing.any() and rows["path"].isna().all():
        named = rows["file"] if "file" in rows else rows["name"] + ".jpg"
        example = next(iter(named.dropna()), "ID.jpg")
        found = next(iter(lookup.images.values()))
        notes.append(
            f"no image in {lookup.folder} belongs to a row of the table: expected names such as {example}, "
            f"found {found} (--path-column, --mapping or --pattern tell how the images are named)"
        )
    return notes


def add_ids_of_images(rows: pd.DataFrame, lookup: ImageLookup, where: str) -> None:
    """Identifies galaxies by their images: by the name or, if several images have the same, by the path.

    Args:
        rows: ``N`` rows with a ``path``, None if there is no image.
        lookup: The images. Their names become the object ids if all are integers.
        where: Where the names come from, for messages.
    """
    known = rows["path"].notna().to_numpy()
    paths = rows.loc[known, "path"].tolist()
    names = lookup.names(paths)
    if len(set(names)) < len(set(paths)):
        names = lookup.long_names(paths)
    rows["objid"], rows["name"] = np.int64(0), None
    rows.loc[known, "name"] = names
    if all(map(_is_objid, names)):
        rows.loc[known, "objid"] = np.array([int(name) for name in names], dtype=np.int64)
    else:
        rows.loc[known, "objid"] = hash_ids(names, where)
        rows["id"] = rows["name"]


def _find(lookup: ImageLookup, names: "pd.Series[Any]") -> npt.NDArray[np.object_]:
    """Returns the image of each path or, if no path fits, of each name; None where there is none."""
    texts = _texts(names)
    paths = lookup.by_path(texts)
    if pd.notna(paths).any():
        return paths
    return lookup.by_name([image_name(text.replace("\\", "/")) if text else None for text in texts])


def _find_by_mapping(
    rows: pd.DataFrame, lookup: ImageLookup, mapping: ImageNames, where: str
) -> tuple[npt.NDArray[np.object_], list[str]]:
    """Returns the image of each row by the mapping, the first one that exists, and messages."""
    if "name" not in rows:
        raise GalaxyError(f"{where}: --mapping needs the ids of the galaxies: add --id-column")
    if set(rows["name"].dropna()).isdisjoint(mapping.names.index):
        first = next(iter(rows["name"].dropna()), "none")
        in_mapping = next(iter(mapping.names.index), "none")
        return np.full(len(rows), None, dtype=object), [
            f"no id of the table is in {mapping.path}: the first id of the table is {first}, that of the "
            f"mapping {in_mapping}"
        ]
    found = pd.Series(_find(lookup, mapping.names), index=mapping.names.index, dtype=object).dropna()
    repeated = found.index.duplicated()
    several = len(found.index[repeated & found.index.isin(rows["name"])].unique())
    notes = [f"{several:,} ids have several images in {mapping.path}, of which the first is used"]
    paths = found[~repeated].reindex(rows["name"])
    return np.array(_texts(paths), dtype=object), notes if several else []


def _texts(column: "pd.Series[Any]") -> list[str | None]:
    """Returns the cells of a column, None where one is missing, whichever way pandas marks it."""
    return [cell if isinstance(cell, str) else None for cell in column]


def _is_objid(name: str) -> bool:
    """Returns whether a name is an integer that can be an object id, as ``parse_ids`` accepts it."""
    return name.isascii() and name.isdigit() and str(int(name)) == name and int(name) <= LARGEST_ID
