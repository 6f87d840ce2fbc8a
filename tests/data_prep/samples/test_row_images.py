import pandas as pd
import pytest

from data_prep.common.errors import GalaxyError
from data_prep.samples.image_lookup import look_up_images
from data_prep.samples.row_images import add_images, read_mapping
from data_prep.tables.catalogue_ids import hash_id
from tests.own_galaxies import write_images, write_table


def rows_of(**columns):
    rows = pd.DataFrame(columns, dtype=object)
    rows["reason"] = ""
    if "name" in rows:
        rows["objid"] = range(len(rows))
    return rows


def find(folder, rows, mapping=None):
    """Returns the paths and the notes."""
    notes = add_images(rows, look_up_images(folder), mapping and read_mapping(mapping), "table.csv")
    return [path if isinstance(path, str) else None for path in rows["path"]], notes


@pytest.fixture
def folder(tmp_path):
    return write_images(tmp_path / "images", ["101", "102", "x/103.png"])


def test_rows_without_an_image_are_excluded(folder):
    rows = rows_of(name=["101", "103", "104", None])
    assert find(folder, rows) == (["101.jpg", "x/103.png", None, None], [])
    assert rows["reason"].tolist() == ["", "", "no image", "no image"]


def test_an_earlier_reason_is_kept(folder):
    rows = rows_of(name=["101", "104"])
    rows["reason"] = ["", "no label"]
    find(folder, rows)
    assert rows["reason"].tolist() == ["", "no label"]


def test_paths_come_before_ids_and_names_before_paths_that_do_not_exist(folder):
    assert find(folder, rows_of(name=["102", "101"], file=["101.jpg", "zz/102.jpg"]))[0] == [
        "101.jpg",
        "102.jpg",
    ]
    assert find(folder, rows_of(name=["a", "b"], file=["y/103.jpg", r"z\102.fits"]))[0] == [
        "x/103.png",
        "102.jpg",
    ]
    paths, notes = find(folder, rows_of(name=["101", "102"], file=["u.jpg", "v.jpg"]))
    assert paths == ["101.jpg", "102.jpg"]
    assert notes == ["the images are found by the ids, since no path in the table is that of an image"]


def test_nothing_found_says_what_was_expected(folder):
    (note,) = find(folder, rows_of(name=["7", "8"]))[1]
    assert note.startswith(
        f"no image in {folder} belongs to a row of the table: expected names such as 7.jpg, "
    )
    assert "found 101.jpg" in note
    (note,) = find(folder, rows_of(file=["7.png"]))[1]
    assert "expected names such as 7.png" in note


def test_without_ids_the_images_identify_the_galaxies(folder):
    rows = rows_of(file=["102.jpg", "none.jpg", "x/103.png"])
    find(folder, rows)
    assert rows["objid"].tolist() == [102, 0, 103]
    assert rows["objid"].dtype == "int64"
    rows = rows_of(file=["102.jpg", "none.jpg", "x/other.png"])
    write_images(folder, ["x/other.png"])
    find(folder, rows)
    assert rows["objid"].tolist() == [hash_id("102"), 0, hash_id("other")]


@pytest.mark.parametrize("name", ["007", "9223372036854775808", "1.5", "-4", "²"])
def test_names_that_are_no_object_ids_are_text(folder, name):
    write_images(folder, [f"{name}.jpg"])
    rows = rows_of(file=["101.jpg", f"{name}.jpg"])
    find(folder, rows)
    assert rows["id"].tolist() == ["101", name]


def test_images_of_the_same_name_are_identified_by_their_paths(tmp_path):
    folder = write_images(tmp_path / "images", ["a/1", "b/1", "b/2"])
    rows = rows_of(file=["a/1.jpg", "b/1.jpg", "b/2.jpg", "b/2.jpg"])
    find(folder, rows)
    assert rows["id"].tolist() == ["a/1", "b/1", "b/2", "b/2"]
    assert rows["objid"].nunique() == 3


def test_a_mapping_names_the_images(folder, tmp_path):
    mapping = write_table(tmp_path / "m.csv", objid=[1, 2, 3, 4], sample="x", asset_id=[101, 102, 103, 999])
    assert find(folder, rows_of(name=["3", "1", "4", "9", None]), mapping)[0] == [
        "x/103.png", "101.jpg", None, None, None,
    ]  # fmt: skip


def test_of_several_images_of_an_id_the_first_that_exists_is_used(folder, tmp_path):
    mapping = write_table(tmp_path / "m.csv", objid=[1, 1, 1, 2, 2], asset_id=[999, 102, 101, 998, 103])
    paths, notes = find(folder, rows_of(name=["1", "2"]), mapping)
    assert paths == ["102.jpg", "x/103.png"]
    assert notes == [f"1 ids have several images in {mapping}, of which the first is used"]


def test_a_mapping_of_paths_with_one_invalid_id(folder, tmp_path):
    mapping = write_table(tmp_path / "m.csv", id=["1", "2", "n/a?"], filename=["q/102.jpg", "w/101.jpg", "x"])
    assert find(folder, rows_of(name=["1", "2"]), mapping)[0] == ["102.jpg", "101.jpg"]


def test_a_mapping_of_other_ids_is_noted(folder, tmp_path):
    mapping = write_table(tmp_path / "m.csv", objid=[7], asset_id=[101])
    note, other = find(folder, rows_of(name=["1"]), mapping)[1]
    assert note == (
        f"no id of the table is in {mapping}: the first id of the table is 1, that of the mapping 7"
    )
    assert other.startswith("no image in")


def test_a_table_that_is_no_mapping_is_refused(folder, tmp_path):
    mapping = write_table(tmp_path / "m.csv", foo=[7], bar=[101])
    with pytest.raises(GalaxyError, match="is not a mapping: .*; its columns are: foo, bar"):
        read_mapping(mapping)
    mapping = write_table(tmp_path / "m.csv", objid=[7], asset_id=[101])
    with pytest.raises(GalaxyError, match="--mapping needs the ids of the galaxies: add --id-column"):
        find(folder, rows_of(file=["101.jpg"]), mapping)
