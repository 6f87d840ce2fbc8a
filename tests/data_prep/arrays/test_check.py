import json
import shutil

import numpy as np
import pandas as pd
import pytest

from data_prep.arrays.check import check, find_near_copies_between_splits
from data_prep.arrays.format import open_arrays
from data_prep.cli import main
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.common.json_files import write_json


@pytest.fixture
def copy(small_arrays, tmp_path):
    return shutil.copytree(small_arrays, tmp_path / "arrays")


def edit(copy, change):
    """Changes the catalogue and corrects its hash, so that the next check is reached."""
    catalog = pd.read_csv(copy / "catalog.csv", dtype={"objid": "int64"})
    change(catalog).to_csv(copy / "catalog.csv", index=False)
    edit_dataset(
        copy, lambda dataset: dataset["sha256"].update({"catalog.csv": sha256(copy / "catalog.csv")})
    )


def edit_dataset(copy, change):
    dataset = json.loads((copy / "dataset.json").read_text())
    change(dataset)
    (copy / "dataset.json").write_text(json.dumps(dataset))


def test_valid_arrays_pass(small_arrays):
    assert len(check(small_arrays).catalog) == 80


def test_a_changed_pixel_is_found(copy):
    pixels = np.load(copy / "images.npy", mmap_mode="r+")
    pixels[3, 1, 1, 0] ^= 1
    pixels.flush()
    with pytest.raises(GalaxyError, match=r"images.npy has been changed or damaged"):
        check(copy)


def test_a_changed_catalogue_is_found(copy):
    with (copy / "catalog.csv").open("a") as file:
        file.write(" ")
    with pytest.raises(GalaxyError, match=r"catalog.csv has been changed|cannot be read"):
        check(copy)


def test_a_galaxy_in_two_splits_is_found(copy):
    def double(catalog):
        train, test = (catalog.index[catalog["split"] == split][0] for split in ("train", "test"))
        catalog.loc[test, "objid"] = catalog.loc[train, "objid"]
        return catalog

    edit(copy, double)
    with pytest.raises(GalaxyError, match="1 galaxies are in two splits"):
        check(copy)


def put_copy(copy, change):
    """Puts a changed copy of a training image in place of a test image; returns the two rows."""
    catalog = open_arrays(copy).catalog
    train, test = (catalog.index[catalog["split"] == split][0] for split in ("train", "test"))
    pixels = np.load(copy / "images.npy", mmap_mode="r+")
    pixels[test] = change(pixels[train])
    pixels.flush()
    edit_dataset(copy, lambda dataset: dataset["sha256"].update({"images.npy": sha256(copy / "images.npy")}))
    return [(row, catalog["objid"][row], catalog["split"][row]) for row in sorted([train, test])]


def test_identical_pixels_in_two_splits_are_found(copy):
    (_, one, its), (_, other, others) = put_copy(copy, lambda image: image)
    with pytest.raises(GalaxyError) as caught:
        check(copy)
    assert f"objid {one} ({its}) and {other} ({others})" in str(caught.value)
    assert "1 images are identical to an image in another split" in str(caught.value)


def test_identical_pixels_in_one_split_are_accepted(copy):
    pixels = np.load(copy / "images.npy", mmap_mode="r+")
    one, other = open_arrays(copy).rows("train")[:2]
    pixels[other] = pixels[one]
    pixels.flush()
    edit_dataset(copy, lambda dataset: dataset["sha256"].update({"images.npy": sha256(copy / "images.npy")}))
    assert len(find_near_copies_between_splits(check(copy))) == 0


def test_a_near_copy_in_another_split_is_reported(copy, capsys):
    (row, one, its), (other_row, other, others) = put_copy(copy, lambda image: np.rot90(image)[:, ::-1])
    assert find_near_copies_between_splits(check(copy)).tolist() == [[row, other_row]]
    main(["check", str(copy)])
    out = capsys.readouterr().out
    assert "complete and consistent" in out
    assert "1 pair of near-copies in different splits" in out
    assert f"the first: objid {one} ({its}) and {other} ({others})" in out


def test_valid_arrays_have_no_near_copies(small_arrays, capsys):
    main(["check", str(small_arrays)])
    assert "near-copies" not in capsys.readouterr().out


def test_wrong_counts_are_found(copy):
    edit_dataset(copy, lambda dataset: dataset["counts"]["train"].update(spiral=1))
    with pytest.raises(GalaxyError, match="1 spiral galaxies in train"):
        check(copy)


@pytest.mark.parametrize("name", ["images.npy", "catalog.csv", "dataset.json"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(GalaxyError, match=f"missing: .*{name}.*preprocess"):
        open_arrays(copy)


@pytest.mark.parametrize(
    ("column", "value"), [("label", "blob"), ("split", "holdout"), ("split", ""), ("objid", "x")]
)
def test_an_invalid_catalogue_is_refused(copy, column, value):
    edit(copy, lambda catalog: catalog.astype({column: "object"}).assign(**{column: value}))
    with pytest.raises(GalaxyError, match=r"catalog.csv"):
        open_arrays(copy)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((80, 64, 64, 3), np.float32),
        np.zeros((80, 64, 64), np.uint8),
        np.zeros((80, 64, 32, 3), np.uint8),
        np.asfortranarray(np.zeros((80, 64, 64, 3), np.uint8)),
        np.zeros((79, 64, 64, 3), np.uint8),
    ],
)
def test_pixels_of_wrong_shape_type_or_number_are_refused(copy, images):
    np.save(copy / "images.npy", images)
    with pytest.raises(GalaxyError, match=r"images.npy"):
        open_arrays(copy)


def test_a_pickle_instead_of_pixels_is_refused_and_not_loaded(copy):
    np.save(copy / "images.npy", np.array([{"run": "me"}], dtype=object), allow_pickle=True)
    with pytest.raises(GalaxyError, match="cannot be read as an array"):
        open_arrays(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 99},
        {"classes": ["spiral"]},
        {"classes": "spiral"},
        {"sha256": {"images.npy": "0"}},
        {"classes": [1, 2]},
        {"crop": None},
        {"counts": 3},
        {"skipped": "none"},
    ],
)
def test_an_invalid_dataset_json_is_refused(copy, change):
    edit_dataset(copy, lambda dataset: dataset.update(change))
    with pytest.raises(GalaxyError, match=r"dataset.json"):
        open_arrays(copy)


@pytest.mark.parametrize(
    "junk", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00\x10\x00{'descr': junk((", b"\x00" * 300]
)
def test_a_damaged_header_is_a_one_line_error(copy, junk):
    (copy / "images.npy").write_bytes(junk)
    with pytest.raises(GalaxyError, match=r"images\.npy"):
        open_arrays(copy)


def test_arrays_made_by_hand_need_the_documented_content(tmp_path):
    splits, labels = ["train"] * 4 + ["val"] * 2 + ["test"] * 2, ["disc", "ring"] * 4
    pixels = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", pixels)
    catalog = pd.DataFrame({"objid": range(8), "asset_id": range(8), "label": labels, "split": splits})
    catalog.assign(path="x.jpg").to_csv(tmp_path / "catalog.csv", index=False)
    counts = {split: {"disc": n, "ring": n} for split, n in (("train", 2), ("val", 1), ("test", 1))}
    dataset = {
        "format_version": 1,
        "classes": ["disc", "ring"],
        "crop": 32,
        "counts": counts,
        "skipped": [],
        "sha256": {name: sha256(tmp_path / name) for name in ("images.npy", "catalog.csv")},
    }
    write_json(tmp_path / "dataset.json", dataset)
    assert len(check(tmp_path).catalog) == 8
    for key in dataset:
        lacking = {name: value for name, value in dataset.items() if name != key}
        write_json(tmp_path / "dataset.json", lacking)
        with pytest.raises(GalaxyError, match=key.replace("_", "[_ ]")):
            check(tmp_path)
