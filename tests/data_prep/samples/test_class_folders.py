"""The command ``label --folders``: one folder per class."""

import os
import re

import pytest

from tests.own_galaxies import (
    files_of,
    read_excluded,
    read_sample,
    refuse,
    run,
    write_band_files,
    write_images,
)


def label(folder, *more, out="sample.csv"):
    """Labels a folder; returns what was printed, and the sample as pairs of path and label."""
    status, printed, error = run("label", "--folders", folder, "--out", folder.parent / out, *more)
    assert (status, error) == (0, "")
    sample = read_sample(folder.parent / out)
    return printed, list(zip(sample["path"], sample["label"], strict=True))


@pytest.fixture
def folder(tmp_path):
    return write_images(
        tmp_path / "classes", [f"{name}/{name[0]}{k}" for name in ("disc", "ring") for k in "012"]
    )


def test_the_folder_is_the_class(folder):
    write_images(folder, ["ring/deep/r9.PNG"])
    printed, sample = label(folder)
    assert "7 of 7 eligible galaxies: 3 disc, 4 ring" in printed
    assert sample[0] == ("disc/d0.jpg", "disc")
    assert sample[3] == ("ring/deep/r9.PNG", "ring")
    assert read_sample(folder.parent / "sample.csv")["id"].tolist()[:2] == ["d0", "d1"]


def test_files_outside_of_the_folders_of_classes_are_listed(folder):
    write_images(folder, ["stray.jpg"])
    (folder / "README").write_text("text")
    (folder / "empty").mkdir()
    printed, sample = label(folder)
    assert len(sample) == 6
    assert "excluded: 2 other files" in printed
    listed = {row[2]: row[3] for row in read_excluded(folder.parent / "sample.csv")}
    assert listed["stray.jpg"] == "not in the folder of a class"
    assert listed["README"].startswith("not an image in a supported format")


def test_images_of_the_same_name_in_two_classes_are_two_galaxies(tmp_path):
    folder = write_images(tmp_path / "classes", [f"{name}/{k}" for name in "ab" for k in range(3)])
    label(folder)
    sample = read_sample(tmp_path / "sample.csv")
    assert sample["id"].tolist() == ["a/0", "a/1", "a/2", "b/0", "b/1", "b/2"]
    assert sample["asset_id"].tolist() == ["0", "1", "2"] * 2
    assert sample["objid"].is_unique


def test_integer_names_are_the_ids(tmp_path):
    names = ["a/11", "a/12", "b/13", "b/587722981742084097"]
    label(write_images(tmp_path / "classes", names))
    sample = read_sample(tmp_path / "sample.csv")
    assert sample["objid"].tolist() == ["11", "12", "13", "587722981742084097"]
    assert "id" not in sample


def test_of_two_formats_of_an_image_one_is_used(folder):
    write_images(folder, ["ring/r0.png", "ring/R1.jpg"])
    sample = label(folder)[1]
    assert ("ring/r0.jpg", "ring") in sample
    assert [row[2:] for row in read_excluded(folder.parent / "sample.csv")] == [
        ("ring/r0.png", "an image of the same name, ring/r0.jpg, is used")
    ]


def test_folders_named_like_splits_hold_the_classes(tmp_path):
    names = [f"{split}/{name}/{split}{k}" for split in ("Train", "test") for name in "ab" for k in range(2)]
    printed = label(write_images(tmp_path / "galaxies", [*names, "test/stray"]))[0]
    assert "4 a, 4 b" in printed
    assert (
        "note: the folders Train, test are used as the split, and their subfolders as the classes" in printed
    )
    assert read_sample(tmp_path / "sample.csv")["split"].tolist() == ["train"] * 4 + ["test"] * 4
    assert read_excluded(tmp_path / "sample.csv")[0][2:] == ("test/stray.jpg", "not in the folder of a class")


def test_images_with_one_file_per_band(tmp_path):
    for name, label_ in (("a", "smooth"), ("b", "ring")):
        write_band_files(tmp_path / f"galaxies/{name}", "gr", ["1", "2"], [label_] * 2, side=8)
    (tmp_path / "galaxies/b/2_r.fits").unlink()
    _, sample = label(tmp_path / "galaxies", "--bands", "g", "r", "--pattern", "{id}_{band}.fits")
    assert sample == [
        ("a/1_g.fits|a/1_r.fits", "a"),
        ("a/2_g.fits|a/2_r.fits", "a"),
        ("b/1_g.fits|b/1_r.fits", "b"),
    ]
    made = read_sample(tmp_path / "sample.csv")
    assert made["id"].tolist() == ["a/1", "a/2", "b/1"]
    assert made["asset_id"].tolist() == ["1", "2", "1"]
    assert read_excluded(tmp_path / "sample.csv")[0][2:] == ("b/2_g.fits", "no file for the band r of 2")


def test_an_image_whose_name_is_not_valid_text_is_listed(folder):
    (folder / "ring" / os.fsdecode(b"\xff.jpg")).write_bytes((folder / "ring/r0.jpg").read_bytes())
    printed, sample = label(folder)
    assert len(sample) == 6
    assert "excluded: 1 other files" in printed


def test_a_linked_folder_is_a_class(folder):
    (folder.parent / "elsewhere").symlink_to(folder / "ring")
    write_images(folder.parent / "far", ["x0", "x1", "x2"])
    (folder / "linked").symlink_to(folder.parent / "far")
    assert ("linked/x0.jpg", "linked") in label(folder)[1]


@pytest.mark.parametrize(
    ("more", "option"),
    [
        (["--table", "t.csv"], "table"),
        (["--images", "i"], "images"),
        (["--rules", "gz2_three"], "rules"),
        (["--threshold", "0.5"], "threshold"),
        (["--mapping", "m.csv"], "mapping"),
        (["--keep", "ra"], "keep"),
        (["--id-column", "id"], "id-column"),
        (["--label-column", "l"], "label-column"),
        (["--split-column", "s"], "split-column"),
    ],
)
def test_options_of_tables_are_refused(folder, tmp_path, more, option):
    message = refuse("label", "--folders", folder, "--out", tmp_path / "s.csv", *more)
    assert message == f"--folders takes galaxies and labels from the folders alone: leave out --{option}"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["only/1", "only/2"], "each of the 2 galaxies is labelled 'only' .folders., but .* at least two"),
        (["1", "2"], "has no subfolders with images: --folders needs one for each class"),
        (["Ring/1", "ring/2"], "'Ring' and 'ring' differ only by case"),
        ([f"{k}/{k}" for k in range(101)], "101 classes .folders: '0', '1', .* at most 100"),
        ([], "there is no folder"),
    ],
)
def test_folders_without_classes_are_refused(tmp_path, names, message):
    folder = write_images(tmp_path / "f", names)
    before = files_of(tmp_path)
    assert re.search(message, refuse("label", "--folders", folder, "--out", tmp_path / "s.csv"))
    assert files_of(tmp_path) == before
