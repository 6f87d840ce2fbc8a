"""The Parquet file of a table of features, which grows by row groups."""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxy_lightning.embedding.sources import EmbeddingModel, GalaxySource
from galaxy_lightning.embedding.table_info import COLUMNS, EMBEDDING, METADATA, TableInfo
from galaxy_lightning.networks.features import BATCH
from galaxy_lightning.tables.parquet_writer import votable_metadata
from galaxy_lightning.tables.schema import describe_column, known_metadata

ROW_GROUP: Final = 64 * BATCH
"""Number of galaxies in a row group, which are in memory at a time."""
_PREDICTED: Final = "predicted"


class TableFile:
    """A Parquet file that grows by row groups, in a ``with`` block.

    Args:
        path: The file.
        model: The model.
        galaxies: All galaxies, of which rows will be appended.

    Attributes:
        written: Number of galaxies so far.
        features: Number of features; 0 without galaxies.
    """

    def __init__(self, path: Path, model: EmbeddingModel, galaxies: GalaxySource) -> None:
        self._path, self._model, self._origin = path, model, galaxies.origin
        self._flags = galaxies.flags
        self._writer: Any = None
        self._waiting: list[tuple[pd.DataFrame, npt.NDArray[np.float32]]] = []
        self.written = self.features = 0
        # The type of a column must not depend on the galaxies of a row group.
        self._ids = ids = galaxies.identifiers
        self._integers = [name for name in ids if name == "objid" and _are_integers(ids[name])]

    def __enter__(self) -> "TableFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def append(self, table: pd.DataFrame, features: npt.NDArray[np.float32]) -> None:
        """Appends galaxies.

        Args:
            table: ``N`` rows: the identifiers and what the model says.
            features: ``[N, features]``.
        """
        self._waiting.append((table, features))
        self.written += len(table)
        self.features = features.shape[1]
        if sum(len(each) for each, _ in self._waiting) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        """Writes the waiting galaxies as a row group."""
        if not self._waiting:
            return
        import pyarrow as pa
        from pyarrow import parquet

        table = pd.concat([each for each, _ in self._waiting], ignore_index=True)
        features = np.concatenate([each for _, each in self._waiting])
        self._waiting.clear()
        columns = {str(name): self._column(table[name]) for name in table}
        flat = pa.array(features.reshape(-1), type=pa.float32())
        columns[EMBEDDING] = pa.FixedSizeListArray.from_arrays(flat, self.features)
        group = pa.table(columns)
        if self._writer is None:
            names = [name for name in columns if pa.types.is_string(group.schema.field(name).type)]
            schema = group.schema.with_metadata(
                {METADATA: self._info().encode(), **self._describe_columns(group.schema, names)}
            )
            # Features hardly repeat: no dictionary of them.
            self._writer = parquet.ParquetWriter(self._path, schema, compression="zstd", use_dictionary=names)
        self._writer.write_table(group.replace_schema_metadata(self._writer.schema.metadata))

    def _column(self, values: "pd.Series[Any]") -> Any:
        """Returns a column in a type that does not depend on its values."""
        import pyarrow as pa

        if values.name in self._integers:
            return pa.array(values.astype("int64"), type=pa.int64())
        if values.dtype == "boolean":
            return pa.array(values, type=pa.bool_(), from_pandas=True)
        if pd.api.types.is_numeric_dtype(values):
            return pa.array(values.to_numpy(), from_pandas=True)
        return pa.array([_as_utf8(value) for value in values], type=pa.string())

    def _describe_columns(self, schema: Any, texts: list[str]) -> dict[bytes, bytes]:
        """Returns metadata with the descriptions, units and UCDs of the columns; ``texts`` hold text."""
        import pyarrow as pa
        from astropy.table import Table

        model, trained, digest = self._model
        classes, inference = list(model.model.classes), model.model.inference
        table = Table(
            meta=known_metadata(
                model=model.model.network.name,
                checkpoint_sha256=digest,
                galaxy_lightning=version("galaxy-lightning"),
                zooms=inference.zooms,
            )
        )
        for field in schema:
            if field.name == EMBEDDING:
                table[field.name] = np.empty((0, self.features), dtype=np.float32)
            elif pa.types.is_boolean(field.type) and self._flags.may_be_missing:
                table[field.name] = np.ma.MaskedArray(np.empty(0, dtype=bool), mask=True)
            else:
                kind = "U" if field.name in texts else field.type.to_pandas_dtype()
                table[field.name] = np.empty(0, dtype=kind)
            info = COLUMNS.get(field.name) or describe_column(field.name, classes, trained.class_descriptions)
            info.describe(table[field.name])
        cells = {
            name: classes if name == _PREDICTED else [_as_utf8(cell) or "" for cell in self._ids[name]]
            for name in texts
        }
        widths = {name: max(1, *map(len, each)) for name, each in cells.items()}
        ascii_names = frozenset(name for name, each in cells.items() if "".join(each).isascii())
        return votable_metadata(table, ascii_names, widths)

    def _info(self) -> TableInfo:
        model, trained, digest = self._model
        return TableInfo(
            model=model.model.network.name,
            checkpoint=str(trained.path.resolve()),
            sha256=digest,
            classes=list(model.model.classes),
            features=self.features,
            galaxies=self._origin,
            version=version("galaxy-lightning"),
            class_descriptions=dict(trained.class_descriptions),
        )


def _are_integers(ids: "pd.Series[Any]") -> bool:
    """Returns whether ids are 64-bit integers, and no text with leading zeros is among them."""
    return all(text.isdecimal() and str(int(text)) == text and int(text) < 2**63 for text in ids.astype(str))


def _as_utf8(value: Any) -> str | None:
    """Returns a text whose bytes that are not valid UTF-8 are escaped; None for a missing one."""
    return None if pd.isna(value) else str(value).encode(errors="backslashreplace").decode()
