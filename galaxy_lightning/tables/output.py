"""From a CSV table of predictions to the table that the user asked for."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.files import new_files
from galaxy_lightning.tables.holding import require_names
from galaxy_lightning.tables.joining import KEYS, Join
from galaxy_lightning.tables.reading import open_predictions
from galaxy_lightning.tables.schema import Metadata
from galaxy_lightning.tables.writing import convert_predictions, write_table

_IDENTIFIERS = (*KEYS, "path")


class TableOutput:
    """Converts a table of predictions to a format, and joins it with a catalogue.

    Args:
        descriptions: Descriptions of the classes by name; any may be missing.
        about: Returns what is known about the table, when it is written.
        join: The catalogue, if any.

    Attributes:
        notes: Messages for the user, after the conversion.
        rows: The row of the predictions for each row of the catalogue, -1 where there is none, after the
            conversion; None without a catalogue.
    """

    def __init__(
        self, descriptions: Mapping[str, str], about: Callable[[], Metadata], join: Join | None = None
    ) -> None:
        self.join = join
        self.notes: list[str] = [] if join is None else list(join.notes)
        self.rows: npt.NDArray[np.int64] | None = None
        self._descriptions, self._about = descriptions, about

    def write(self, rows: Path, out: Path) -> pd.DataFrame | None:
        """Writes the table.

        Args:
            rows: The predictions, as CSV.
            out: The file, a temporary one; its suffix decides the format.

        Returns:
            The identifiers of the predictions that are not in the table, with the ``reason``; None if
            all are.

        Raises:
            GalaxyError: A cell of the predictions is invalid, the catalogue has none of the galaxies, or
                the format cannot hold the name of a column.
        """
        predictions = open_predictions(rows, self._descriptions, self._about())
        if self.join is None:
            require_names([column.name for column in predictions.columns], out)
            convert_predictions(predictions, out)
            return None
        table = predictions.read()
        joined = self.join.join(table)
        require_names(joined.table.colnames, out)
        write_table(joined.table, out)
        self.notes += joined.notes
        self.rows = joined.rows
        if not joined.left_out:
            return None
        left_out = table[list(joined.left_out)]
        names = [name for name in _IDENTIFIERS if name in table.colnames]
        return pd.DataFrame({name: left_out[name].tolist() for name in names}).assign(
            reason=list(joined.left_out.values())
        )


def convert(source: Path, out: Path, output: TableOutput, left_out: Path) -> int:
    """Converts a CSV table of predictions atomically.

    Args:
        source: The CSV table.
        out: The table to write; its suffix decides the format.
        output: How it is converted.
        left_out: The CSV file to list the predictions in that are not in the table, if there are any.

    Returns:
        The number of these.

    Raises:
        GalaxyError: See :meth:`TableOutput.write`.
    """
    with new_files(out, left_out) as (table, listed):
        others = output.write(source, table)
        if others is not None:
            others.to_csv(listed, index=False, errors="backslashreplace")
    return 0 if others is None else len(others)
