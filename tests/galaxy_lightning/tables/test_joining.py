"""Predictions joined with catalogues of any format, whose rows, types, units and descriptions are kept."""

import warnings

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from data_prep.common.errors import GalaxyError
from galaxy_lightning.tables.joining import open_join
from galaxy_lightning.tables.output import TableOutput
from galaxy_lightning.tables.writing import write_table
from tests.galaxy_lightning.tables.made_tables import HEADER, OBJIDS, ROWS, SUFFIXES, by_astropy, csv_table

OTHER = 587722981742084111
KINDS = {
    ".fits": "fits",
    ".vot": "votable",
    ".ecsv": "ascii.ecsv",
    ".parquet": "parquet",
    ".csv": "ascii.csv",
}


def a_catalogue(ids=(OBJIDS[1], OTHER, OBJIDS[0], OBJIDS[1])):
    number = len(ids)
    table = Table({"objID": np.array(ids)})
    table["z"] = MaskedColumn([0.1, 0.2, np.nan, 0.4][:number], mask=[False, True, False, False][:number])
    table["z"].unit, table["z"].description = units.km / units.s, "velocity"
    table["n"] = MaskedColumn(
        [1, 2, 3, 4][:number], mask=[True, False, False, False][:number], dtype=np.int16
    )
    table["mag"] = np.array([18.5, 17.25, 16.0, 15.0][:number], dtype=np.float32)
    table["good"] = np.array([True, False, True, False][:number])
    table["note"] = np.array(["x", "", "a b", "é"][:number])
    return table


def write(table, path):
    if path.suffix == ".fits":
        table["note"] = np.char.replace(table["note"], "é", "e")
    if path.suffix == ".parquet":  # As pandas writes it: astropy writes masks as columns.
        pd.DataFrame({name: _nullable(table[name]) for name in table.colnames}).to_parquet(path)
        return path
    if path.suffix == ".vot":  # Astropy's writer of rows corrupts the memory: its issue 20419.
        write_table(table, path)
        return path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table.write(path, format=KINDS[path.suffix], overwrite=True)
    return path


def _nullable(column):
    values = np.asarray(np.ma.getdata(column))
    kinds = {
        "b": "boolean",
        "i": values.dtype.name.replace("i", "I"),
        "f": values.dtype.name.replace("f", "F"),
    }
    return pd.Series(values.tolist(), dtype=kinds.get(values.dtype.kind, "str")).mask(
        np.ma.getmaskarray(column)
    )


def joined(folder, catalogue, suffix, id_column=None, rows=ROWS):
    """Joins the made predictions; returns the table, the predictions left out, and the messages."""
    out = folder / f"joined{suffix}"
    output = TableOutput({}, dict, open_join(catalogue, id_column, out))
    left_out = output.write(csv_table(folder, rows), out)
    return out, left_out, " ".join(output.notes)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_columns_of_the_catalogue_come_back_in_order(kind, suffix, tmp_path):
    path = write(a_catalogue(), tmp_path / f"c{kind}")
    out, left_out, notes = joined(tmp_path, path, suffix)
    columns = by_astropy(out)
    assert list(columns)[:6] == ["objID", "z", "n", "mag", "good", "note"]
    ids = [OBJIDS[1], OTHER, OBJIDS[0], OBJIDS[1]]
    assert columns["objID"] == ids
    assert columns["z"][:2] == [0.1, None]
    assert columns["n"] == [None, 2, 3, 4]
    assert columns["mag"] == [18.5, 17.25, 16.0, 15.0]
    true, false = ("True", "False") if kind == suffix == ".csv" else (True, False)
    assert list(map(str, columns["good"])) in ([str(true), str(false)] * 2, ["1", "0"] * 2)
    assert columns["note"][2] == "a b"
    assert columns["predicted"] == ["irregular", None, "spiral", "irregular"]
    assert columns["p_spiral"] == [0.3333333, None, 0.7, 0.3333333]
    assert columns["networks"] == [None, None, 5, None]
    assert columns["seen_in_training"] == [1, None, 0, 1]
    assert left_out["objid"].tolist() == [OBJIDS[2]]
    assert "not in the catalogue" in left_out["reason"][0]
    assert "3 of its 4 rows have a prediction" in notes
    assert "1 row has an id that occurs above: rows with the same id have the same prediction" in notes
    assert f"1 image has no row in c{kind}" in notes


@pytest.mark.parametrize("kind", [".fits", ".vot", ".ecsv"])
@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_types_units_and_descriptions_are_kept(kind, suffix, tmp_path):
    out, _, _ = joined(tmp_path, write(a_catalogue(), tmp_path / f"c{kind}"), suffix)
    if suffix == ".parquet":
        table = Table.read(out, format="parquet.votable")
        kept = {name: str(field) for name, field in zip(*_schema(out), strict=True)}
        assert (kept["mag"], kept["n"], kept["good"]) == ("float", "int16", "bool")
    else:
        table = Table.read(out, format=KINDS[suffix])
        assert table["mag"].dtype.itemsize == 4
        assert table["n"].dtype.itemsize == 2
        assert table["good"].dtype == bool
    assert table["z"].unit == units.km / units.s
    if suffix == ".fits":
        assert fits.getheader(out, 1)["TCOMM2"] == "velocity"
    else:
        assert table["z"].description == "velocity"


def _schema(path):
    from pyarrow import parquet

    schema = parquet.read_schema(path)
    return schema.names, schema.types


def test_a_csv_keeps_the_text_of_its_cells(tmp_path):
    text = f"objid;name;mag\n{OBJIDS[0]};007;1.50\n{OTHER};NA; 2\n"
    (tmp_path / "c.csv").write_text(text)
    out, _, _ = joined(tmp_path, tmp_path / "c.csv", ".csv")
    lines = [line.split(",")[:3] for line in out.read_text().splitlines()]
    assert lines == [["objid", "name", "mag"], [str(OBJIDS[0]), "007", "1.50"], [str(OTHER), "NA", " 2"]]
    out, _, _ = joined(tmp_path, tmp_path / "c.csv", ".vot")
    assert by_astropy(out)["name"] == ["007", "NA"]
    assert by_astropy(out)["mag"] == [1.5, 2.0]


@pytest.mark.parametrize("ids", [["007 ", "8", "x9", ""], ["8", "", "x9", "007"]])
def test_text_ids_with_blanks_and_gaps(ids, tmp_path):
    fits.BinTableHDU.from_columns([fits.Column("NAME", "8A", array=np.array(ids))]).writeto(
        tmp_path / "c.fits"
    )
    rows = [[row[1], *row[1:]] for row in ROWS]
    out, left_out, notes = joined(tmp_path, tmp_path / "c.fits", ".vot", "name", rows)
    predicted = {"007": "spiral", "8": "irregular", "x9": "elliptical", "": None}
    assert by_astropy(out)["predicted"] == [predicted[name.strip()] for name in ids]
    assert left_out is None
    assert "3 of its 4 rows" in notes


def test_leading_zeros_that_a_catalogue_has_lost(tmp_path):
    (tmp_path / "c.csv").write_text("id\n7\n8\n9\n")
    rows = [[f"00{number}", *row[1:]] for number, row in zip("789", ROWS, strict=True)]
    out, left_out, _ = joined(tmp_path, tmp_path / "c.csv", ".fits", None, rows)
    assert left_out is None
    assert by_astropy(out)["predicted"] == ["spiral", "irregular", "elliptical"]


def test_masked_ids_match_nothing(tmp_path):
    table = a_catalogue()
    table["objID"] = MaskedColumn(table["objID"], mask=[True, False, False, False])
    out, _, _ = joined(tmp_path, write(table, tmp_path / "c.ecsv"), ".ecsv")
    assert by_astropy(out)["predicted"] == [None, None, "spiral", "irregular"]
    assert by_astropy(out)["objID"][0] is None


def test_a_second_image_of_a_galaxy_is_listed(tmp_path):
    rows = [ROWS[0], [ROWS[0][0], *ROWS[1][1:]]]
    out, left_out, notes = joined(tmp_path, write(a_catalogue(), tmp_path / "c.vot"), ".vot", None, rows)
    assert "1 more image shows a galaxy of another image" in notes
    assert "1 row has an id that occurs above" in notes  # Both are without a prediction.
    assert "no row" not in notes
    assert by_astropy(out)["predicted"] == [None, None, "spiral", None]
    assert left_out["reason"][0] == "another image of this galaxy is in the table: a b.jpg"


def test_columns_with_names_of_the_catalogue_are_renamed(tmp_path):
    table = a_catalogue()
    table["P_SPIRAL"], table["predicted"], table["predicted_gl"] = 1, 2, 3
    table["DEC"] = 4.0
    out, _, notes = joined(tmp_path, write(table, tmp_path / "c.fits"), ".vot")
    names = list(by_astropy(out))
    assert {"P_SPIRAL", "p_spiral_gl", "predicted", "predicted_gl", "predicted_gl2"} <= set(names)
    assert {"DEC", "ra_gl", "dec_gl"} <= set(names)
    assert "ra is ra_gl, dec is dec_gl, p_spiral is p_spiral_gl, predicted is predicted_gl2" in notes


def test_positions_of_the_catalogue_replace_those_of_the_predictions(tmp_path):
    table = a_catalogue()
    table["Dec"], table["RA"] = 4.0, 5.0
    out, _, notes = joined(tmp_path, write(table, tmp_path / "c.fits"), ".vot")
    names = set(by_astropy(out))
    assert {"Dec", "RA"} <= names
    assert names.isdisjoint({"ra", "dec", "ra_gl", "dec_gl"})
    assert "Renamed" not in notes


def add_cards(path):
    with fits.open(path, mode="update") as hdus:
        hdus[1].header.update({"RADESYS": "FK5", "EQUINOX": 2000.0, "OTHER": 1})


def test_the_frame_of_a_fits_catalogue_is_kept(tmp_path):
    table = a_catalogue()
    table["RA"], table["DEC"] = 1.0, 2.0
    path = write(table, tmp_path / "c.fits")
    add_cards(path)
    out, _, _ = joined(tmp_path, path, ".fits")
    header = fits.getheader(out, 1)
    assert (header["RADESYS"], header["EQUINOX"], "OTHER" in header) == ("FK5", 2000, False)
    for suffix in (".vot", ".ecsv", ".parquet", ".csv"):
        joined(tmp_path, path, suffix)
    assert b'name="radesys"' in (tmp_path / "joined.vot").read_bytes()
    add_cards(write(a_catalogue(), path))  # Our positions are of another frame.
    out, _, _ = joined(tmp_path, path, ".fits")
    assert "RADESYS" not in fits.getheader(out, 1)


def test_no_common_id_is_refused_with_one_of_each_side(tmp_path):
    path = write(a_catalogue([1, 2, 3]), tmp_path / "c.fits")
    join = open_join(path, None, tmp_path / "o.vot")
    with pytest.raises(
        GalaxyError, match=f"such as 1 in column objID, .* such as {OBJIDS[0]}: .*--id_column"
    ):
        join.require_common(pd.DataFrame({"objid": OBJIDS}))


def test_a_catalogue_without_a_known_column_of_ids(tmp_path):
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(GalaxyError, match="Name it with --id_column: a, b"):
        open_join(tmp_path / "c.csv", None, tmp_path / "o.vot")
    with pytest.raises(GalaxyError, match="has no column c"):
        open_join(tmp_path / "c.csv", "c", tmp_path / "o.vot")
    with pytest.raises(GalaxyError, match="is missing"):
        open_join(tmp_path / "no.csv", "c", tmp_path / "o.vot")


def test_arrays_are_kept_or_refused_by_name(tmp_path):
    table = a_catalogue()
    table["flux"] = np.arange(12, dtype=np.float32).reshape(4, 3)
    table["cube"] = np.arange(24).reshape(4, 3, 2)
    table["one"] = np.arange(4).reshape(4, 1)
    path = write(table, tmp_path / "c.fits")
    with pytest.raises(GalaxyError, match=r"column flux holds arrays, which \.csv cannot hold: .*\.fits"):
        open_join(path, None, tmp_path / "o.csv")
    for suffix in (".fits", ".vot", ".ecsv", ".parquet"):
        out, _, _ = joined(tmp_path, path, suffix)
        if suffix == ".parquet":
            assert pd.read_parquet(out)["flux"][1].tolist() == [3, 4, 5]
        found = Table.read(out, format="parquet.votable" if suffix == ".parquet" else KINDS[suffix])
        assert np.array_equal(found["flux"], table["flux"])
        assert np.array_equal(np.reshape(found["cube"], (4, 3, 2)), table["cube"])
        assert np.array_equal(np.ravel(found["one"]), np.ravel(table["one"]))


def test_arrays_with_missing_cells_are_read_back_from_parquet(tmp_path):
    table = a_catalogue()
    gone = np.arange(12).reshape(4, 3) % 5 == 0
    table["flux"] = MaskedColumn(np.arange(12.0).reshape(4, 3), mask=gone)
    table["count"] = MaskedColumn(np.arange(12).reshape(4, 3), mask=gone)
    table["flags"] = np.arange(8).reshape(4, 2) % 3 == 0
    out, _, _ = joined(tmp_path, write(table, tmp_path / "c.ecsv"), ".parquet")
    found = Table.read(out, format="parquet.votable")
    for name in ("flux", "count"):
        assert np.array_equal(found[name], np.where(gone, np.nan, table[name].data.data), equal_nan=True)
    assert np.array_equal(found["flags"], table["flags"])
    table["flags"] = MaskedColumn(table["flags"], mask=[[True, False]] * 4)
    with pytest.raises(GalaxyError, match=r"column flags holds arrays of Booleans, .* NAME\.fits"):
        open_join(write(table, tmp_path / "c.ecsv"), None, tmp_path / "o.parquet")


def test_times_and_positions_of_astropy_are_kept_in_ecsv(tmp_path):
    table = a_catalogue()
    table["time"] = Time([2460000.5, 2460001.5, 2460002.5, 2460003.5], format="jd")
    table["sky"] = SkyCoord([1, 2, 3, 4], [5, 6, 7, 8], unit="deg")
    path = write(table, tmp_path / "c.ecsv")
    out, _, _ = joined(tmp_path, path, ".ecsv")
    found = Table.read(out, format="ascii.ecsv")
    assert np.array_equal(found["time"].jd, table["time"].jd)
    assert np.array_equal(found["sky"].dec, table["sky"].dec)
    assert found["predicted"].tolist() == ["irregular", None, "spiral", "irregular"]
    with pytest.raises(GalaxyError, match=r"column time holds values of the type Time.* NAME\.ecsv"):
        open_join(path, None, tmp_path / "o.vot")


def test_names_of_the_catalogue_that_are_too_long_for_fits(tmp_path):
    table = a_catalogue()
    table["x" * 68], table["y" * 69] = 1, 2
    path = write(table, tmp_path / "c.vot")
    with pytest.raises(GalaxyError, match=r"c\.vot, column y+: names of more than 68 .* NAME\.csv, \.vot"):
        open_join(path, None, tmp_path / "o.fits")
    out, _, _ = joined(tmp_path, path, ".vot")
    assert by_astropy(out)["y" * 69] == [2] * 4


def test_arrays_of_different_lengths_fit_into_ecsv_only(tmp_path):
    table = a_catalogue()
    table["list"] = np.array([np.arange(k + 1) for k in range(4)], dtype=object)
    path = write(table, tmp_path / "c.ecsv")
    with pytest.raises(GalaxyError, match=r"column list holds arrays of different lengths.*NAME\.ecsv"):
        open_join(path, None, tmp_path / "o.fits")
    out, _, _ = joined(tmp_path, path, ".ecsv")
    assert Table.read(out, format="ascii.ecsv")["list"][2].tolist() == [0, 1, 2]


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "uint32", "uint64", "int32", "float32"])
def test_numbers_of_all_sizes(suffix, dtype, tmp_path):
    bounds = np.finfo(dtype) if dtype == "float32" else np.iinfo(dtype)
    table = a_catalogue()
    table["x"] = MaskedColumn([bounds.min, bounds.max, 1, 0], mask=[False, False, False, True], dtype=dtype)
    out, _, _ = joined(tmp_path, write(table, tmp_path / "c.ecsv"), suffix)
    found = by_astropy(out)["x"]
    if (dtype, suffix) == ("uint64", ".fits"):  # Astropy does not compare the stored value with TNULL.
        assert fits.getheader(out, 1)["TNULL7"] == bounds.max - 1 - 2**63
        found[3] = None
    expected = [table["x"][0].item(), table["x"][1].item(), 1, None]
    if dtype == "uint64" and suffix in (".vot", ".parquet"):
        expected = [None if cell is None else str(cell) for cell in expected]
    elif suffix == ".parquet":
        found = [None if cell is None else type(expected[0])(float(cell)) for cell in found]
        expected = [None if cell is None else type(expected[0])(float(cell)) for cell in expected]
    assert found == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ids_that_are_unsigned_keep_all_digits(suffix, tmp_path):
    ids = np.array([OBJIDS[2], OBJIDS[2] - 1, OBJIDS[1], OBJIDS[0]], dtype=np.uint64)
    table = a_catalogue(ids)
    table["large"] = ids + np.uint64(2**63)
    out, _, _ = joined(tmp_path, write(table, tmp_path / "c.ecsv"), suffix)
    columns = by_astropy(out)
    assert columns["objID"] == ids.tolist()
    assert list(map(str, columns["large"])) == [str(each + 2**63) for each in ids.tolist()]
    assert columns["predicted"] == ["elliptical", None, "irregular", "spiral"]


@pytest.mark.parametrize("suffix", [".vot", ".ecsv", ".parquet"])
def test_missing_flags_of_a_fits_catalogue_stay_missing(suffix, tmp_path):
    out, _, _ = joined(tmp_path, write(a_catalogue(), tmp_path / "c.vot"), ".fits")
    again, _, _ = joined(tmp_path, out, suffix)
    assert by_astropy(again)["seen_in_training"] == [True, None, False, True]
    assert len(by_astropy(again)) == 6 + 2 * (len(HEADER.split(",")) - 1) - 2


def test_a_joined_table_can_be_a_catalogue_again(tmp_path):
    first, _, _ = joined(tmp_path, write(a_catalogue(), tmp_path / "c.vot"), ".parquet")
    catalogue = tmp_path / "again.parquet"
    first.rename(catalogue)
    out, _, _ = joined(tmp_path, catalogue, ".vot")
    table = Table.read(out)
    assert (
        table["p_spiral"].meta["ucd"] == table["p_spiral_gl"].meta["ucd"] == "stat.probability;src.morph.type"
    )
