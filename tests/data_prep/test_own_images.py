"""The command ``preprocess`` with your own images: what it uses, skips with a reason, and refuses."""

import json
import re

import numpy as np
import pytest

from data_prep.arrays.format import open_arrays
from tests.own_galaxies import (
    CLASSES,
    IDS,
    LABELS,
    files_of,
    refuse,
    run,
    write_band_files,
    write_cubes,
    write_images,
    write_table,
)

IDS, LABELS = IDS[:12], LABELS[:12]


@pytest.fixture
def prepare(tmp_path):
    """Labels the images of a folder and returns the words of ``preprocess``."""

    def prepare(*more, ids=IDS, labels=LABELS, label=()):
        table, images = write_table(tmp_path / "t.csv", name=ids, type=labels), tmp_path / "images"
        words = ["--table", table, "--images", images, "--out", tmp_path / "s.csv", "--overwrite"]
        status, _, error = run("label", *words, *label)
        assert (status, error) == (0, "")
        out = tmp_path / "arrays"
        return ["preprocess", "--sample", tmp_path / "s.csv", "--images", images, "--out", out, *more]

    return prepare


def skipped(folder):
    """Returns the reason for each skipped image."""
    return {entry["path"]: entry["reason"] for entry in open_arrays(folder).dataset["skipped"]}


def test_other_bands_and_sizes_are_skipped_with_the_reason(prepare, tmp_path):
    images = write_cubes(tmp_path / "images", IDS[:9], LABELS[:9], side=24)
    write_cubes(images, IDS[9:10], LABELS[9:10], bands=3, side=24)
    write_cubes(images, IDS[10:11], LABELS[10:11], side=12)
    write_images(images, IDS[11:], side=24)
    status, out, _ = run(*prepare("--crop", 16))
    assert status == 0
    assert "9 galaxies of 16 x 16 pixels in 5 bands (band1, band2, band3, band4, band5)" in out
    assert "stretch of the pixel values: asinh (minimum=" in out
    assert "3 images skipped as unusable" in out
    assert skipped(tmp_path / "arrays") == {
        f"{IDS[9]}.fits": "3 bands, not 5",
        f"{IDS[10]}.fits": "12 x 12 pixels, smaller than the crop of 16",
        f"{IDS[11]}.jpg": "3 bands, not 5",
    }


def test_images_without_a_scale_are_skipped_if_one_is_needed(prepare, tmp_path):
    images = write_cubes(tmp_path / "images", IDS[:9], LABELS[:9], side=32, scale=0.4)
    write_cubes(images, IDS[9:], LABELS[9:], side=32)
    assert run(*prepare("--crop", 16, "--target-scale", 0.5))[0] == 0
    reasons = skipped(tmp_path / "arrays")
    assert sorted(reasons) == [f"{name}.fits" for name in sorted(IDS[9:])]
    assert all("celestial coordinates (WCS)" in reason for reason in reasons.values())


def test_different_scales_are_noted(prepare, tmp_path):
    images = write_cubes(tmp_path / "images", IDS[:6], LABELS[:6], bands=1, side=24, scale=0.4)
    write_cubes(images, IDS[6:], LABELS[6:], bands=1, side=24, scale=0.2)
    status, out, _ = run(*prepare("--crop", 16))
    assert status == 0
    assert "note: the images have pixel scales of 0.2 to 0.4 arcsec per pixel; --target-scale" in out
    assert "note: the images have pixel scales" in run("check", tmp_path / "arrays")[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", 16, "--crop", 20], "the size of 16 pixels is smaller than the crop of 20"),
        (["--size", 16, "--target-scale", 0.5], "size and target scale exclude each other"),
        (["--crop", 16, "--stretch", "asinh"], "8-bit pixels, which need no stretch: leave out --stretch"),
        (["--crop", 16, "--stretch-parameters", "Q=8"], "8-bit pixels"),
        (["--crop", 16, "--stretch-parameters", "S=8"], "--stretch-parameters S=8: write a parameter"),
        (["--crop", 16, "--bands", *"ugriz"], "none of the 12 images .* 3 bands, not 5"),
        (["--crop", 16, "--bands", "g", "g", "r"], "two bands have the same name"),
        (["--crop", 16, "--target-scale", 0.5], r"none of the 12 images .*\(WCS\)"),
        (["--crop", 40], "none of the 12 images .* 24 x 24 pixels, smaller than the crop of 40"),
        ([], "none of the 12 images .* smaller than the crop of 224"),
    ],
)
def test_options_that_do_not_fit_are_one_line_and_leave_nothing(prepare, tmp_path, options, message):
    write_images(tmp_path / "images", IDS, side=24)
    words = prepare(*options)
    before = files_of(tmp_path)
    assert re.search(message, refuse(*words))
    assert files_of(tmp_path) == before


def test_another_folder_than_that_of_the_images_is_one_error(prepare, tmp_path):
    write_cubes(tmp_path / "images", IDS, LABELS, side=24)
    words = prepare("--crop", 16)
    write_images(tmp_path / "other", ["1"])
    expected = {"other": "none of the 12 images of .*: missing.: check the folder of the images"}
    expected |= dict.fromkeys(
        ("nowhere", "t.csv"), "there is no folder .*: name the folder in which the paths"
    )
    for folder, message in expected.items():
        words[4] = tmp_path / folder
        assert re.search(message, refuse(*words))
        assert not (tmp_path / "arrays").exists()


def test_the_bands_of_files_are_chosen_by_name(prepare, tmp_path):
    write_band_files(tmp_path / "images", "grz", IDS, LABELS, side=24)
    naming = ["--bands", *"grz", "--pattern", "{id}_{band}.fits"]
    status, out, _ = run(*prepare("--crop", 16, "--bands", "z", "g", label=naming))
    assert status == 0
    assert "in 2 bands (z, g)" in out
    two = open_arrays(tmp_path / "arrays")
    assert run(*prepare("--crop", 16, "--overwrite", label=naming))[0] == 0
    three = open_arrays(tmp_path / "arrays")
    assert two.dataset["images"]["pattern"] == three.dataset["images"]["pattern"] == "{id}_{band}.fits"
    order = two.catalog["objid"].tolist()
    assert order == three.catalog["objid"].tolist()
    means = [opened.images.astype(float).mean(axis=(1, 2)) for opened in (two, three)]
    assert np.corrcoef(means[0][:, 1], means[1][:, 0])[0, 1] > 0.99
    message = refuse(
        *prepare(
            "--crop",
            16,
            "--bands",
            "i",
            label=naming,
        ),
        "--overwrite",
    )
    assert "--bands i: the sample has no files for i, only for the bands g, r, z" in message


def test_an_image_that_vanished_is_skipped(prepare, tmp_path):
    images = write_band_files(tmp_path / "images", "gr", IDS, LABELS, side=24)
    words = prepare("--crop", 16, label=["--bands", "g", "r", "--pattern", "{id}_{band}.fits"])
    (images / f"{IDS[0]}_r.fits").unlink()
    assert run(*words)[0] == 0
    assert list(skipped(tmp_path / "arrays")) == [f"{IDS[0]}_g.fits|{IDS[0]}_r.fits"]


def test_a_folder_of_classes_is_prepared(tmp_path):
    for name in CLASSES:
        write_images(tmp_path / "classes", [f"{name}/{number}" for number in range(5)], side=24)
    assert run("label", "--folders", tmp_path / "classes", "--out", tmp_path / "s.csv")[0] == 0
    words = ["--sample", tmp_path / "s.csv", "--images", tmp_path / "classes", "--out", tmp_path / "arrays"]
    assert run("preprocess", *words, "--crop", 16)[0] == 0
    arrays = open_arrays(tmp_path / "arrays")
    assert arrays.classes == list(CLASSES)
    assert (arrays.catalog["label"] == [path.split("/")[0] for path in arrays.catalog["path"]]).all()


def test_a_leak_in_the_given_split_names_the_galaxy(tmp_path):
    write_images(tmp_path / "images", [f"{number}" for number in range(12)], side=24)
    columns = {"id": ["x", "x", *"abcdefghij"], "path": [f"{number}.jpg" for number in range(12)]}
    splits = ["train", "test"] * 6
    write_table(tmp_path / "t.csv", **columns, label=["a", "a", *"ab" * 5], split=splits)
    words = ["--table", tmp_path / "t.csv", "--images", tmp_path / "images", "--out", tmp_path / "s.csv"]
    assert run("label", *words)[0] == 0
    images = ["--images", tmp_path / "images", "--out", tmp_path / "arrays", "--crop", 16]
    message = refuse("preprocess", "--sample", tmp_path / "s.csv", *images)
    assert re.search("the given split has 1 images whose galaxy.*id x in .*, id x in ", message)
    assert not (tmp_path / "arrays").exists()


def test_the_summary_of_the_sample_is_in_the_arrays(prepare, tmp_path):
    write_images(tmp_path / "images", IDS, side=24)
    run(*prepare("--crop", 16))
    dataset = json.loads((tmp_path / "arrays/dataset.json").read_text())
    assert dataset["sample"] == json.loads((tmp_path / "s.json").read_text())
    assert dataset["label_rule"] == "column type"
