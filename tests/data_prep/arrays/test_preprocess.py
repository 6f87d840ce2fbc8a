import json
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_prep.arrays import image_writer
from data_prep.arrays import preprocess as module
from data_prep.arrays.check import check
from data_prep.arrays.folds import make_folds
from data_prep.arrays.format import open_arrays
from data_prep.arrays.preprocess import preprocess, report
from data_prep.common import resumable_file
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.schema import CLASSES


def test_the_arrays_have_the_documented_content(raw, sample, arrays):
    opened = open_arrays(arrays)
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    assert opened.images.shape == (len(rows), 224, 224, 3)
    assert opened.images.dtype == np.uint8
    assert opened.catalog["objid"].tolist() == rows["objid"].tolist()
    for row in (0, 17, len(rows) - 1):
        with Image.open(raw / rows["path"].iloc[row]) as image:
            assert np.array_equal(opened.images[row], np.asarray(image)[100:324, 100:324])
    dataset = json.loads((arrays / "dataset.json").read_text())
    assert dataset["classes"] == list(CLASSES)
    assert (dataset["label_rule"], dataset["threshold"], dataset["seed"]) == ("threshold", 0.65, 0)
    assert dataset["sha256"] == {name: sha256(arrays / name) for name in ("images.npy", "catalog.csv")}
    assert sum(sum(counts.values()) for counts in dataset["counts"].values()) == len(rows)
    assert opened.labels.tolist() == [CLASSES.index(label) for label in rows["label"]]
    assert np.sort(np.concatenate([opened.rows(split) for split in ("train", "val", "test")])).size == len(
        rows
    )


def test_the_pixels_cannot_be_written_to(arrays):
    with pytest.raises(ValueError, match="read-only"):
        open_arrays(arrays).images[0] = 0


def test_unusable_images_are_listed_and_skipped(raw, sample, tmp_path):
    copy = tmp_path / "raw"
    shutil.copytree(raw, copy)
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    paths = [copy / path for path in rows["path"]]
    paths[0].unlink()
    paths[3].write_bytes(b"")
    paths[5].write_bytes(paths[5].read_bytes()[:-3000])
    Image.new("CMYK", (424, 424)).save(paths[7])
    dataset = preprocess(sample, copy, tmp_path / "arrays", crop=64, progress=False)
    reasons = [entry["reason"] for entry in dataset["skipped"]]
    assert [entry["objid"] for entry in dataset["skipped"]] == rows["objid"].iloc[[0, 3, 5, 7]].tolist()
    assert reasons[:2] == ["missing", "an empty file"]
    assert "truncated" in reasons[2]
    assert "CMYK" in reasons[3]
    opened = open_arrays(tmp_path / "arrays")
    assert opened.catalog["objid"].tolist() == rows["objid"].drop(index=[0, 3, 5, 7]).tolist()
    with Image.open(paths[4]) as image:
        assert np.array_equal(opened.images[2], np.asarray(image)[180:244, 180:244])


def test_without_usable_images_nothing_is_written(sample, tmp_path):
    with pytest.raises(GalaxyError, match="there is no folder .*nowhere: name the folder"):
        preprocess(sample, tmp_path / "nowhere", tmp_path / "arrays", progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GalaxyError, match="none of the 80 images.*missing"):
        preprocess(sample, tmp_path / "empty", tmp_path / "arrays", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(raw, sample, tmp_path):
    for name, workers in (("a", 1), ("b", 4)):
        preprocess(sample, raw, tmp_path / name, crop=64, seed=5, workers=workers, progress=False)
    for name in ("images.npy", "catalog.csv", "dataset.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_rotate_once_turns_images_as_recorded_in_the_catalogue(raw, sample, small_arrays, tmp_path):
    preprocess(sample, raw, tmp_path / "turned", crop=64, rotate_once=True, progress=False)
    upright, turned = open_arrays(small_arrays), open_arrays(tmp_path / "turned")
    assert set(turned.catalog["quarter_turns"]) == {0, 1, 2, 3}
    assert turned.catalog["split"].tolist() == upright.catalog["split"].tolist()
    for row, quarters in enumerate(turned.catalog["quarter_turns"]):
        assert np.array_equal(turned.images[row], np.rot90(upright.images[row], quarters))


def test_memory_does_not_grow_with_the_sample(raw, sample, tmp_path):
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    peaks = []
    for copies in (8, 32):
        many = pd.concat([rows.assign(objid=rows["objid"] + copy) for copy in range(copies)])
        many.to_csv(tmp_path / "many.csv", index=False)
        tracemalloc.start()
        preprocess(tmp_path / "many.csv", raw, tmp_path / "arrays", overwrite=True, progress=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    more_pixels = 24 * len(rows) * 224 * 224 * 3
    assert peaks[1] - peaks[0] < 0.02 * more_pixels


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("label", "starburst", r"1 class \(starburst\): a classifier needs 2 to 100 classes"),
        ("label", "", "line 2: the column label is empty"),
        ("path", "", "line 2: the column path is empty"),
        ("split", "train", "the given split has no test galaxies"),
        ("split", "some", "in none of train, val, test"),
        ("quarter_turns", "1", "the column quarter_turns is made by preprocess"),
    ],
)
def test_an_invalid_sample_is_refused(sample, raw, tmp_path, column, value, message):
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    rows[column] = value
    rows.to_csv(tmp_path / "sample.csv", index=False)
    with pytest.raises(GalaxyError, match=message):
        preprocess(tmp_path / "sample.csv", raw, tmp_path / "arrays", progress=False)


def test_a_sample_needs_only_three_columns(raw, sample, tmp_path):
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    rows[["path", "label", "objid"]].to_csv(tmp_path / "own.csv", index=False)
    dataset = preprocess(tmp_path / "own.csv", raw, tmp_path / "arrays", crop=64, progress=False)
    assert dataset["galaxies"] == len(rows)
    assert "unknown" in dataset["label_rule"]
    images = open_arrays(tmp_path / "arrays").catalog["asset_id"]
    assert images.tolist() == [Path(path).stem for path in rows["path"]]


def test_any_labels_are_classes_in_alphabetical_order(raw, sample, tmp_path):
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    rows["label"] = np.resize(["ring", "Bar", 'edge-on, "thin"', "merger"], len(rows))
    rows.to_csv(tmp_path / "own.csv", index=False)
    preprocess(tmp_path / "own.csv", raw, tmp_path / "arrays", crop=64, progress=False)
    arrays = check(tmp_path / "arrays")
    assert arrays.classes == ["Bar", 'edge-on, "thin"', "merger", "ring"]
    assert arrays.catalog["label"].tolist() == rows["label"].tolist()


def test_a_label_that_is_not_in_the_summary_is_refused(raw, sample, tmp_path):
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    rows.loc[0, "label"] = "sprial"
    rows.to_csv(tmp_path / "own.csv", index=False)
    shutil.copy(sample.with_suffix(".json"), tmp_path / "own.json")
    with pytest.raises(GalaxyError, match="line 2, column label: 'sprial' is not one of elliptical, irreg"):
        preprocess(tmp_path / "own.csv", raw, tmp_path / "arrays", crop=64, progress=False)


def test_a_given_split_is_kept(raw, sample, tmp_path):
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    rows["split"] = np.resize(["Training", "valid", "TEST", "train"], len(rows))
    rows.to_csv(tmp_path / "own.csv", index=False)
    preprocess(tmp_path / "own.csv", raw, tmp_path / "arrays", crop=64, progress=False)
    splits = open_arrays(tmp_path / "arrays").catalog["split"]
    assert splits.tolist() == np.resize(["train", "val", "test", "train"], len(rows)).tolist()


def test_a_given_split_with_copies_in_two_splits_is_refused(twice, tmp_path):
    sample, raw = twice
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    rows["split"] = np.where(np.arange(len(rows)) < len(rows) // 2, "train", "test")
    rows.to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(GalaxyError, match="40 images whose galaxy, or an identical image, is in another"):
        preprocess(tmp_path / "own.csv", raw, tmp_path / "arrays", crop=64, progress=False)


def test_a_galaxy_with_two_labels_is_refused(sample, raw, tmp_path):
    rows = pd.read_csv(sample, dtype={"objid": "int64"})
    double = pd.concat([rows, rows.head(1).assign(label="spiral"), rows.head(1).assign(label="irregular")])
    double.to_csv(tmp_path / "sample.csv", index=False)
    with pytest.raises(GalaxyError, match="1 galaxies have two labels"):
        preprocess(tmp_path / "sample.csv", raw, tmp_path / "arrays", progress=False)


@pytest.fixture
def twice(sample, raw, tmp_path):
    """A sample of 40 galaxies whose images appear again under other ids; with the folder of the images."""
    rows = pd.read_csv(sample, dtype={"objid": "int64"}).head(40)
    paths = [f"again/{Path(path).name}" for path in rows["path"]]
    again = rows.assign(objid=rows["objid"] + 1, path=paths)
    both = tmp_path / "raw"
    for path, other in zip(rows["path"], again["path"], strict=True):
        for target in (both / path, both / other):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(raw / path, target)
    pd.concat([rows, again]).to_csv(tmp_path / "sample.csv", index=False)
    return tmp_path / "sample.csv", both


@pytest.mark.parametrize("cut_off", [False, True])
@pytest.mark.parametrize("rotate_once", [False, True])
def test_an_image_under_two_ids_is_in_one_split(twice, tmp_path, monkeypatch, rotate_once, cut_off):
    settings = {"crop": 64, "rotate_once": rotate_once, "progress": False}
    if cut_off:
        monkeypatch.setattr(image_writer, "BLOCK", 4)
        monkeypatch.setattr(resumable_file, "SAVE_SECONDS", 0)
        read, left = module.load_image, [50]

        def reading(*args):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return read(*args)

        monkeypatch.setattr(module, "load_image", reading)
        with pytest.raises(KeyboardInterrupt):
            preprocess(*twice, tmp_path / "arrays", workers=1, **settings)
    preprocess(*twice, tmp_path / "arrays", workers=3, **settings)
    split = check(tmp_path / "arrays").catalog["split"].to_numpy()
    assert split[:40].tolist() == split[40:].tolist()
    for fold in make_folds(open_arrays(tmp_path / "arrays"), tmp_path / "folds", 4):
        split = check(fold).catalog["split"].to_numpy()
        assert split[:40].tolist() == split[40:].tolist()


def test_check_finds_copies_that_rotate_once_turned_differently(twice, tmp_path):
    preprocess(*twice, tmp_path / "arrays", crop=64, rotate_once=True, progress=False)
    catalog = pd.read_csv(tmp_path / "arrays/catalog.csv", dtype={"objid": "int64"})
    turns, split = (catalog[name].to_numpy() for name in ("quarter_turns", "split"))
    row = int(np.argmax((turns[:40] != turns[40:]) & (split[:40] == "train")))
    catalog.loc[row, "split"] = "test"
    rewrite(tmp_path / "arrays", catalog)
    with pytest.raises(GalaxyError, match=f"1 images are identical to.*objid {catalog['objid'][row]} "):
        check(tmp_path / "arrays")
    catalog.loc[3, "quarter_turns"] = 7
    rewrite(tmp_path / "arrays", catalog)
    with pytest.raises(GalaxyError, match="column quarter_turns: it must hold 0, 1, 2 or 3"):
        check(tmp_path / "arrays")


def rewrite(arrays, catalog):
    """Changes the catalogue, and corrects its hash and counts."""
    catalog.to_csv(arrays / "catalog.csv", index=False)
    dataset = json.loads((arrays / "dataset.json").read_text())
    dataset["sha256"]["catalog.csv"] = sha256(arrays / "catalog.csv")
    dataset["counts"] = {
        name: {
            label: int(((catalog["split"] == name) & (catalog["label"] == label)).sum()) for label in counts
        }
        for name, counts in dataset["counts"].items()
    }
    (arrays / "dataset.json").write_text(json.dumps(dataset))


def test_overwriting_refuses_a_folder_with_files_of_the_user(sample, raw, tmp_path):
    preprocess(sample, raw, tmp_path / "arrays", crop=64, progress=False)
    (tmp_path / "arrays/notes.txt").write_text("precious")
    with pytest.raises(GalaxyError, match=r"also holds notes\.txt"):
        preprocess(sample, raw, tmp_path / "arrays", crop=64, progress=False, overwrite=True)
    assert (tmp_path / "arrays/notes.txt").read_text() == "precious"


def test_an_empty_crop_or_sample_is_refused(sample, raw, tmp_path):
    with pytest.raises(GalaxyError, match="the crop must be 1 to 8,192 pixels, not 0"):
        preprocess(sample, raw, tmp_path / "arrays", crop=0)
    (tmp_path / "empty.csv").write_text(sample.read_text().splitlines()[0] + "\n")
    with pytest.raises(GalaxyError, match="holds no galaxies"):
        preprocess(tmp_path / "empty.csv", raw, tmp_path / "arrays")
    assert not (tmp_path / "arrays").exists()


def test_counts_of_classes_with_long_names_are_separated():
    counts = {"a disc, seen from its edge": 3, "smooth": 4}
    dataset = {
        "classes": ["smooth", "a disc, seen from its edge"],
        "counts": {"train": counts},
        "skipped": [],
    }
    head, train, *_ = report(dataset)
    assert "      smooth  a disc, seen from its edge       total" in head
    assert train.split() == ["train", "4", "3", "7"]
