"""The ids of downloaded cutouts, whose file names are encoded."""

import csv
from pathlib import Path

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_read_errors
from data_prep.schema import CUTOUTS_SETTINGS, CUTOUTS_TABLE


def read_cutout_ids(folder: Path) -> dict[str, str]:
    """Returns the id of each cutout, by its path.

    Args:
        folder: A folder of images.

    Returns:
        The ids as text, by the paths relative to the folder, with slashes; empty if
        ``python -m data_prep cutouts`` has not made the folder.

    Raises:
        GalaxyError: The table of the cutouts is damaged.
    """
    table = folder / CUTOUTS_TABLE
    if not ((folder / CUTOUTS_SETTINGS).is_file() and table.is_file()):
        return {}
    try:
        with explain_read_errors(table), table.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            names = next(rows)
            id_column, path_column = names.index("objid" if "objid" in names else "id"), names.index("path")
            return {row[path_column]: row[id_column] for row in rows}
    except (ValueError, IndexError, StopIteration, csv.Error):
        raise GalaxyError(
            f"{table} is damaged, so that the ids of the images are unknown: run data_prep cutouts again, or "
            f"delete it and {CUTOUTS_SETTINGS} to use the names of the files"
        ) from None
