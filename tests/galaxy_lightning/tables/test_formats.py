"""Predictions in every format hold the same values, as other programs read them."""

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table

from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.tables import reading
from galaxy_lightning.tables.formats import require_format
from galaxy_lightning.tables.output import TableOutput
from galaxy_lightning.tables.reading import open_predictions
from galaxy_lightning.tables.schema import COLUMNS, PARAMETERS, classes_in, describe_column
from galaxy_lightning.tables.writing import convert_predictions
from tests.galaxy_lightning.tables.made_tables import (
    ABOUT,
    EXPECTED,
    HEADER,
    OBJIDS,
    PATHS,
    ROWS,
    SUFFIXES,
    by_astropy,
    by_stilts,
    converted,
    csv_table,
    stilts,
)

ESCAPED = 'sub/\\xe9,"x" <&>\'.jpg'


@pytest.mark.parametrize("chunk", [2, 10_000])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_astropy_reads_the_same_values_from_every_format(suffix, chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK_ROWS", chunk)
    columns = by_astropy(converted(tmp_path, suffix))
    assert list(columns) == HEADER.split(",")
    for name, expected in EXPECTED.items():
        if suffix == ".csv" and name in ("is_uncertain", "seen_in_training"):
            expected = [None if flag is None else int(flag) for flag in expected]
        if suffix == ".fits" and name == "path":
            expected = [PATHS[0], ESCAPED, PATHS[2]]
        assert columns[name] == expected, name


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".ecsv"])
def test_pandas_reads_the_same_values(suffix, tmp_path):
    path = converted(tmp_path, suffix)
    if suffix == ".parquet":
        table = pd.read_parquet(path, dtype_backend="numpy_nullable")
        assert table["is_uncertain"].dtype == "boolean"
        assert table["networks"].dtype == "Int64"
    else:  # The comments are the header of ECSV.
        lines = [line for line in path.read_text().splitlines() if not line.startswith("# ")]
        path.write_text("\n".join(lines))
        table = pd.read_csv(path, dtype={"asset_id": str, "networks": "Int64"})
    assert table["objid"].dtype == "int64" or table["objid"].dtype == "Int64"
    for name in ("objid", "asset_id", "path", "p_elliptical", "networks", "predicted"):
        found = [None if pd.isna(cell) else cell for cell in table[name].tolist()]
        assert found == EXPECTED[name], name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_stilts_reads_the_same_values(suffix, tmp_path):
    rows = by_stilts(converted(tmp_path, suffix))
    assert [row["objid"] for row in rows] == list(map(str, OBJIDS))
    assert [row["asset_id"] for row in rows] == ["007", "8", "x9"]
    # STILTS reads CSV as Latin-1.
    special = {".fits": ESCAPED, ".csv": PATHS[1].encode().decode("latin-1")}.get(suffix, PATHS[1])
    assert [row["path"] for row in rows] == [PATHS[0], special, PATHS[2]]
    assert [float(row["p_elliptical"]) for row in rows] == EXPECTED["p_elliptical"]
    true, false = ("1", "0") if suffix == ".csv" else ("true", "false")
    assert [row["is_uncertain"] for row in rows] == [true, "", false]
    assert [row["seen_in_training"] for row in rows] == [false, true, ""]
    assert [row["networks"] for row in rows] == ["5", "", "3"]
    assert [row["novelty"] for row in rows][1] == rows[1]["ra"] == ""


@pytest.mark.parametrize("suffix", [".vot", ".xml"])
def test_votlint_finds_nothing_to_complain_about(suffix, tmp_path):
    result = stilts("votlint", str(converted(tmp_path, suffix)))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_all_ucds_are_in_the_controlled_vocabulary():
    columns = [*COLUMNS.values(), *(describe_column(f"p_x{end}", ["x"], {}) for end in ("", "_std"))]
    for column in columns:
        assert check_ucd(column.ucd, check_controlled_vocabulary=True), column
        assert column.description


def test_keywords_of_fits_are_short_and_different():
    keywords = [keyword for keyword, _ in PARAMETERS.values()]
    assert len(set(keywords)) == len(keywords)
    assert max(map(len, keywords)) <= 8


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_columns_are_described_with_units_and_ucds(suffix, tmp_path):
    path = converted(tmp_path, suffix)
    if suffix == ".fits":
        header = fits.getheader(path, 1)
        names = [header[f"TTYPE{k}"] for k in range(1, header["TFIELDS"] + 1)]
        place = {name: k for k, name in enumerate(names, 1)}
        found = {
            name: (header[f"TUCD{k}"], header.get(f"TUNIT{k}"), header[f"TCOMM{k}"])
            for name, k in place.items()
        }
    else:
        table = Table.read(path, format={".ecsv": "ascii.ecsv", ".parquet": "parquet.votable"}.get(suffix))
        found = {
            name: (column.meta["ucd"], None if column.unit is None else str(column.unit), column.description)
            for name, column in table.columns.items()
        }
    assert found["objid"][0] == "meta.id;meta.main"
    assert found["ra"][:2] == ("pos.eq.ra;meta.main", "deg")
    assert found["entropy"][1] == "bit"
    assert found["p_spiral"][0] == "stat.probability;src.morph.type"
    assert "undecided votes" in found["p_irregular"][2]
    assert found["p_spiral_std"][0] == "stat.stdev;stat.probability"


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_the_metadata_name_the_model(suffix, tmp_path):
    path = converted(tmp_path, suffix)
    if suffix == ".fits":
        header = fits.getheader(path, 1)
        found = {name: header[keyword] for name, (keyword, _) in PARAMETERS.items() if keyword in header}
    elif suffix == ".ecsv":
        found = dict(Table.read(path, format="ascii.ecsv").meta)
    else:
        content = path
        if suffix == ".parquet":
            from pyarrow import parquet

            metadata = parquet.read_schema(path).metadata
            assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
            content = tmp_path / "header.vot"
            content.write_bytes(metadata[b"IVOA.VOTable-Parquet.content"])
            assert b"<DATA" not in content.read_bytes()
        found = {param.name: param.value for param in parse(content).get_first_table().params}
    assert found == pytest.approx(dict(ABOUT))


def test_flags_and_integers_have_their_types_in_fits(tmp_path):
    columns = fits.getheader(converted(tmp_path, ".fits"), 1)
    kinds = {columns[f"TTYPE{k}"]: columns[f"TFORM{k}"] for k in range(1, columns["TFIELDS"] + 1)}
    assert kinds["objid"] == "K"
    assert kinds["is_uncertain"] == kinds["seen_in_training"] == "L"
    assert kinds["p_spiral"] == "D"
    assert kinds["asset_id"] == "3A"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "last", ["18446744073709551615", "9223372036854775808", "0123", "ngc1300", "-0", "1.0"]
)
def test_ids_that_are_not_all_64_bit_integers_are_text(suffix, last, tmp_path):
    rows = [["12", *ROWS[0][1:]], [last, *ROWS[1][1:]]]
    path = converted(tmp_path, suffix, csv_table(tmp_path, rows))
    if suffix != ".csv":
        assert by_astropy(path)["objid"] == ["12", last]
    else:
        assert path.read_text().splitlines()[2].startswith(f"{last},")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_control_characters_are_escaped(suffix, tmp_path):
    path = "a\x01b\nc\\udcff.jpg"
    rows = [[*ROWS[0][:4], path, *ROWS[0][5:]]]
    out = converted(tmp_path, suffix, csv_table(tmp_path, rows))
    if suffix == ".csv":
        assert pd.read_csv(out)["path"][0] == "a\\x01b\\x0ac\\udcff.jpg"
    else:
        assert by_astropy(out)["path"] == ["a\\x01b\\x0ac\\udcff.jpg"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_column_without_any_value_stays_empty(suffix, tmp_path):
    rows = [[*row[:-2], "", ""] for row in ROWS]
    assert by_astropy(converted(tmp_path, suffix, csv_table(tmp_path, rows)))["is_uncertain"] == [None] * 3


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_galaxy(suffix, tmp_path):
    columns = by_astropy(converted(tmp_path, suffix, csv_table(tmp_path, ROWS[:1])))
    assert columns["objid"] == OBJIDS[:1]


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_classes_of_any_name(suffix, tmp_path):
    header = 'id,path,p_E/S0,p_étoile,"p_a, b",predicted'
    source = tmp_path / "p.csv"
    source.write_text(f'{header}\n1,x.jpg,0.1,0.2,0.7,"a, b"\n', encoding="utf-8")
    out = converted(tmp_path, suffix, source)
    if suffix == ".vot":  # By default, astropy names columns by their ids.
        table = parse(out).get_first_table().to_table(use_names_over_ids=True)
        columns = {name: table[name].tolist() for name in table.colnames}
    else:
        columns = by_astropy(out)
    named = "p_\\xe9toile" if suffix == ".fits" else "p_étoile"
    assert columns[named] == [0.2]
    assert columns["p_a, b"] == [0.7]
    if suffix == ".vot":
        assert stilts("votlint", str(out)).stdout == ""


def test_columns_of_spread_are_no_classes():
    assert classes_in(["p_a", "p_b", "p_a_std", "p_b_std"]) == ["a", "b"]
    assert classes_in(["p_a", "p_b", "p_b_std", "p_c_std"]) == ["a", "b", "c_std"]


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("p_spiral", "high", "row 2, column p_spiral: 'high' must be a number"),
        ("is_uncertain", "2", "row 2, column is_uncertain: '2' must be 0, 1 or empty"),
        ("networks", "5.5", "row 2, column networks: '5.5' must be an integer"),
    ],
)
def test_an_invalid_cell_is_named(column, cell, message, tmp_path):
    place = HEADER.split(",").index(column)
    rows = [ROWS[0], [*ROWS[1][:place], cell, *ROWS[1][place + 1 :]]]
    with pytest.raises(GalaxyError, match=message):
        converted(tmp_path, ".vot", csv_table(tmp_path, rows))


@pytest.mark.parametrize("end", [1, 20, 50, 70])
def test_a_table_that_was_cut_off_is_refused(end, tmp_path):
    whole = csv_table(tmp_path).read_bytes()
    half = tmp_path / "half.csv"
    half.write_bytes(whole[:-end])
    with pytest.raises(GalaxyError, match=r"half\.csv, line 4: the row is incomplete: .* run predict again"):
        open_predictions(half, {}, {})


def test_rows_need_all_their_predictions_or_none(tmp_path):
    names = HEADER.split(",")
    for name in ("predicted", "p_spiral"):
        rows = [ROWS[0], ["" if each == name else cell for each, cell in zip(names, ROWS[1], strict=True)]]
        with pytest.raises(GalaxyError, match="line 3: the row is incomplete"):
            open_predictions(csv_table(tmp_path, rows), {}, {})
    rows = [ROWS[0], [*ROWS[1][:6], *[""] * (len(names) - 6)]]
    assert by_astropy(converted(tmp_path, ".vot", csv_table(tmp_path, rows)))["predicted"] == ["spiral", None]


def test_the_flag_of_older_tables_has_its_present_name(tmp_path):
    path = csv_table(tmp_path, header=HEADER.replace("is_uncertain", "uncertain"))
    assert by_astropy(converted(tmp_path, ".vot", path))["is_uncertain"] == [True, None, False]


def test_names_that_are_too_long_for_fits(tmp_path):
    name = "é" * 17
    for length, end in ((15, ".fits"), (17, ".vot")):
        header = HEADER.replace("spiral", name[:length])
        assert by_astropy(converted(tmp_path, end, csv_table(tmp_path, header=header)))
    with pytest.raises(GalaxyError, match=f"column p_{name}.* 68 characters .*csv, .vot, .xml, .ecsv"):
        output = TableOutput({}, dict)
        output.write(csv_table(tmp_path, header=HEADER.replace("spiral", name)), tmp_path / "o.fits")


def test_other_tables_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(GalaxyError, match="no columns p_<class> and predicted"):
        open_predictions(tmp_path / "t.csv", {}, {})
    (tmp_path / "t.csv").write_text(f"{HEADER}\n")
    with pytest.raises(GalaxyError, match="has no rows"):
        open_predictions(tmp_path / "t.csv", {}, {})
    with pytest.raises(GalaxyError, match="is missing"):
        open_predictions(tmp_path / "no.csv", {}, {})
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\0\0")
    with pytest.raises(GalaxyError, match="cannot be read as a CSV"):
        open_predictions(tmp_path / "t.csv", {}, {})


def test_a_missing_library_is_named_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("galaxy_lightning.tables.formats.find_spec", lambda name: None)
    with pytest.raises(GalaxyError, match=r"pip install 'galaxy-lightning\[parquet\]'"):
        require_format(tmp_path / "t.parquet")
    with pytest.raises(GalaxyError, match=r"ends in \.csv, \.fits, \.vot, \.xml, \.ecsv or \.parquet"):
        require_format(tmp_path / "t.txt")


def test_the_votable_is_valid_xml_with_a_row_per_galaxy(tmp_path):
    root = ElementTree.parse(converted(tmp_path, ".vot")).getroot()
    assert len(root.findall(".//{*}TR")) == len(ROWS)
    assert len(root.findall(".//{*}FIELD")) == len(HEADER.split(","))


def test_the_description_of_a_class_is_that_of_the_project():
    info = describe_column("p_irregular", CLASSES, CLASS_DESCRIPTIONS)
    assert "undecided votes, not a morphology" in info.description


MEASURE = """
import resource, sys
from pathlib import Path
import astropy.io.fits, astropy.io.votable, astropy.table, pandas, pyarrow.parquet
from galaxy_lightning.tables.reading import open_predictions
from galaxy_lightning.tables.writing import convert_predictions
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
for name in sys.argv[2:]:
    convert_predictions(open_predictions(Path(name), {}, {}), Path(sys.argv[1]))
    print(peak())
"""


@pytest.mark.soak
@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_memory_does_not_grow_with_the_number_of_rows(suffix, tmp_path):
    number, names = 100_000, []
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], number)
    table = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in CLASSES])
    table.insert(0, "path", [f"images/{k}.jpg" for k in range(number)])
    table["predicted"] = np.array(CLASSES)[probabilities.argmax(axis=1)]
    table["is_uncertain"] = rng.integers(0, 2, number)
    for rows in (20_000, number):
        names.append(tmp_path / f"{rows}.csv")
        table[:rows].to_csv(names[-1], index=False)
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / f"t{suffix}", *names],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    few, many = map(float, result.stdout.split())
    assert many - few < 25
    assert (tmp_path / f"t{suffix}").stat().st_size > 3e6


def test_a_converted_table_can_be_converted_again(tmp_path):
    path = converted(tmp_path, ".csv")
    again = tmp_path / "again.csv"
    convert_predictions(open_predictions(path, CLASS_DESCRIPTIONS, ABOUT), again)
    assert again.read_bytes() == path.read_bytes()
