import numpy as np
import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.schema import TABLE2_COLUMNS
from data_prep.tables.galaxy_zoo import read_mapping, read_table2

OBJID = 587722981742084097


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_mapping_keeps_object_ids_exact(tmp_path):
    path = write(
        tmp_path / "mapping.csv", f"objid,sample,asset_id\n{OBJID},original,3\n{OBJID + 1},extra,5\n"
    )
    mapping = read_mapping(path)
    assert mapping["objid"].tolist() == [OBJID, OBJID + 1]
    assert mapping["asset_id"].tolist() == [3, 5]


def test_mapping_accepts_a_byte_order_mark_and_windows_line_ends(tmp_path):
    path = tmp_path / "mapping.csv"
    path.write_bytes(b"\xef\xbb\xbfobjid,sample,asset_id\r\n" + str(OBJID).encode() + b",original,3\r\n")
    assert read_mapping(path)["objid"].tolist() == [OBJID]


@pytest.mark.parametrize("written", ["5.877229817420841e+17", "587722981742084096.0"])
def test_ids_written_as_floats_are_refused_with_their_line(tmp_path, written):
    path = write(
        tmp_path / "mapping.csv", f"objid,sample,asset_id\n{OBJID},original,3\n{written},original,4\n"
    )
    with pytest.raises(GalaxyError, match="line 3, column objid.*converted to floats"):
        read_mapping(path)


def test_ids_rounded_by_a_float_are_refused(tmp_path):
    rounded = [int(float(OBJID + 1000 * k + 13)) for k in range(10)]
    lines = "".join(f"{objid},original,{k}\n" for k, objid in enumerate(rounded))
    path = write(tmp_path / "mapping.csv", "objid,sample,asset_id\n" + lines)
    with pytest.raises(GalaxyError, match="multiple of 128.*floats"):
        read_mapping(path)


@pytest.mark.parametrize("written", ["", "galaxy", "99999999999999999999999"])
def test_an_invalid_id_is_refused_with_its_line(tmp_path, written):
    path = write(tmp_path / "mapping.csv", f"objid,sample,asset_id\n{written},original,4\n")
    with pytest.raises(GalaxyError, match="line 2, column objid"):
        read_mapping(path)


def test_a_missing_file_and_a_missing_column_are_named(tmp_path):
    with pytest.raises(GalaxyError, match=r"absent.csv is missing"):
        read_mapping(tmp_path / "absent.csv")
    path = write(tmp_path / "mapping.csv", "dr7objid,sample,asset\n")
    with pytest.raises(GalaxyError, match="lacks the columns objid, asset_id"):
        read_mapping(path)
    with pytest.raises(GalaxyError, match="lacks the columns.*nothing"):
        read_mapping(write(tmp_path / "empty.csv", ""))


def test_empty_votes_stay_missing(tmp_path):
    row = dict.fromkeys(TABLE2_COLUMNS, "") | {"OBJID": OBJID, "RA": "00:00:00.41", "SPIRAL": 1}
    path = tmp_path / "table2.csv"
    pd.DataFrame([row]).to_csv(path, index=False)
    table = read_table2(path)
    assert list(table.columns) == list(TABLE2_COLUMNS)
    assert np.isnan(table["P_CS_DEBIASED"].iloc[0])
    assert np.isnan(table["ELLIPTICAL"].iloc[0])
    assert table["SPIRAL"].iloc[0] == 1


def test_a_vote_that_is_not_a_number_is_refused_with_its_line(tmp_path):
    row = dict.fromkeys(TABLE2_COLUMNS, "0.5") | {"OBJID": OBJID}
    path = tmp_path / "table2.csv"
    pd.DataFrame([row, row | {"P_EL": "many"}]).to_csv(path, index=False)
    with pytest.raises(GalaxyError, match="line 3, column P_EL: 'many'"):
        read_table2(path)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("SPIRAL", "0.5", "0.5 is not a flag: it must be 0 or 1"),
        ("UNCERTAIN", "-999", "-999 is not a flag"),
        ("ELLIPTICAL", "inf", "inf is not a flag"),
        ("NVOTE", "-1", "-1 is not a number of votes"),
        ("NVOTE", "inf", "inf is not a number of votes"),
    ],
)
def test_an_invalid_flag_or_count_is_refused_with_its_line(tmp_path, column, cell, message):
    row = dict.fromkeys(TABLE2_COLUMNS, "1") | {"OBJID": OBJID}
    path = tmp_path / "table2.csv"
    pd.DataFrame([row, row | {column: ""}, row | {column: cell}]).to_csv(path, index=False)
    with pytest.raises(GalaxyError, match=f"line 4, column {column}: {message}"):
        read_table2(path)


@pytest.mark.parametrize(("vote", "shown"), [("65", "65"), ("-1", "-1"), ("-999", "-999")])
def test_a_vote_that_is_not_a_fraction_is_refused_with_its_line(tmp_path, vote, shown):
    row = dict.fromkeys(TABLE2_COLUMNS, "0.5") | {"OBJID": OBJID, "NVOTE": 30}
    path = tmp_path / "table2.csv"
    pd.DataFrame([row, row | {"P_CS_DEBIASED": vote}]).to_csv(path, index=False)
    with pytest.raises(GalaxyError, match=f"line 3, column P_CS_DEBIASED: {shown} is not a vote fraction"):
        read_table2(path)


@pytest.mark.parametrize("rows", ["{0},a,3\n{0},a,4,0\n", "{0},a,3,0\n{0},a,4,0\n"])
def test_rows_with_more_cells_than_the_header_are_refused(tmp_path, rows):
    path = write(tmp_path / "mapping.csv", "objid,sample,asset_id\n" + rows.format(OBJID))
    with pytest.raises(GalaxyError, match="cannot be read|more cells"):
        read_mapping(path)


def test_a_repeated_header_in_joined_tables_is_explained(tmp_path):
    head = "objid,sample,asset_id\n"
    path = write(tmp_path / "mapping.csv", f"{head}{OBJID},original,3\n{head}{OBJID + 1},original,4\n")
    with pytest.raises(GalaxyError, match="line 3, column objid: 'objid': the header is repeated.*delete"):
        read_mapping(path)


def test_an_index_column_of_pandas_is_skipped(tmp_path):
    path = write(tmp_path / "mapping.csv", f",objid,sample,asset_id,\n0,{OBJID},original,3,\n")
    assert read_mapping(path)["objid"].tolist() == [OBJID]
    path.write_text(f"objid,sample,asset_id\n{OBJID},original,3,\n")
    with pytest.raises(GalaxyError, match="rows have more cells than the header has names"):
        read_mapping(path)
