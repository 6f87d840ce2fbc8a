"""Images in the folders and under the names that users choose."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from data_prep.arrays.preprocess import preprocess
from data_prep.cli import main
from data_prep.common.errors import GalaxyError
from data_prep.images.survey_images import find_images
from data_prep.samples.extract import extract
from data_prep.schema import IMAGES_FOLDER, MAPPING_FILE, TABLE2_FILE
from tests.data_prep.samples.test_extract import FIRST, make_raw

TAKEN = 12


@pytest.fixture
def few(raw, tmp_path):
    """A survey of a few galaxies without its images, and these images by asset id."""
    folder = tmp_path / "few"
    folder.mkdir()
    mapping = pd.read_csv(raw / MAPPING_FILE).iloc[:TAKEN]
    mapping.to_csv(folder / MAPPING_FILE, index=False)
    shutil.copy(raw / TABLE2_FILE, folder)
    images = {asset_id: raw / IMAGES_FOLDER / f"{asset_id}.jpg" for asset_id in mapping["asset_id"]}
    return folder, mapping, images


def put(images, folder, name="{}.jpg"):
    folder.mkdir(parents=True, exist_ok=True)
    for asset_id, image in images.items():
        os.link(image, folder / name.format(asset_id))


@pytest.mark.parametrize(
    "place",
    [
        "images_gz2/images",
        "images",
        "images_gz2",
        "images_gz2/images_gz2/images",
        "images_gz2/images/images",
        "images_gz2/images_gz2",
        "",
    ],
)
def test_images_one_folder_level_off_are_found(few, place, tmp_path):
    folder, _, images = few
    put(images, folder / place)
    extract(folder, tmp_path / "s.csv", n="all")
    paths = pd.read_csv(tmp_path / "s.csv")["path"]
    assert {str(Path(path).parent) for path in paths} == {place or "."}
    made = preprocess(tmp_path / "s.csv", folder, tmp_path / "arrays", crop=32, progress=False)
    assert made["galaxies"] == TAKEN
    assert made["skipped"] == []


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".Png"])
def test_other_suffixes_are_found(few, suffix, tmp_path):
    folder, _, images = few
    put(images, folder / IMAGES_FOLDER, "{}" + suffix)
    assert extract(folder, tmp_path / "s.csv", n="all")["galaxies"] == TAKEN
    assert pd.read_csv(tmp_path / "s.csv")["path"].str.endswith(suffix).all()


def test_images_named_by_objid_are_found_and_reported(few, tmp_path, capsys):
    folder, mapping, images = few
    objids = dict(zip(mapping["objid"], images.values(), strict=True))
    put(objids, folder / IMAGES_FOLDER)
    main(["extract", "--raw", str(folder), "--out", str(tmp_path / "s.csv"), "--n", "all"])
    assert f"note: the images in {IMAGES_FOLDER} are named by objid" in capsys.readouterr().out
    sample = pd.read_csv(tmp_path / "s.csv", dtype={"objid": "str"})
    assert len(sample) == TAKEN
    assert (sample["path"] == IMAGES_FOLDER + "/" + sample["objid"] + ".jpg").all()


def test_images_with_other_names_are_reported(few, tmp_path):
    folder, mapping, images = few
    put(images, folder / IMAGES_FOLDER, "galaxy_{}.jpg")
    first = mapping["asset_id"].iloc[0]
    with pytest.raises(GalaxyError, match=rf"expected names such as {first}\.jpg, found galaxy_\d+\.jpg"):
        extract(folder, tmp_path / "s.csv", n="all")


def test_unused_files_are_counted_except_system_files(tmp_path):
    raw = make_raw(
        tmp_path / "raw", [FIRST + k for k in range(4)], [FIRST + k for k in range(7)], (1, 2, 3, 9)
    )
    images = raw / IMAGES_FOLDER
    for name in ("2.JPG", "2.png", "notes.txt", "._1.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (images / name).touch()
    for name in ("@eaDir", ".AppleDouble", "4.jpg"):
        (images / name).mkdir()
    (images / "@eaDir/4.jpg").touch()
    (raw / "images").mkdir()
    (raw / "images/4.jpg").touch()
    summary = extract(raw, tmp_path / "s.csv", n="all")
    assert summary["excluded"] == {
        "images not in the mapping": 1,
        "image files of the same name": 2,
        "files that are not images": 1,
        "Table 2 objid not in the mapping": 3,
        "no image": 1,
    }
    assert summary["notes"] == [f"1 images in {raw / 'images'} are ignored, since {images} holds images"]
    assert set(pd.read_csv(tmp_path / "s.csv")["path"]) == {f"{IMAGES_FOLDER}/{k}.jpg" for k in (1, 2, 3)}


def test_invalid_ids_and_images_of_two_galaxies_are_excluded_and_counted(tmp_path):
    objids = [FIRST, FIRST + 1, FIRST + 2, -9999, 0]
    raw = make_raw(tmp_path / "raw", objids, [*objids[:3], -9999], range(1, 6))
    mapping = pd.read_csv(raw / MAPPING_FILE).assign(asset_id=[1, 2, 2, 4, 5])
    mapping.to_csv(raw / MAPPING_FILE, index=False)
    summary = extract(raw, tmp_path / "s.csv", n="all")
    assert summary["excluded"] == {
        "images not in the mapping": 1,
        "mapping objid not positive": 2,
        "asset id shared by several galaxies": 2,
        "Table 2 objid not positive": 1,
        "Table 2 objid not in the mapping": 2,
    }
    assert summary["galaxies"] == 1


def test_a_missing_image_folder_or_a_file_in_its_place_is_refused(few, tmp_path):
    folder, _, _ = few
    with pytest.raises(GalaxyError, match=f"not a raw Galaxy Zoo folder; missing: {IMAGES_FOLDER}"):
        extract(folder, tmp_path / "s.csv")
    (folder / "images_gz2").mkdir()
    (folder / IMAGES_FOLDER).touch()
    with pytest.raises(GalaxyError, match=f"{IMAGES_FOLDER} is not a folder"):
        extract(folder, tmp_path / "s.csv")
    (folder / IMAGES_FOLDER).unlink()
    (folder / IMAGES_FOLDER).mkdir()
    with pytest.raises(GalaxyError, match="expected names such as .* found no image"):
        extract(folder, tmp_path / "s.csv")
    with pytest.raises(GalaxyError, match="is not a folder: name the folder of the raw survey"):
        extract(folder / MAPPING_FILE, tmp_path / "s.csv")


def test_a_folder_that_cannot_be_read_is_named(few, monkeypatch):
    folder, _, images = few
    put(images, folder / IMAGES_FOLDER)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("data_prep.images.image_files.os.scandir", refuse)
    with pytest.raises(GalaxyError, match=f"{IMAGES_FOLDER} cannot be read: Permission denied"):
        find_images(folder)
