"""Object ids: read exactly, and refused if a program has rounded them."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.samples.extract import extract
from data_prep.schema import MAPPING_FILE, TABLE2_FILE
from data_prep.tables.csv_tables import read_table
from data_prep.tables.galaxy_zoo import read_mapping
from data_prep.tables.objids import find_rounding, parse_integer
from tests.data_prep.samples.test_extract import FIRST, make_raw

DR8 = 1237648720693755918
ROUNDINGS = {
    "excel": lambda objid: int(f"{str(objid)[:15]}{'0' * (len(str(objid)) - 15)}"),
    "javascript": lambda objid: int(Decimal(repr(float(objid)))),
    "float": lambda objid: int(float(objid)),
    "float32": lambda objid: int(np.float32(objid)),
}


def ids(n, seed=0):
    """Different ids in the form of SDSS: run, camera column and field, then the number within the field."""
    rng = np.random.default_rng(seed)
    fields = np.sort(rng.integers(0, 2**34, n)) + np.arange(n)
    return (587722952230174720 + 65_536 * fields + rng.integers(1, 600, n)).tolist()


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        (" 587722981742084097 ", 587722981742084097),
        ("1237648720693755918", DR8),
        ("9223372036854775807", 2**63 - 1),
        ("'587722981742084097", 587722981742084097),
        ('="587722981742084097"', 587722981742084097),
        ("587,722,981,742,084,097", 587722981742084097),
        ("587.722.981.742.084.097", 587722981742084097),
        ("587'722'981'742'084'097", 587722981742084097),
        ("587\u00a0722\u00a0981\u00a0742\u00a0084\u00a0097", 587722981742084097),
        ("900001.0", 900001),
        ("-9999", -9999),
    ],
)
def test_spreadsheet_decoration_around_a_number_is_removed(cell, number):
    assert parse_integer(cell) == number


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("5.87722981742084E+17", "converted to floats"),
        ("5,87E+17", "converted to floats"),
        ("587722981742084096.0", "converted to floats"),
        ("9223372036854775808", r"exceeds the largest 64-bit integer \(9223372036854775807\)"),
        ("9" * 5_000, "exceeds the largest 64-bit integer"),
        ("1,234", "must be an integer"),
        ("1.234", "must be an integer"),
        ("587,7229,817", "must be an integer"),
        ("587.722,981", "must be an integer"),
        ("1_0", "must be an integer"),
        ("٣", "must be an integer"),
        ("", "must be an integer"),
    ],
)
def test_ambiguous_numbers_and_lost_digits_are_refused(cell, message):
    with pytest.raises(ValueError, match=message):
        parse_integer(cell)


def test_the_error_names_the_bad_cell_and_not_a_valid_id_of_19_digits(tmp_path):
    path = tmp_path / "mapping.csv"
    path.write_text(f"objid,sample,asset_id\n{DR8},a,1\n{DR8 + 1},a,2\n5.87E+17,a,3\n")
    with pytest.raises(GalaxyError, match=r"line 4, column objid: '5.87E\+17'"):
        read_mapping(path)
    path.write_text(f"objid,sample,asset_id\n{DR8},a,1\n{DR8 + 1},a,2.0\n")
    assert read_mapping(path).to_numpy().tolist() == [[DR8, 1], [DR8 + 1, 2]]


@pytest.mark.parametrize("program", ROUNDINGS)
@pytest.mark.parametrize("start", [0, 1237648720693755918 - 587722953303916000], ids=["DR7", "DR8"])
@pytest.mark.parametrize("partly", [False, True])
def test_rounded_ids_are_recognised(program, start, partly):
    true = [objid + start for objid in ids(60)]
    if partly:
        rounded = [ROUNDINGS[program](objid) for objid in true[:30]] + true[30:]
    else:
        rounded = [ROUNDINGS[program](objid) for objid in true[:7]]
    assert find_rounding(np.array(rounded), partly=partly) is not None


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 10, 100, 5_000])
def test_exact_ids_are_never_refused(n):
    for seed in range(200):
        assert find_rounding(np.array(ids(n, seed)), partly=True) is None


def test_few_ids_are_called_rounded_only_with_more_zeros():
    few = [587722981742084000, 587722981742085000, 587722981742087000]
    assert find_rounding(np.array(few)).factor == 1000
    assert find_rounding(np.array(few[:1])) is None
    assert find_rounding(np.array([few[0]] * 9)) is None, "one id nine times is one id"
    assert find_rounding(np.arange(0, 100_000, 1_000)) is None, "small ids are other surveys' own"


def test_a_rounded_column_of_any_table_is_refused(tmp_path):
    path = tmp_path / "sample.csv"
    pd.DataFrame({"objid": [ROUNDINGS["excel"](objid) for objid in ids(9)]}).to_csv(path, index=False)
    with pytest.raises(
        GalaxyError, match=r"sample.csv, column objid: every id is a multiple of 1,000.*Excel"
    ):
        read_table(path, {"objid": "int64"})


def survey(folder, mapping, table, **columns):
    return make_raw(folder, mapping, table, range(1, len(mapping) + 1), **columns)


@pytest.mark.parametrize("program", ["excel", "javascript", "float"])
@pytest.mark.parametrize("which", [MAPPING_FILE, TABLE2_FILE])
@pytest.mark.parametrize("share", [1, 2], ids=["all", "half"])
def test_the_rounded_table_is_named(tmp_path, program, which, share):
    true = ids(40)
    rounded = [ROUNDINGS[program](objid) if k % share == 0 else objid for k, objid in enumerate(true)]
    raw = survey(
        tmp_path / "raw", *((rounded, true) if which == MAPPING_FILE else (true, rounded)), P_EL_DEBIASED=0.4
    )
    with pytest.raises(GalaxyError, match=rf"{which}, column (objid|OBJID): .*multiple"):
        extract(raw, tmp_path / "sample.csv", n="all")


@pytest.mark.parametrize("program", ["excel", "javascript", "float"])
@pytest.mark.parametrize("which", [MAPPING_FILE, TABLE2_FILE])
def test_few_rounded_ids_are_recognised_by_the_other_table(tmp_path, program, which):
    true = ids(1)
    rounded = [ROUNDINGS[program](objid) for objid in true]
    raw = survey(tmp_path / "raw", *((rounded, true) if which == MAPPING_FILE else (true, rounded)))
    with pytest.raises(GalaxyError, match=rf"{which}, column (objid|OBJID): .* has rounded the ids"):
        extract(raw, tmp_path / "sample.csv", n="all")


def test_rounded_ids_among_many_are_recognised_if_they_match_nothing(tmp_path):
    true = ids(2_000)
    mapping = [ROUNDINGS["excel"](objid) for objid in true[:12]] + true[12:]
    raw = survey(tmp_path / "raw", mapping, true)
    with pytest.raises(
        GalaxyError, match=rf"{MAPPING_FILE}.*among the objids that are not in {TABLE2_FILE}, every id"
    ):
        extract(raw, tmp_path / "sample.csv", n="all")


def test_tables_of_different_releases_are_reported(tmp_path):
    raw = survey(tmp_path / "raw", [DR8 + 7 * k for k in range(5)], [FIRST + 11 * k for k in range(5)])
    with pytest.raises(GalaxyError, match=f"only 0 of the 5 objids .*{DR8} and {FIRST}.*same data release"):
        extract(raw, tmp_path / "sample.csv", n="all")


def test_two_galaxies_rounded_to_one_id_are_not_merged(tmp_path):
    places = {"RA": ["00:00:00.41", "12:00:00.41", "00:00:01.00"], "DEC": "-10:22:25.7"}
    raw = survey(tmp_path / "raw", [FIRST], [FIRST, FIRST, FIRST + 1], **places)
    with pytest.raises(
        GalaxyError, match=rf"{TABLE2_FILE}, lines 2 and 3: galaxies [\d,]+ arcmin apart.*{FIRST}"
    ):
        extract(raw, tmp_path / "sample.csv", n="all")


@pytest.mark.parametrize("decimal", [True, False])
def test_positions_in_the_mapping_are_compared(tmp_path, decimal):
    n = 200
    objids, ra = ids(n), np.linspace(0, 23, n)
    raw = survey(
        tmp_path / "raw",
        objids,
        objids,
        RA=[f"{int(h):02d}:{h % 1 * 60:.4f}:00" for h in ra],
        DEC="-00:30:00",
    )
    mapping = pd.read_csv(raw / MAPPING_FILE)
    mapping["ra"] = [f"{15 * h:.6f}" if decimal else f"{int(h):02d}:{h % 1 * 60:.4f}" for h in ra]
    mapping["DEC"] = "-0.5" if decimal else "-00:30"

    def run(name):
        mapping.to_csv(raw / MAPPING_FILE, index=False)
        return extract(raw, tmp_path / f"{name}.csv", n="all")

    assert run("right")["galaxies"] == n
    mapping.loc[0, "DEC"] = "7.5" if decimal else "07:30"
    summary = run("one_wrong")
    assert summary["excluded"]["position differs from Table 2"] == 1
    assert summary["galaxies"] == n - 1
    mapping.loc[:9, "DEC"] = "7.5" if decimal else "07:30"
    with pytest.raises(GalaxyError, match="positions of 10 of 200 galaxies differ by more than 1 arcmin"):
        run("many_wrong")
    mapping["DEC"] = "south"
    assert "not compared" in run("unknown")["notes"][0]
