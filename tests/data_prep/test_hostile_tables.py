"""Broken, unusual or hostile tables: they are read, or refused with a message that says what to do."""

import gzip
import time
from functools import partial

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.schema import TABLE2_COLUMNS
from data_prep.tables import table_layout
from data_prep.tables.csv_tables import read_table
from data_prep.tables.galaxy_zoo import read_mapping, read_table2

OBJID = 587722981742084097
HEADER = "objid,sample,asset_id\n"
ROW = f"{OBJID},original,3\n"
gzipped = partial(gzip.compress, mtime=0)  # Otherwise the time would be part of the names of tests.


@pytest.fixture(autouse=True)
def in_time():
    """No test here may take longer than a few seconds."""
    start = time.process_time()
    yield
    assert time.process_time() - start < 20


def write(tmp_path, content):
    path = tmp_path / "mapping.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        HEADER + ROW,
        ("\ufeff" + HEADER + ROW).replace("\n", "\r\n"),
        (HEADER + ROW).replace("\n", "\r"),
        (HEADER + ROW).rstrip("\n"),
        f'"objid","sample","asset_id"\n"{OBJID}","or""igi\nnal","3"\n',
        HEADER + f'{OBJID},"{"x" * 1_000_000}",3\n',
        HEADER + ROW + "\n\n",
        f"objid,asset_id,sample,sample\n{OBJID},3,a,b\n",
        (HEADER + ROW).replace(",", ", "),
        f" objid , sample,asset_id \n {OBJID} , a, 3 \n",
        (HEADER + ROW).replace(",", ";"),
        (HEADER + ROW).replace(",", "\t"),
        '"objid"|"sample"|"asset_id"\n' + ROW.replace(",", "|"),
        HEADER.upper() + ROW,
        f"ObjID,Asset_Id\n{OBJID},3\n",
        "#Table1\n" + HEADER + ROW,
        "\n\n# made by a query\n#\n" + HEADER + ROW,
        "# " + HEADER + ROW,
        f"objid,OBJID,asset_id\n{OBJID},1,3\n",
        gzipped((HEADER + ROW).encode()),
        gzipped(b"#Table1\r\n" + f"objid;asset_id\r\n'{OBJID};3.0\r\n".encode()),
        f'objid,asset_id\n"{OBJID:,}",3\n',
    ],
    ids=[
        *("plain", "bom", "cr", "no_end", "quotes", "long_cell", "blank_lines", "other_column_twice"),
        *("space_after_comma", "spaces_everywhere", "semicolons", "tabs", "bars", "upper_case", "mixed_case"),
        *("skyserver", "comments", "hash", "exact_name_first", "gzip", "gzip_of_excel", "thousands"),
    ],
)
def test_tables_of_other_programs_are_read(tmp_path, content):
    mapping = read_mapping(write(tmp_path, content))
    assert mapping.to_numpy().tolist() == [[OBJID, 3]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lacks the columns objid, asset_id .*nothing"),
        ("#Table1\n\n", "lacks the columns objid, asset_id .*nothing"),
        ((HEADER + ROW).replace(",", " "), "lacks the columns .*are: objid sample asset_id"),
        ("objid;sample\n1;2\n", r"lacks the column asset_id .*are: objid, sample\)"),
        ("objid,objid,asset_id\n1,2,3\n", "column objid more than once"),
        ("ObjID,OBJID,asset_id\n1,2,3\n", "column objid more than once"),
        (gzipped((HEADER + ROW).encode())[:-9], "gzipped file is incomplete or damaged"),
        (gzipped((HEADER + ROW * 99).encode())[:30] + b"damaged" * 9, "gzipped file is .* damaged"),
        (gzipped(HEADER.encode() + b"\0"), "contains NUL characters"),
        (b"PK\3\4 and more", "is an Excel workbook or a zip archive, not a CSV: export the table as CSV"),
        (b"SIMPLE  =                    T", "is a FITS file, not a CSV"),
        ("<!DOCTYPE html><html>", "is a web page, not a CSV"),
        ("objid\0,sample,asset_id\n1,2,3\n", "contains NUL characters"),
        (HEADER + f"{OBJID}\0,original,3\n", "contains NUL characters"),
        (HEADER + f"{OBJID},a\0b,3\n", "contains NUL characters"),
        ((HEADER + ROW).encode("utf-16"), "is UTF-16, not UTF-8: export it again as UTF-8"),
        (HEADER.encode() + b"1,\xe9,3\n", "not UTF-8 .*: export it again as UTF-8"),
        (b"objid,\xe9,asset_id\n1,2,3\n", "not UTF-8 .*: export it again as UTF-8"),
        (bytes(range(256)) * 64, "NUL"),
        (bytes(range(1, 256)) * 64, "not UTF-8|lacks the columns"),
        (HEADER + '1,"' + "x,y\n" * 200_000, "quotation mark .* never closed"),
        ('objid,"' + "x,y\n" * 200_000, "quotation mark .* never closed"),
        (HEADER + ROW + f"{OBJID},a\n", "line 3, column asset_id: ''"),
        (HEADER + ROW + f"{OBJID},a,3,4\n", "cannot be read as a table: .*line 3"),
        ("#Table1\n" + HEADER + ROW + f"{OBJID},a,3,4\n", "cannot be read as a table: .*line 4"),
        (HEADER + f"{OBJID},a,3,4\n", "more cells"),
        (
            "#Table1\n\n" + HEADER + "\n" + f'{OBJID},"a\nb",3\n\n{OBJID},a,x\n',
            "line 8, column asset_id: 'x'",
        ),
        (HEADER + ROW + f"{OBJID},a,\n", "line 3, column asset_id: ''"),
        (HEADER + f"{'9' * 1_000_000},a,3\n", "line 2, column objid"),
        ("dr7objid,ra,dec\n1,2,3\n", r"lacks the columns objid, asset_id .*are: dr7objid, ra, dec"),
        ("specobjid,asset_id\n1,2\n", "lacks the column objid "),
    ],
)
def test_unreadable_tables_are_refused_with_the_reason(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(GalaxyError, match=f"(?s)mapping.csv.*{message}"):
        read_mapping(path)


def test_a_table_of_another_survey_is_refused_with_its_missing_columns(tmp_path):
    path = write(tmp_path, "OBJID,RA,DEC,t01_smooth_or_features_a01_smooth_debiased\n1,2,3,0.5\n")
    lacks = ", ".join(TABLE2_COLUMNS[3:])
    with pytest.raises(GalaxyError, match=f"lacks the columns {lacks} .*are: OBJID, RA, DEC, t01"):
        read_table2(path)


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    assert read_mapping(write(tmp_path, HEADER)).empty
    assert read_table2(write(tmp_path, ",".join(TABLE2_COLUMNS))).empty


def test_a_folder_instead_of_a_table_is_refused(tmp_path):
    with pytest.raises(GalaxyError, match="is not a file"):
        read_mapping(tmp_path)


def test_twenty_thousand_columns_are_read(tmp_path):
    names = ["objid", "asset_id", *(f"c{k}" for k in range(20_000))]
    header = ",".join(names)
    path = write(tmp_path, f"{header}\n{OBJID},3{',1' * 20_000}\n")
    assert read_mapping(path).to_numpy().tolist() == [[OBJID, 3]]
    assert read_table(path, {"objid": "int64"}, keep_others=True).shape == (1, 20_002)
    path = write(tmp_path, f"{header}\n{OBJID},3.5{',1' * 20_000}\n")
    with pytest.raises(GalaxyError, match="line 2, column asset_id: '3.5'"):
        read_mapping(path)
    path = write(tmp_path, header.replace("objid", "c") + "\n")
    with pytest.raises(GalaxyError, match="lacks the column objid") as caught:
        read_mapping(path)
    assert len(str(caught.value)) < 1_000


def test_a_million_columns_are_refused_at_once(tmp_path):
    path = write(tmp_path, ",".join(["objid", "asset_id", *(f"c{k}" for k in range(1_000_000))]))
    with pytest.raises(GalaxyError, match="1,000,002 columns, more than the maximum of 30,000"):
        read_mapping(path)


def test_invalid_numbers_are_refused_and_missing_ones_kept(tmp_path):
    path = write(tmp_path, "share,name\n,\n0.5,a\n")
    assert read_table(path, {"share": "float64", "name": "str"})["share"].isna().tolist() == [True, False]
    for cell in ("0x10", "1j", "half", "0,5", "1_0"):
        path = write(tmp_path, f'share,name\n"{cell}",a\n')
        with pytest.raises(GalaxyError, match="line 2, column share"):
            read_table(path, {"share": "float64", "name": "str"})


def test_the_error_names_the_bad_number_and_not_a_missing_one(tmp_path):
    path = write(tmp_path, "first,second\nNA,1\n1,many\n")
    with pytest.raises(GalaxyError, match="line 3, column second: 'many'"):
        read_table(path, {"first": "float64", "second": "float64"})


def test_leading_spaces_in_text_are_kept(tmp_path):
    path = write(tmp_path, "name,path\n a, b.jpg\n")
    table = read_table(path, {"name": "str", "path": "str"})
    assert table.to_numpy().tolist() == [[" a", " b.jpg"]]


def test_other_columns_keep_their_names(tmp_path):
    path = write(tmp_path, f"OBJID,objid,Sample,RA,,x,x\n1,{OBJID},a,00:00:01,b,c,d\n")
    table = read_table(path, {"objid": "int64"}, keep_others=True)
    assert list(table.columns) == ["objid", "OBJID", "Sample", "RA", "Unnamed: 4", "x", "x.1"]
    assert table.iloc[0].tolist() == [OBJID, 1, "a", "00:00:01", "b", "c", "d"]


def test_the_size_of_a_gzipped_table_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(table_layout, "MAX_TABLE_BYTES", 1 << 20)
    with pytest.raises(GalaxyError, match="unpacks to more than 1 MiB"):
        read_mapping(write(tmp_path, gzipped((HEADER + ROW * 40_000).encode())))
