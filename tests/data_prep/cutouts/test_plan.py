import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from data_prep.common.errors import GalaxyError
from data_prep.cutouts.columns import PositionColumns
from data_prep.cutouts.plan import make_plan

ID = 1237648720693755918


@pytest.fixture
def plan(tmp_path):
    def plan(scale="0.4", *, columns=None, ra_hours=False, **table):
        path = tmp_path / "t.csv"
        pd.DataFrame(table).to_csv(path, index=False)
        return make_plan(path, PositionColumns(**(columns or {})), scale, ra_hours=ra_hours)

    return plan


def names(plan):
    return [plan.name(number) for number in range(len(plan.rows))]


def test_columns_are_guessed_and_ids_keep_all_digits(plan):
    made = plan(objid=[ID, ID + 1], ra=[100.5, 200], dec=[-1, 2.25])
    assert names(made) == [str(ID), str(ID + 1)]
    assert made.id_name == "objid"
    assert [made.file_name(number) for number in range(2)] == [str(ID), str(ID + 1)]
    assert (made.ra.tolist(), made.dec.tolist()) == ([100.5, 200], [-1, 2.25])
    assert made.scale.tolist() == [0.4, 0.4]
    assert made.notes == [
        "id column: objid (guessed; --id-column names another)",
        "ra column: ra (guessed; --ra-column names another)",
        "dec column: dec (guessed; --dec-column names another)",
    ]


def test_named_columns_replace_guesses(plan):
    columns = {"id": "other", "ra": "x", "dec": "Y"}
    made = plan(columns=columns, id=["a"], ra=[1], dec=[2], other=["b"], x=[100], y=[4])
    assert (names(made), made.ra.tolist(), made.dec.tolist()) == (["b"], [100], [4])
    assert made.notes == []


def test_without_ids_files_are_named_by_position(plan):
    made = plan(ra=["12:34:56.78", "12:34:56.78", "01:00:00"], dec=["-00:30:10.5", "-00:30:10.5", "10:00:00"])
    assert names(made) == ["J123456.78-003010.5", "J010000.00+100000.0"]
    assert made.id_name == "id"
    assert made.duplicates == 1
    assert "id column: none found; files are named by position; --id-column names one" in made.notes


@pytest.mark.parametrize(
    ("table", "columns", "scale", "message"),
    [
        ({"id": [1]}, {}, "1", "no columns are named like a position.*its columns are: id"),
        (
            {"id": [1], "ra": [1], "dec": [1]},
            {"ra": "ra"},
            "1",
            "--ra-column and --dec-column are used togeth",
        ),
        ({"id": [1], "ra": [1], "dec": [1]}, {"id": "idd"}, "1", "has no column idd; did you mean id"),
        ({"id": [1], "galid": [1], "ra": [1], "dec": [1]}, {}, "1", "galid or id|id or galid"),
        ({"id": [1], "ra": [1], "dec": [91]}, {}, "1", "line 2, column dec: 91 is not a declination"),
        ({"id": [1], "ra": ["x"], "dec": [1]}, {}, "1", "line 2, column ra: 'x'"),
        (
            {"id": [1], "ra": [1], "dec": [1]},
            {},
            "abc",
            "--pixel-scale abc is neither a number nor a column:",
        ),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "0", "--pixel-scale 0: write a positive number"),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "-1", "--pixel-scale -1: write a positive number"),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "nan", "--pixel-scale nan: write a positive number"),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "0*r", "--pixel-scale 0\\*r: write a positive number"),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "", "--pixel-scale : write a positive number"),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "0.02*r", "has no column r"),
        ({"id": [1], "ra": [1], "dec": [1], "r": ["x"]}, {}, "r", "column r"),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "1e-9", "no row can have .* 1 pixel scale below 1e-08"),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "inf", "--pixel-scale inf: write a positive number"),
        ({"id": [1], "ra": [1], "dec": [1]}, {}, "dec", "the column dec has another meaning"),
        ({"id": [1], "ra": [None], "dec": [1]}, {}, "1", "no row can have a cutout: 1 position missing"),
        ({"id": ["1.23e18", "1.24e18"], "ra": [1, 2], "dec": [1, 2]}, {}, "1", "converted to floats"),
    ],
)
def test_mistakes_are_explained(plan, table, columns, scale, message):
    with pytest.raises(GalaxyError, match=message):
        plan(scale, columns=columns, **table)


def test_pixel_scales_in_other_units_are_converted(tmp_path):
    table = Table({"id": [1, 2], "ra": [1.5, 2], "dec": [0.0, 1], "r": [0.5, 2]})
    for unit, size in (
        (None, 1), ("arcsec", 1), ("arcsec / pix", 1), ("arcmin", 60), ("deg", 3600), ("arcmin / pix", 60),
        ("mas", 0.001),
    ):  # fmt: skip
        table["r"].unit = unit
        table.write(tmp_path / "t.ecsv", overwrite=True)
        made = make_plan(tmp_path / "t.ecsv", PositionColumns(), "0.1*R")
        assert made.scale.tolist() == pytest.approx([0.05 * size, 0.2 * size])
    for unit in ("pix", "kpc", "arcsec2", "s", "mag"):
        table["r"].unit = unit
        table.write(tmp_path / "t.ecsv", overwrite=True)
        with pytest.raises(GalaxyError, match=f"t.ecsv, column r is in {unit}: convert it to arcsec"):
            make_plan(tmp_path / "t.ecsv", PositionColumns(), "0.1*R")


def test_a_pixel_scale_has_one_form(plan):
    table = {"id": [1], "ra": [1], "dec": [2], "r": [3]}
    assert {str(plan(text, **table).pixel_scale) for text in ("0.3*r", "0.3 * r", ".3*R")} == {"0.3*r"}
    assert {str(plan(text, **table).pixel_scale) for text in ("0.3", ".30", "3e-1 ")} == {"0.3"}


@pytest.mark.parametrize(
    ("text", "scales"),
    [
        ("0.5", [0.5, 0.5]),
        ("r", [5, 10]),
        ("0.02*r", [0.1, 0.2]),
        (" 2e-2 * R ", [0.1, 0.2]),
        ("a*b", [1, 2]),
    ],
)
def test_pixel_scales(plan, text, scales):
    made = plan(text, id=[1, 2], ra=[1, 2], dec=[3, 4], r=[5, 10], **{"a*b": [1, 2]})
    assert made.scale.tolist() == scales


def test_rows_that_cannot_have_a_cutout_are_listed_by_reason(plan):
    made = plan(
        "r",
        id=["a", "b", None, "d", "e", "f", "g", "h", "i"],
        ra=[1, None, 3, 4, 5, 6, 7, 8, 9],
        dec=[1, 2, None, 4, 5, 6, 7, 8, 9],
        r=[1, 1, 1, None, 0, -1, 2, np.inf, 9e-9],
    )
    assert {reason: rows.tolist() for reason, rows in made.excluded.items()} == {
        "id missing": [2],
        "position missing": [1],
        "pixel scale missing": [3],
        "pixel scale not positive": [4, 5],
        "pixel scale infinite": [7],
        "pixel scale below 1e-08 arcsec": [8],
    }
    assert names(made) == ["a", "g"]
    assert made.ids(np.array([1, 2])).tolist() == ["b", None]


def test_missing_integer_ids_are_missing(plan):
    made = plan(objid=["5", "", "7"], ra=[1, 2, 3], dec=[1, 2, 3])
    assert made.ids(np.arange(3)).isna().tolist() == [False, True, False]


def test_a_repeated_galaxy_has_one_cutout(plan):
    made = plan(id=[5, 5, 6, 5], ra=[10, 10.0002, 20, 10], dec=[0, 0, 1, 0])
    assert names(made) == ["5", "6"]
    assert made.rows.tolist() == [0, 2]
    assert made.duplicates == 2


def test_one_id_at_two_positions_is_an_error(plan):
    message = r"t.csv, line 2 and line 5, column id: the same id at positions 1.4 arcsec apart"
    with pytest.raises(GalaxyError, match=message):
        plan(id=[5, 5, 6, 5], ra=[10, 10, 20, 10], dec=[0, 0, 1, 0.0004])
    plan(id=["a", "a"], ra=[0, 359.9999], dec=[0, 0])  # Across 0 h.


def test_identical_positions_and_scales_share_a_cutout(plan):
    made = plan("r", id=[1, 2, 3, 4], ra=[10, 20, 10, 10], dec=[0, 0, 0, 0], r=[1, 1, 1, 2])
    assert made.find_shared().tolist() == [0, 1, 0, 3]


def test_right_ascensions_that_may_be_hours_are_pointed_out(plan):
    table = {"id": [1, 2], "ra": [1.5, 23.9], "dec": [0, 1]}
    assert "if they are hours, add --ra-hours" in plan(**table).notes[-1]
    made = plan(ra_hours=True, **table)
    assert made.ra.tolist() == [22.5, 358.5]
    assert "--ra-hours" not in " ".join(made.notes)
    for ra in ([1.5, 24.1], ["01:00:00", "02:00:00"]):
        assert "--ra-hours" not in " ".join(plan(**table | {"ra": ra}).notes)
    with pytest.raises(
        GalaxyError, match="line 3, column ra: 24.1 is not a right ascension: .* 0 to 24 hours"
    ):
        plan(ra_hours=True, **table | {"ra": [1.5, 24.1]})
    assert plan(ra_hours=True, **table | {"ra": ["01:00:00", "02:00:00"]}).ra.tolist() == [15, 30]


def test_units_of_the_table_are_respected(tmp_path):
    for unit, expected in (("deg", 1.5), ("hourangle", 22.5)):
        table = Table({"id": [1], "ra": [1.5], "dec": [0.0]})
        table["ra"].unit = unit
        table.write(tmp_path / "t.ecsv", overwrite=True)
        made = make_plan(tmp_path / "t.ecsv", PositionColumns(), "1")
        assert made.ra.tolist() == pytest.approx([expected])
        assert not any("--ra-hours" in note for note in made.notes)
    assert make_plan(tmp_path / "t.ecsv", PositionColumns(), "1", ra_hours=True).ra.tolist() == [22.5]
    table["ra"].unit = "deg"
    table.write(tmp_path / "t.ecsv", overwrite=True)
    with pytest.raises(GalaxyError, match="is in deg, not in hours: leave out --ra-hours"):
        make_plan(tmp_path / "t.ecsv", PositionColumns(), "1", ra_hours=True)


def test_the_hash_depends_on_ids_positions_and_scales(plan):
    table = {"id": ["a", "b"], "ra": [1, 2], "dec": [3, 4]}
    changes = [{"id": ["a", "c"]}, {"ra": [1, 2.1]}, {"id": [1, 2]}, {"id": [1, 3]}, {"id": ["a", "A"]}]
    plans = [plan(**table), plan("0.5", **table), *(plan(**table | change) for change in changes)]
    hashes = [made.sha256(2) for made in plans]
    assert len(set(hashes)) == len(hashes)
    assert plan(**table, other=[1, 2]).sha256(2) == hashes[0]


def test_the_hash_of_the_first_rows_does_not_depend_on_others(plan):
    table = {"id": [1, 2], "ra": [1, 2], "dec": [3, 4]}
    made = plan(**table)
    for more in (3, "c", 2):
        longer = plan(id=[1, 2, more], ra=[1, 2, 2], dec=[3, 4, 4])
        assert longer.sha256(2) == made.sha256(2)
    assert plan(id=[3, 1, 2], ra=[2, 1, 2], dec=[4, 3, 4]).sha256(2) != made.sha256(2)
    # The file name of a galaxy must not change.
    assert plan(id=["A", "a"], ra=[1, 2], dec=[3, 4]).sha256(1) != plan(id=["A"], ra=[1], dec=[3]).sha256(1)


@pytest.mark.parametrize("kind", ["integer", "text"])
def test_a_large_table_is_planned_fast_and_in_little_memory(tmp_path, kind):
    count, generator = 200_000, np.random.default_rng(0)
    numbers = ID + 7 * np.arange(count)
    path = tmp_path / "t.parquet"
    pd.DataFrame(
        {
            "id": numbers if kind == "integer" else [f"Gal {number}" for number in numbers],
            "ra": generator.uniform(0, 360, count),
            "dec": generator.uniform(-90, 90, count),
            "r": generator.uniform(1, 9, count),
        }
    ).to_parquet(path)
    began = time.process_time()
    made = make_plan(path, PositionColumns(), "0.02*r")
    assert made.find_shared().tolist() == list(range(count))
    assert time.process_time() - began < 15
    # The work with the plan needs memory for one subfolder at a time.
    tracemalloc.start()
    try:
        for first in (0, count - 10_000):
            assert len({made.file_name(number) for number in range(first, first + 10_000)}) == 10_000
        made.sha256(count)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
