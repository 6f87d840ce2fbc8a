"""Columns are found by name, and guessed from names that are in use."""

from pathlib import Path

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.schema import TABLE2_COLUMNS
from data_prep.tables.column_guesses import ROLES, find_column, guess_columns

PATH = Path("table.csv")
NOTHING = dict.fromkeys(ROLES)


@pytest.mark.parametrize(
    ("names", "wanted", "position"),
    [
        (["objid", "ra"], "ra", 1),
        (["OBJID", "RA"], "ra", 1),
        (["RA", "ra"], "ra", 1),
        (["Ra", "RA", "dec"], "DEC", 2),
        (["", "Gr\u00f6\u00dfe"], "GR\u00d6SSE", 1),
        (["a b"], " a b ", 0),
    ],
)
def test_columns_are_found_exactly_or_in_any_case(names, wanted, position):
    assert find_column(names, wanted, PATH) == position


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (["ra", "ra"], "ra", "table.csv has 2 columns named ra: keep the intended one"),
        (["RA", "Ra"], "ra", "table.csv has no column ra, but RA and Ra: write the exact name of one"),
        (["RA", "RA"], "ra", "table.csv has 2 columns named ra: keep"),
        (
            ["Class1.1", "Class1.2", "x"],
            "class1_1",
            "class1_1; did you mean Class1.1 or Class1.2",
        ),
        (["a", "b", ""], "ra_deg", "no column ra_deg; its 3 columns are: a, b$"),
        ([f"c{k}" for k in range(900)], "zzz", r"no column zzz; its 900 columns are: c0, .* \.\.\.$"),
    ],
)
def test_missing_and_ambiguous_columns_are_explained(names, wanted, message):
    with pytest.raises(GalaxyError, match=message):
        find_column(names, wanted, PATH)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (TABLE2_COLUMNS, {"id": "OBJID", "ra": "RA", "dec": "DEC"}),
        (
            ["dr7objid", "asset_id", "derived_label"],
            {"id": "dr7objid", "path": "asset_id", "label": "derived_label"},
        ),
        (["objid", "asset_id", "filename"], {"id": "objid", "path": "filename"}),
        (["dr7objid", "ra", "dec", "rastring", "gz2_class"], {"id": "dr7objid", "ra": "ra", "dec": "dec"}),
        (["GalaxyID", "Class1.1", "Class1.2"], {"id": "GalaxyID"}),
        (["objid", "class"], {"id": "objid", "label": "class"}),
        (["id_str", "file_loc", "split"], {"id": "id_str", "path": "file_loc", "split": "split"}),
        (
            ["iauname", "name", "RA (deg)", "Dec (deg)"],
            {"id": "iauname", "ra": "RA (deg)", "dec": "Dec (deg)"},
        ),
        (["RAJ2000", "DEJ2000", "Type"], {"ra": "RAJ2000", "dec": "DEJ2000", "label": "Type"}),
        (["label", "type", "fold"], {"label": "label"}),
        (["ra", "DE"], {"ra": "ra", "dec": "DE"}),
        (["ra", "x"], {}),
        (["ra", "RA", "dec"], {}),
        ([], {}),
    ],
)
def test_columns_are_guessed(names, expected):
    guesses = guess_columns(names)
    assert {role: guess.column for role, guess in guesses.items()} == NOTHING | expected


def test_ambiguous_guesses_name_the_candidates():
    guess = guess_columns(["dr7objid", "dr8objid", "class"])["id"]
    assert guess.column is None
    assert guess.candidates == ("dr7objid", "dr8objid")
    assert guess.describe("--id-column") == "id column: dr7objid or dr8objid? Name it with --id-column"


def test_guesses_are_described():
    guesses = guess_columns(["dr7objid"])
    assert guesses["id"].describe("--id-column") == "id column: dr7objid (guessed; --id-column names another)"
    assert guesses["label"].describe("--label-column") == "label column: none found; --label-column names one"
