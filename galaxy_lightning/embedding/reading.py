"""Reads a table of features."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from galaxy_lightning.embedding.table_info import EMBEDDING, ENTROPY, METADATA, PIXEL_HASH, TableInfo

_REMEDY: Final = "make it with python -m galaxy_lightning embed"
_NEEDED: Final = ("path", "predicted", ENTROPY, PIXEL_HASH, EMBEDDING)


class FeatureRows(NamedTuple):
    """Features of some galaxies of a table.

    Attributes:
        features: float32 ``[M, features]``, finite.
        rows: ``[M]`` their rows in the table, in increasing order. Those with features that are not finite
            are left out.
    """

    features: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]


class EmbeddingTable:
    """A table of features, opened for reading.

    Args:
        path: The Parquet file.

    Attributes:
        path: The Parquet file.
        info: Its metadata.
        galaxies: ``N`` rows with all columns except the features.

    Raises:
        GalaxyError: The file does not exist, is damaged, or was not made by ``embed``.
    """

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self.path = path
        if not path.is_file():
            raise GalaxyError(f"{path} {'is not a file' if path.exists() else 'does not exist'}: {_REMEDY}")
        with self._explained():
            self._file = parquet.ParquetFile(path)
            schema = self._file.schema_arrow
        metadata = schema.metadata or {}
        if METADATA not in metadata:
            raise GalaxyError(f"{path} is not a table of features: {_REMEDY}")
        self.info = TableInfo.parse(metadata[METADATA], path)
        self._check(schema)
        with self._explained():
            others = [name for name in schema.names if name != EMBEDDING]
            self.galaxies: pd.DataFrame = self._file.read(columns=others).to_pandas()
        if self.galaxies.empty:
            raise GalaxyError(f"{path} holds no galaxies: {_REMEDY}")

    @property
    def id_column(self) -> str:
        """The column by which the user knows the galaxies: ``id``, or else ``objid``."""
        return "id" if "id" in self.galaxies else "objid"

    @property
    def ids(self) -> npt.NDArray[Any]:
        """``[N]`` the ids as text; the object id where a galaxy has no other."""
        ids = self.galaxies[self.id_column]
        if "objid" in self.galaxies:
            ids = ids.where(ids.notna(), self.galaxies["objid"])
        return ids.astype(str).to_numpy(dtype=object)

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """``[N, classes]`` probabilities."""
        return self.galaxies[self.info.probability_columns].to_numpy(dtype=np.float64)

    def read_features(self, rows: npt.NDArray[np.int64] | None = None) -> FeatureRows:
        """Reads features, one row group after the other: they are in memory once, ``M * features * 4`` bytes.

        Args:
            rows: ``[M]`` the rows to read, in increasing order; all by default.

        Raises:
            GalaxyError: The file is damaged.
        """
        rows = np.arange(len(self.galaxies)) if rows is None else rows
        features = np.empty((len(rows), self.info.features), dtype=np.float32)
        kept = np.empty(len(rows), dtype=np.int64)
        filled = start = 0
        with (
            self._explained(),
            progress_bar(total=len(rows), desc="read features", unit=" galaxies") as bar,
        ):
            for group in range(self._file.num_row_groups):
                stop = start + self._file.metadata.row_group(group).num_rows
                wanted = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
                if len(wanted):
                    block = self._read_group(group)[wanted - start]
                    good = np.isfinite(block).all(axis=1)
                    end = filled + int(good.sum())
                    features[filled:end], kept[filled:end] = block[good], wanted[good]
                    filled = end
                    bar.update(len(wanted))
                start = stop
        return FeatureRows(features[:filled], kept[:filled])

    def _read_group(self, group: int) -> npt.NDArray[np.float32]:
        """Returns the features of a row group, NaN where they are missing."""
        column = self._file.read_row_group(group, columns=[EMBEDDING]).column(0).combine_chunks()
        missing = column.is_null().to_numpy(zero_copy_only=False)
        features = np.full((len(column), self.info.features), np.nan, dtype=np.float32)
        features[~missing] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.info.features)
        return features

    def _check(self, schema: Any) -> None:
        """Checks that the table has the columns that its metadata promise."""
        import pyarrow as pa

        names = [*_NEEDED, *self.info.probability_columns]
        missing = [name for name in names if name not in schema.names]
        if not {"id", "objid"} & set(schema.names):
            missing.append("objid or id")
        if missing:
            raise GalaxyError(f"{self.path} has no column {', '.join(missing)}: {_REMEDY}")
        kind = schema.field(EMBEDDING).type
        if not (pa.types.is_fixed_size_list(kind) and pa.types.is_float32(kind.value_type)):
            raise GalaxyError(f"{self.path}: the column {EMBEDDING} holds {kind}, no features: {_REMEDY}")
        if kind.list_size != self.info.features:
            raise GalaxyError(
                f"{self.path}: the column {EMBEDDING} has {kind.list_size} features, but the metadata name "
                f"{self.info.features}: {_REMEDY}"
            )
        wrong = [
            name
            for name in (*self.info.probability_columns, ENTROPY, PIXEL_HASH)
            if not (pa.types.is_floating(kind := schema.field(name).type) or pa.types.is_integer(kind))
        ]
        if wrong:
            raise GalaxyError(f"{self.path}: the column {wrong[0]} does not hold numbers: {_REMEDY}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns an error of pyarrow into a ``GalaxyError``."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise GalaxyError(
                f"{self.path} cannot be read as Parquet, and may be damaged or incomplete ({reason}): "
                f"{_REMEDY}"
            ) from error
