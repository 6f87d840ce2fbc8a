"""Catalogues in any format: read exactly, or refused with a message that says what to do."""

import builtins
import gzip
import io
import sys

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from data_prep.common.errors import GalaxyError
from data_prep.tables import catalogues
from data_prep.tables.catalogues import open_catalogue

OBJID = 587722981742084097
DR8 = 1237648720693755918
CSV = f"objid,class,ra,share\n{OBJID},spiral,1.5,0.25\n{DR8},,2.5,\n"


def write(tmp_path, content, name="table.dat"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def a_table():
    return Table(
        {
            "objid": np.array([OBJID, DR8]),
            "class": MaskedColumn(["spiral", ""], mask=[False, True]),
            "ra": np.array([1.5, 2.5]),
            "share": MaskedColumn([0.25, 0.0], mask=[False, True]),
            "flag": np.array([True, False]),
            "count": MaskedColumn([7, 0], mask=[False, True], dtype=np.int32),
        }
    )


def as_bytes(kind):
    """The same table in each format."""
    table = a_table()
    file = io.BytesIO()
    if kind == "parquet":
        frame = table.to_pandas()
        frame["count"] = frame["count"].astype("Int32")
        pytest.importorskip("pyarrow")
        frame.to_parquet(file)
        return file.getvalue()
    if kind == "fits_ascii":
        table.remove_column("flag")
        columns = [
            fits.Column("objid", "I20", array=table["objid"]),
            fits.Column("class", "A10", array=["spiral", ""]),
            fits.Column("ra", "D25.17", array=table["ra"]),
            fits.Column("share", "D25.17", array=[0.25, np.nan]),
            fits.Column("flag", "A5", array=["True", "False"]),
            fits.Column("count", "I5", array=[7, -9], null="-9"),
        ]
        fits.TableHDU.from_columns(columns).writeto(file)
        return file.getvalue()
    if kind in ("csv", "ecsv", "ecsv_commas"):
        text = io.StringIO()
        delimiter = {"delimiter": ","} if kind == "ecsv_commas" else {}
        table.write(text, format="ascii.csv" if kind == "csv" else "ascii.ecsv", **delimiter)
        return text.getvalue().encode()
    if kind == "fits":
        table.write(file, format="fits")
    else:
        if kind == "binary":  # It has no blank integers.
            table["count"] = [7, np.nan]
        table.write(file, format="votable", tabledata_format=kind)
    return file.getvalue()


FORMATS = ["csv", "ecsv", "ecsv_commas", "fits", "fits_ascii", "tabledata", "binary", "binary2", "parquet"]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_all_formats_are_read_alike(tmp_path, kind, zipped):
    content = as_bytes(kind)
    path = write(tmp_path, gzip.compress(content, mtime=0) if zipped else content)
    catalogue = open_catalogue(path)
    assert catalogue.names == ["objid", "class", "ra", "share", "flag", "count"]
    table = catalogue.read(text=["OBJID", "class", "flag"], numbers=["RA", "share", "Count"])
    assert list(table.columns) == ["OBJID", "class", "flag", "RA", "share", "Count"]
    assert table["OBJID"].tolist() == [str(OBJID), str(DR8)]
    assert table["class"].tolist() == ["spiral", None]
    assert table["flag"].tolist() == ["True", "False"]
    np.testing.assert_array_equal(table["RA"], [1.5, 2.5])
    np.testing.assert_array_equal(table["share"], [0.25, np.nan])
    np.testing.assert_array_equal(table["Count"], [7, np.nan])
    assert table.dtypes.tolist() == [object] * 3 + [np.float64] * 3
    np.testing.assert_array_equal(catalogue.read(numbers=["flag"])["flag"], [1, 0])
    assert catalogue.read(text=["count"])["count"].tolist() == ["7" if kind != "binary" else "7.0", None]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_of_each_format_is_refused_or_read_in_full(tmp_path, kind):
    content = as_bytes(kind)
    whole = open_catalogue(write(tmp_path, content)).read(text=["objid", "class"])
    for size in sorted({*range(0, len(content), max(1, len(content) // 60)), len(content) - 20}):
        path = write(tmp_path, content[:size])
        try:
            found = open_catalogue(path).read(text=["objid", "class"])
        except GalaxyError:
            continue
        # Text may end after a row, and the padding of other formats anywhere.
        pd.testing.assert_frame_equal(found, whole.iloc[: len(found)])
        assert kind in ("csv", "ecsv", "ecsv_commas") or len(found) == len(whole)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_gzip_file_is_refused(tmp_path, kind):
    path = write(tmp_path, gzip.compress(as_bytes(kind), mtime=0)[:-9])
    with pytest.raises(GalaxyError, match="gzipped file is incomplete or damaged"):
        open_catalogue(path).read(text=["objid"])


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace(",", "|"),
        CSV.replace(",", ", "),
        CSV.replace("\n", "\r\n"),
        CSV.replace("\n", "\r"),
        CSV.rstrip("\n"),
        "\ufeff" + CSV,
        CSV.encode("utf-16"),
        CSV.encode("utf-32"),
        "#Table1\n" + CSV,
        "\n\n# made by a query, on a day, at a place, by\n" + CSV,
        "#" + CSV,
        "# one comment\n#\n# " + CSV,
        CSV.replace("\n", ",\n"),
        CSV.replace("0.25\n", "0.25,,\n"),
        CSV.replace("spiral", '"spiral"'),
        "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in CSV.splitlines()),
        CSV.replace("\n", "\n\n"),
        CSV.replace(",,", ",NULL,").replace(",\n", ",nan\n"),
        f"objid  class ra\tshare\n {OBJID}  spiral 1.5 0.25 \n{DR8} -- 2.5 --\n",
        f"# objid class ra share\n{OBJID} spiral 1.5 0.25\n{DR8} nan 2.5 nan\n",
        f'objid class ra share\n{OBJID} "spiral" 1.5 0.25\n{DR8} "" 2.5 ""\n',
    ],
    ids=[
        *("plain", "semicolons", "tabs", "bars", "space_after_comma", "crlf", "cr", "no_end", "bom", "utf16"),
        *("utf32", "skyserver", "comment", "header_in_comment", "header_in_comments", "trailing_commas"),
        *("extra_blank_cells", "quotes", "all_quoted", "blank_lines", "null", "blanks", "blanks_comment"),
        "blanks_quotes",
    ],
)
def test_text_of_other_programs_is_read(tmp_path, content):
    table = open_catalogue(write(tmp_path, content)).read(text=["objid", "class"], numbers=["ra", "share"])
    assert table["objid"].tolist() == [str(OBJID), str(DR8)]
    assert table["class"].tolist() == ["spiral", None]
    np.testing.assert_array_equal(table[["ra", "share"]], [[1.5, 0.25], [2.5, np.nan]])


def test_a_table_of_one_column_is_read(tmp_path):
    catalogue = open_catalogue(write(tmp_path, "galaxy id\n1\n\n2\n"))
    assert catalogue.read(text=["galaxy id"])["galaxy id"].tolist() == ["1", "2"]


def test_quoted_cells_keep_separators_and_line_breaks(tmp_path):
    catalogue = open_catalogue(write(tmp_path, 'a,b\n"x, ""y""\nz",1\n5" disk,2\n"",3\n'))
    table = catalogue.read(text=["a"], numbers=["b"])
    assert table["a"].tolist() == ['x, "y"\nz', '5" disk', None]
    assert [catalogue.place(row) for row in range(3)] == ["line 2", "line 4", "line 5"]


def test_windows_text_is_read_with_a_note(tmp_path):
    content = (CSV + f"{OBJID + 1},caf\u00e9 \u2013,0,0\n").encode("cp1252")
    catalogue = open_catalogue(write(tmp_path, content))
    assert catalogue.read(text=["class"])["class"].iloc[-1] == "caf\u00e9 \u2013"
    assert catalogue.notes == ["table.dat is not UTF-8: it is read as Windows-1252"]
    catalogue = open_catalogue(write(tmp_path, content + f"{OBJID + 2},".encode() + b"\x81,0,0\n"))
    assert catalogue.read(text=["class"])["class"].iloc[-1] == "\x81"
    assert catalogue.notes == ["table.dat is not UTF-8: it is read as Latin-1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no header line with the column names: it is empty"),
        ("\n \n", "no header line with the column names: it is empty"),
        ("objid,class,ra\n", "has no rows"),
        ("#Table1\nobjid,class,ra\n\n", "has no rows"),
        (CSV + "1,a,2\n", "line 4: the row has 3 cells separated by commas, but the header has 4"),
        (CSV + "1,a,2,3,4\n", "line 4: the row has 5 cells"),
        ("#Table1\n\n" + CSV + "1,a\n", "line 6: the row has 2 cells"),
        (CSV + '1,"a,2,3\n', r"line 4: a quotation mark \(\"\) is opened, but not closed"),
        (CSV + '1,a,2,"3\n', r"line 4: a quotation mark \(\"\) is opened, but not closed"),
        (CSV + '1,a,2,"' + "x\n" * 100_000, "line 4: a quotation mark"),
        ('"objid,class,ra\n1,a,2\n', "open quotation mark"),
        (CSV + "1,a\0,2,3\n", "line 4 contains NUL characters"),
        (CSV.encode("utf-16")[:-1], "incomplete or damaged"),
        (b"\xef\xbb\xbf" + CSV.encode() + b"1,\xe9,2,3\n", "incomplete or damaged"),
        (CSV.encode("utf-16")[2:], "NUL characters"),
        (f"{OBJID},spiral,1.5\n{DR8},spiral,2.5\n", f"line 1: '{OBJID}' is not a column name: add a header"),
        ("objid,class,objid,ra\n1,a,2,3\n", "has 2 columns named objid: keep the intended one"),
        ("ObjID,class,OBJID,ra\n1,a,2,3\n", "no column objid, but OBJID and ObjID: write the exact name"),
        ("dr7objid,class,ra\n1,a,3\n", r"no column objid; did you mean dr7objid\? \(It has 3 columns"),
        ("x,class,ra\n1,a,3\n", "no column objid; its 3 columns are: x, class, ra"),
        (CSV.replace("1.5", "many"), "line 2, column ra: 'many': it must be a number"),
        (CSV.replace("1.5", "1_0"), "line 2, column ra: '1_0': it must be a number"),
        (CSV.replace("1.5", "\u0663"), "line 2, column ra: '\u0663': it must be a number"),
        (CSV.replace("1.5", "1e400"), "line 2, column ra: '1e400': it exceeds the largest 64-bit float"),
        ("objid;class;ra\n1;a;0,5\n2;b;1,25\n", "line 2, column ra: '0,5': it has a decimal comma"),
        (
            b"PK\3\4 and more",
            "is an Excel workbook or a zip archive, not a table: export the table as CSV, FITS",
        ),
        (b"\xd0\xcf\x11\xe0 and more", "is an Excel workbook"),
        ("<!DOCTYPE html><html>", "is a web page, not a table"),
        ("\ufeff <html>", "is a web page, not a table"),
        ("<?xml version='1.0'?><kml></kml>", "is an XML file, not a table"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b"BZh91AY", "is compressed with bzip2: unpack it first"),
        (bytes(range(1, 256)) * 9, "not a table in a known format|quotation mark|cells"),
        (bytes(range(256)) * 9, "NUL"),
        ("x" * 40_000_000, "its first line does not end"),
        (",".join(f"c{k}" for k in range(40_000)), "40,000 columns, more than the maximum of 30,000"),
        ("# %ECSV 1.0\n# ---\n", "cannot be read|damaged"),
        ("# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\nb\n1\n", "damaged"),
        ("# %ECSV 1.0\n# ---\n# delimiter: ;\n# datatype: []\nb\n1\n", "ECSV allows"),
        (gzip.compress(CSV.encode(), mtime=0)[:30] + b"damaged" * 9, "gzipped file is .* damaged"),
        ("<VOTABLE><RESOURCE></RESOURCE></VOTABLE>", "VOTable without data"),
        ("<VOTABLE><RESOURCE>", "is incomplete or damaged: copy or download it again"),
        (b"PAR1 and more", "is incomplete or damaged: copy or download it again"),
        (b"SIMPLE  = and more", "is incomplete or damaged: copy or download it again"),
    ],
)
def test_unreadable_tables_are_refused_with_the_reason(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(GalaxyError, match=f"(?s)table.dat.*({message})"):
        open_catalogue(path).read(text=["objid", "class"], numbers=["ra"])


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(GalaxyError, match="absent.csv is missing"):
        open_catalogue(tmp_path / "absent.csv")
    with pytest.raises(GalaxyError, match="is not a file"):
        open_catalogue(tmp_path)


def test_other_columns_may_be_repeated_or_unnamed(tmp_path):
    catalogue = open_catalogue(write(tmp_path, ",objid,x,x\n0,1,2,3\n"))
    assert catalogue.names == ["", "objid", "x", "x"]
    assert catalogue.read(text=["objid"])["objid"].tolist() == ["1"]


def test_columns_may_be_read_as_text_and_number_by_several_names(tmp_path):
    catalogue = open_catalogue(write(tmp_path, CSV))
    table = catalogue.read(text=["RA"], numbers=["ra", "Ra"])
    assert table["RA"].tolist() == ["1.5", "2.5"]
    assert table["ra"].tolist() == table["Ra"].tolist() == [1.5, 2.5]


def test_numbers_are_rounded_correctly(tmp_path):
    rng = np.random.default_rng(0)
    numbers = rng.random(500) * 10.0 ** rng.integers(-20, 20, 500)
    path = write(tmp_path, "x\n" + "".join(f"{number!r}\n" for number in numbers.tolist()))
    np.testing.assert_array_equal(open_catalogue(path).read(numbers=["x"])["x"], numbers)


def a_fits_table(columns, **header):
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header.update(header)
    file = io.BytesIO()
    hdu.writeto(file)
    return file.getvalue()


def test_fits_columns_without_one_value_per_row_are_named(tmp_path):
    columns = [
        fits.Column("id", "K", array=[1, 2]),
        fits.Column("flux", "3E", array=np.ones((2, 3))),
        fits.Column("list", "PE()", array=np.array([np.ones(2), np.ones(3)], dtype=object)),
        fits.Column("bits", "3X", array=np.ones((2, 3), dtype=bool)),
        fits.Column("z", "C", array=[1j, 2]),
    ]
    catalogue = open_catalogue(write(tmp_path, a_fits_table(columns)))
    assert catalogue.names == ["id", "flux", "list", "bits", "z"]
    assert catalogue.read(text=["id"])["id"].tolist() == ["1", "2"]
    for name, kind in (("flux", "3E"), ("list", "PE"), ("bits", "3X"), ("z", "C")):
        with pytest.raises(
            GalaxyError, match=f"column {name} has the format {kind}.*, not one value per row"
        ):
            catalogue.read(numbers=[name])


def test_fits_numbers_of_all_types_are_exact(tmp_path):
    columns = [
        fits.Column("unsigned", "K", bzero=2**63, array=np.array([2**63 + 1, 3], dtype=np.uint64)),
        fits.Column("single", "E", array=np.array([0.1, np.nan], dtype=np.float32)),
        fits.Column("scaled", "I", array=[3, 4]),
        fits.Column("blank", "J", null=-9, array=[-9, 3]),
        fits.Column("name", "6A", array=["a  ", ""]),
    ]
    catalogue = open_catalogue(write(tmp_path, a_fits_table(columns, TSCAL3=0.5, TZERO3=10)))
    table = catalogue.read(text=["unsigned", "single", "name", "blank"], numbers=["scaled"])
    assert table["unsigned"].tolist() == [str(2**63 + 1), "3"]
    assert table["single"].tolist() == ["0.1", None]
    assert table["name"].tolist() == ["a", None]
    assert table["blank"].tolist() == [None, "3"]
    assert table["scaled"].tolist() == [11.5, 12.0]
    assert catalogue.place(1) == "row 2"
    with pytest.raises(GalaxyError, match="row 1, column name: 'a': it must be a number"):
        catalogue.read(numbers=["name"])


def test_the_first_of_several_fits_tables_is_read(tmp_path):
    tables = [
        fits.BinTableHDU.from_columns([fits.Column("id", "J", array=[k])], name=f"T{k}") for k in (1, 2)
    ]
    hdus = fits.HDUList([fits.PrimaryHDU(np.zeros((2, 2))), fits.CompImageHDU(np.ones((8, 8))), *tables])
    hdus.writeto(tmp_path / "table.fits")
    catalogue = open_catalogue(tmp_path / "table.fits")
    assert catalogue.kind == "FITS table in HDU 2"
    assert catalogue.notes == ["table.fits has 2 tables: the first one is read, HDU 2 (T1)"]
    assert catalogue.read(text=["id"])["id"].tolist() == ["1"]


def test_a_fits_image_is_refused(tmp_path):
    fits.HDUList([fits.PrimaryHDU(np.zeros((2, 2))), fits.CompImageHDU(np.ones((8, 8)))]).writeto(
        tmp_path / "image.fits"
    )
    with pytest.raises(GalaxyError, match="image.fits is a FITS file without a table"):
        open_catalogue(tmp_path / "image.fits")


def test_a_fits_table_compressed_by_fpack_is_refused(tmp_path):
    with pytest.raises(GalaxyError, match="unpack it with funpack"):
        open_catalogue(write(tmp_path, a_fits_table([fits.Column("id", "J", array=[1])], ZTABLE=True)))


def test_repeated_fits_columns_are_refused(tmp_path):
    content = a_fits_table([fits.Column("aa", "J", array=[1]), fits.Column("bb", "J", array=[2])])
    with pytest.raises(GalaxyError, match="has 2 columns named aa: rename all but one"):
        open_catalogue(write(tmp_path, content.replace(b"'bb ", b"'aa ")))


def test_votables_of_other_programs_are_read(tmp_path):
    fields = '<FIELD name="objid" datatype="long"/><FIELD name="v" datatype="double" arraysize="3"/>'
    fields += '<FIELD name="ra" datatype="char" arraysize="*" unit="&quot;h:m:s&quot;"/>'
    rows = f"<TR><TD>{OBJID}</TD><TD>1 2 3</TD><TD>10:00:00</TD></TR>"
    content = (
        '<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>'
        f'<TABLE><FIELD name="x" datatype="int"/></TABLE><TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA>'
        "</DATA></TABLE></RESOURCE></VOTABLE>"
    )
    catalogue = open_catalogue(write(tmp_path, content))
    assert catalogue.names == ["objid", "v", "ra"]
    assert catalogue.unit("ra") == '"h:m:s"'
    table = catalogue.read(text=["objid", "ra"])
    assert table.to_numpy().tolist() == [[str(OBJID), "10:00:00"]]
    with pytest.raises(GalaxyError, match=r"column v has the type double\[3\], not one value per row"):
        catalogue.read(numbers=["v"])


def test_ecsv_columns_with_lists_are_refused(tmp_path):
    table = Table({"id": [1, 2], "v": np.ones((2, 3))})
    table["id"].unit = "deg"
    table.write(tmp_path / "t.ecsv", format="ascii.ecsv")
    catalogue = open_catalogue(tmp_path / "t.ecsv")
    assert catalogue.unit("id") == "deg"
    assert catalogue.unit("v") is None
    with pytest.raises(GalaxyError, match=r"column v has the type float64\[3\], not one value per row"):
        catalogue.read(numbers=["v"])


def test_parquet_columns_of_all_types(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "id": pd.array([OBJID, None, DR8], dtype="Int64"),
            "kind": pd.Categorical(["a", None, "b"]),
            "time": pd.to_datetime(["2026-01-01", None, "2026-01-02"]),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "list": [[1], [2], [3]],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    catalogue = open_catalogue(tmp_path / "t.parquet")
    table = catalogue.read(text=["id", "kind", "flag"])
    assert table["id"].tolist() == [str(OBJID), None, str(DR8)]
    assert table["kind"].tolist() == ["a", None, "b"]
    assert table["flag"].tolist() == ["True", None, "False"]
    np.testing.assert_array_equal(catalogue.read(numbers=["flag"])["flag"], [1, np.nan, 0])
    with pytest.raises(GalaxyError, match="column list has the type list<.*>, not one value per row"):
        catalogue.read(text=["list"])


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    true_import = builtins.__import__

    def without_pyarrow(name, *arguments, **options):
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name)
        return true_import(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    with pytest.raises(GalaxyError, match=r"to read it, run: pip install 'galaxy-lightning\[parquet\]'"):
        open_catalogue(write(tmp_path, b"PAR1 and more"))


def test_the_size_of_a_gzipped_table_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogues, "MAX_TABLE_BYTES", 1 << 10)
    path = write(tmp_path, gzip.compress(as_bytes("fits"), mtime=0))
    with pytest.raises(GalaxyError, match="unpacks to more than 0 MiB"):
        open_catalogue(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs no file locks")
def test_the_file_can_be_replaced_after_reading(tmp_path):
    path = write(tmp_path, as_bytes("fits"))
    table = open_catalogue(path).read(numbers=["ra"])
    path.write_bytes(b"")
    assert table["ra"].tolist() == [1.5, 2.5]
