"""Reads catalogues in the formats FITS, VOTable and Parquet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.tables.column_types import set_column, text_table, with_plain_text

if TYPE_CHECKING:
    from astropy.table import Table

_CHARACTERS: Final = ("char", "unicodeChar")
_NO_SCALE: Final = (None, "", 1)
_FRAME: Final = ("RADESYS", "EQUINOX")


class _BinaryCatalogue:
    """What the readers of binary formats share.

    Args:
        path: The file.
        content: Its content if it was gzipped, or None.

    Attributes:
        kind: The format, for messages.
        names: The column names.
        units: The units of columns, by position, if known.
        unusable: Why columns cannot be read, by position.
        notes: Messages for the user.
    """

    kind: str

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self._path, self._content = path, content
        self.names: list[str] = []
        self.units: dict[int, str] = {}
        self.unusable: dict[int, str] = {}
        self.notes: list[str] = []

    has_types = True

    @property
    def _source(self) -> Path | BytesIO:
        """The file, or its decompressed content."""
        return self._path if self._content is None else BytesIO(self._content)

    def place(self, row: int) -> str:
        """Returns the number of a row, from 1 on, for messages."""
        return f"row {row + 1:,}"


class FitsCatalogue(_BinaryCatalogue):
    """The first table of a FITS file, binary or ASCII; see :class:`_BinaryCatalogue`."""

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        super().__init__(path, content)
        from astropy.io import fits  # Imported here, since it takes half a second.

        with self._open() as hdus:
            tables = [
                (number, hdu)
                for number, hdu in enumerate(hdus)
                if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
                and not isinstance(hdu, fits.CompImageHDU)
            ]
            if not tables:
                raise GalaxyError(f"{path} is a FITS file without a table: name the file of the catalogue")
            self._number, hdu = tables[0]
            self._is_ascii = isinstance(hdu, fits.TableHDU)
            self.kind = f"FITS table in HDU {self._number}"
            if len(tables) > 1:
                title = f" ({hdu.name})" if hdu.name else ""
                self.notes.append(
                    f"{path.name} has {len(tables)} tables: the first one is read, HDU {self._number}{title}"
                )
            if hdu.header.get("ZTABLE"):
                raise GalaxyError(f"{path} is a compressed FITS table: unpack it with funpack")
            end = hdu.fileinfo()["datLoc"] + hdu.header["NAXIS1"] * hdu.header["NAXIS2"]
            size = path.stat().st_size if content is None else len(content)
            if end + hdu.header.get("PCOUNT", 0) > size:
                raise GalaxyError(f"{path} is incomplete or damaged: copy or download it again")
            self.names = list(hdu.columns.names)
            repeated = next((name for name in self.names if self.names.count(name) > 1), None)
            if repeated is not None:
                raise GalaxyError(
                    f"{path} has {self.names.count(repeated)} columns named {repeated}: rename all but one"
                )
            for position, column in enumerate(hdu.columns):
                if column.unit:
                    self.units[position] = column.unit
                dtype = hdu.columns.dtype[position]
                if dtype.shape or dtype.kind in "cV" or not dtype.itemsize:
                    self.unusable[position] = f"has the format {column.format}, not one value per row"

    def cells(self, positions: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Reads columns; see :meth:`data_prep.tables.text_catalogues.TextCatalogue.cells`.

        Returns:
            For each position, ``[N]`` in the column's own type, masked where integers are blank (``TNULL``).
        """
        found: list[npt.NDArray[Any]] = []
        with self._open() as hdus:
            hdu = hdus[self._number]
            for position in positions:
                column = hdu.columns[position]
                if hdu.header["XTENSION"] == "TABLE" and column.bscale in _NO_SCALE and not column.bzero:
                    found.append(_ascii_cells(hdu, position))
                    continue
                cells = np.array(hdu.data.field(position))  # A copy, since the file will be closed.
                if column.null not in (None, "") and cells.dtype.kind in "iu":
                    cells = np.ma.MaskedArray(cells, cells == int(column.null))
                found.append(cells)
        return found

    @property
    def has_types(self) -> bool:  # type: ignore[override]
        """Whether the columns have types: not in an ASCII table, whose blank cells astropy reads as 0."""
        return not self._is_ascii

    def table(self) -> "Table":
        """Reads the whole table; see :meth:`data_prep.tables.text_catalogues.TextCatalogue.table`."""
        from astropy.table import Table

        with self._open() as hdus:
            hdu = hdus[self._number]
            if self._is_ascii:
                return text_table(self.names, self.cells(range(len(self.names))))
            table = Table(Table.read(hdu, unit_parse_strict="silent"), copy=True, masked=False)
            stored = hdu.data.view(np.ndarray)
            for number, (name, column) in enumerate(zip(self.names, hdu.columns, strict=True), 1):
                if column.format == "L":
                    # A null is the byte 0, which astropy reads as False.
                    set_column(table, name, np.ma.MaskedArray(table[name], stored[name] == 0))
                if description := hdu.header.get(f"TCOMM{number}"):
                    table[name].description = description
                if ucd := hdu.header.get(f"TUCD{number}"):
                    table[name].meta["ucd"] = ucd
            table.meta = {card.lower(): hdu.header[card] for card in _FRAME if hdu.header.get(card)}
        return with_plain_text(table)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """Opens the file; a column is mapped into memory and only its pages are read."""
        from astropy.io import fits

        with fits.open(self._source, memmap=self._content is None) as hdus:
            yield hdus


def _ascii_cells(hdu: Any, position: int) -> npt.NDArray[Any]:
    """Returns a column of an ASCII table as text, since astropy reads blank cells as 0."""
    column = hdu.columns[position]
    cells = [cell.decode("latin-1").strip() for cell in hdu.data.view(np.ndarray)[column.name].tolist()]
    null = str(column.null or "").strip()
    blank = [cell in ("", null) for cell in cells]
    if column.format[0] in "DEF":  # Fortran writes 1.5D+03.
        cells = [cell.upper().replace("D", "E") for cell in cells]
    return np.ma.MaskedArray(np.array(cells, dtype=object), blank)


class VotableCatalogue(_BinaryCatalogue):
    """The first table of a VOTable; see :class:`_BinaryCatalogue`."""

    kind = "VOTable"

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        super().__init__(path, content)
        self._table = -1
        self._ids: list[str | None] = []
        if not self._read_fields():
            raise GalaxyError(f"{path} is a VOTable without data: name the file of the catalogue")

    def _read_fields(self) -> bool:
        """Reads the fields of the first table with data, and not its rows; returns whether there is one."""
        from xml.etree import ElementTree

        # Current versions of expat limit the expansion of entities.
        for event, element in ElementTree.iterparse(self._source, events=("start", "end")):  # noqa: S314
            tag = element.tag.rpartition("}")[2]
            if event == "start" and tag == "TABLE":
                self._table += 1
                self.names, self._ids = [], []
                self.units.clear()
                self.unusable.clear()
            elif event == "start" and tag == "DATA":
                return True
            elif event == "end" and tag == "FIELD":
                self._add_field(element.attrib)
        return False

    def _add_field(self, field: dict[str, str]) -> None:
        """Adds a column."""
        position = len(self.names)
        self.names.append((field.get("name") or field.get("ID") or "").strip())
        self._ids.append(field.get("ID"))
        if field.get("unit"):
            self.units[position] = field["unit"]
        kind, size = field.get("datatype", "char"), field.get("arraysize", "1")
        if "x" in size if kind in _CHARACTERS else size != "1" or "Complex" in kind:
            self.unusable[position] = f"has the type {kind}[{size}], not one value per row"

    def cells(self, positions: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Reads columns; see :meth:`data_prep.tables.text_catalogues.TextCatalogue.cells`.

        Returns:
            For each position, ``[N]`` in the column's own type, masked where cells are blank.
        """
        from astropy.io.votable import parse

        # astropy selects columns by ID and makes IDs for fields without one; in another order than the
        # file's, it mixes up their cells.
        ids = [self._ids[position] for position in sorted(positions)]
        columns = None if None in ids or len(set(self._ids)) < len(self._ids) else ids
        table = parse(self._source, columns=columns, table_number=self._table).get_first_table()
        names = table.array.dtype.names
        return [table.array[self._ids[position] if columns else names[position]] for position in positions]

    def table(self) -> "Table":
        """Reads the whole table; see :meth:`data_prep.tables.text_catalogues.TextCatalogue.table`."""
        from astropy.io.votable import parse

        element = parse(self._source, table_number=self._table).get_first_table()
        table = element.to_table(use_names_over_ids=True)
        table.meta.clear()
        return with_plain_text(table)


class ParquetCatalogue(_BinaryCatalogue):
    """A Parquet file; see :class:`_BinaryCatalogue`."""

    kind = "Parquet table"

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        super().__init__(path, content)
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ModuleNotFoundError:
            install = "pip install 'galaxy-lightning[parquet]'"
            raise GalaxyError(f"{path} is a Parquet file: to read it, run: {install}") from None
        schema = parquet.read_schema(self._source)
        self.names = list(schema.names)
        for position, kind in enumerate(schema.types):
            if pa.types.is_nested(kind):
                self.unusable[position] = f"has the type {kind}, not one value per row"

    def cells(self, positions: Sequence[int]) -> list[npt.NDArray[Any]]:
        """Reads columns; see :meth:`data_prep.tables.text_catalogues.TextCatalogue.cells`.

        Returns:
            For each position, ``[N]`` in the column's own type, masked where cells are null.
        """
        import pyarrow as pa
        from pyarrow import parquet

        names = [self.names[position] for position in positions]
        table = parquet.read_table(self._source, columns=names)
        found: list[npt.NDArray[Any]] = []
        for name in names:
            column = table.column(name)
            if pa.types.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            numeric = pa.types.is_primitive(column.type) and not pa.types.is_temporal(column.type)
            if column.null_count and numeric:
                # Without the mask, integers with nulls would become floats.
                null = column.is_null().to_numpy()
                zero = pa.scalar(0).cast(column.type)
                found.append(np.ma.MaskedArray(column.fill_null(zero).to_numpy(), null))
            else:
                found.append(column.to_numpy())
        return found

    def table(self) -> "Table":
        """Reads the whole table; see :meth:`data_prep.tables.text_catalogues.TextCatalogue.table`.

        Units, descriptions and UCDs are those of a VOParquet file.
        """
        from astropy.io.votable import parse
        from astropy.table import Table
        from pyarrow import parquet

        table = Table()
        for name, cells in zip(self.names, self.cells(range(len(self.names))), strict=True):
            table[name] = cells
        content = (parquet.read_schema(self._source).metadata or {}).get(b"IVOA.VOTable-Parquet.content")
        for field in parse(BytesIO(content)).get_first_table().fields if content else ():
            if field.name in table.colnames:
                column = table[field.name]
                column.unit, column.description = field.unit, field.description
                column.meta |= {"ucd": field.ucd} if field.ucd else {}
        return with_plain_text(table)
