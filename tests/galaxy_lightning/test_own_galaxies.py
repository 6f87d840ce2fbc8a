"""Your own galaxies with the real commands, from a table and images to predictions."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_prep.arrays.format import open_arrays
from data_prep.images.fits_images import read_fits
from data_prep.images.image_settings import ImageSettings
from galaxy_lightning.cli.main import main
from tests.own_galaxies import (
    CLASSES,
    IDS,
    LABELS,
    galaxy,
    read_sample,
    run,
    write_band_files,
    write_cubes,
    write_table,
)

SIZE = 32
PROBABILITIES = [f"p_{name}" for name in CLASSES]


def prepare(folder, images, *options, label=()):
    """Labels and preprocesses the galaxies of ``t.csv``; returns the arrays."""
    sample, arrays = folder / "sample.csv", folder / "arrays"
    words = ["--table", folder / "t.csv", "--images", images, "--out", sample]
    assert run("label", *words, *label)[0] == 0
    status, _, error = run("preprocess", "--sample", sample, "--images", images, "--out", arrays, *options)
    assert (status, error) == (0, "")
    assert run("check", arrays)[0] == 0
    return arrays


def fit(arrays, folder, *options):
    """Trains for one epoch; returns the run folder."""
    words = ["--config=galaxy_cnn", f"--data.arrays={arrays}", f"--runs={folder}", "--name=own"]
    main(["fit", *words, "--data.batch_size=16", "--trainer.max_epochs=1", *options])
    return folder / "own/version_0"


def predict(run_folder, out, *data):
    """Returns the table of predictions."""
    main(["predict", f"--ckpt_path={run_folder}", f"--out={out}", *data])
    return pd.read_csv(out, dtype={"id": str, "asset_id": str})


def assert_same_predictions(run_folder, arrays, images, folder, capsys):
    """Checks that files and arrays get the same probabilities; returns what predict printed for the files."""
    from_arrays = predict(run_folder, folder / "a.csv", f"--data.arrays={arrays}").set_index("asset_id")
    capsys.readouterr()
    from_files = predict(run_folder, folder / "f.csv", f"--data.images={images}").set_index("id")
    assert set(from_arrays.index) == set(from_files.index)
    np.testing.assert_allclose(
        from_arrays[PROBABILITIES], from_files.loc[from_arrays.index, PROBABILITIES], atol=1e-6
    )
    return capsys.readouterr().out


def test_cubes_of_five_bands_and_four_classes_with_text_ids(tmp_path, capsys):
    images = write_cubes(tmp_path / "images")
    write_table(tmp_path / "t.csv", name=IDS, type=LABELS)
    folder = prepare(tmp_path, images, "--size", SIZE, label=["--bands", *"ugriz"])
    arrays = open_arrays(folder)
    assert arrays.images.shape == (len(IDS), SIZE, SIZE, 5)
    assert arrays.classes == list(CLASSES)
    assert list(arrays.bands) == list("ugriz")
    assert arrays.catalog["id"].tolist() == arrays.catalog["asset_id"].tolist()
    run_folder = fit(folder, tmp_path)
    main(["test", f"--ckpt_path={run_folder}"])
    confusion = pd.read_csv(run_folder / "test/confusion_matrix.csv", index_col=0)
    assert list(confusion.index) == list(CLASSES)
    assert confusion.to_numpy().sum() == (arrays.catalog["split"] == "test").sum()
    printed = assert_same_predictions(run_folder, folder, images, tmp_path, capsys)
    assert "resampled" not in printed


def test_one_file_per_band_with_the_bands_in_another_order(tmp_path, capsys):
    images = write_band_files(tmp_path / "images", "grz")
    write_table(tmp_path / "t.csv", name=IDS, type=LABELS)
    naming = ["--bands", *"grz", "--pattern", "{id}_{band}.fits"]
    folder = prepare(tmp_path, images, "--crop", SIZE, "--bands", *"zrg", label=naming)
    arrays = open_arrays(folder)
    assert list(arrays.bands) == ["z", "r", "g"]
    settings = ImageSettings.from_json(arrays.dataset["images"])
    row = 3
    name = arrays.catalog["id"].iloc[row]
    planes = [read_fits(images / f"{name}_{band}.fits", [band]).planes[8:-8, 8:-8, 0] for band in "zrg"]
    np.testing.assert_array_equal(arrays.images[row], settings.stretch.apply(np.stack(planes, axis=-1)))
    run_folder = fit(folder, tmp_path)
    assert_same_predictions(run_folder, folder, images, tmp_path, capsys)


def test_images_of_another_pixel_scale_are_resampled_and_predict_says_so(tmp_path, capsys):
    images = write_cubes(tmp_path / "images", bands=3, side=64, scale=0.3)
    write_table(tmp_path / "t.csv", name=IDS, type=LABELS)
    folder = prepare(tmp_path, images, "--crop", SIZE, "--target-scale", "0.5")
    assert open_arrays(folder).dataset["pixel_scale"] == 0.5
    run_folder = fit(folder, tmp_path)
    printed = assert_same_predictions(run_folder, folder, images, tmp_path, capsys)
    assert "Images of 0.3 arcsec per pixel are resampled to the model's 0.5" in printed
    finer = write_cubes(tmp_path / "finer", IDS[:4], LABELS[:4], bands=3, side=128, scale=0.2)
    write_cubes(finer, IDS[4:5], LABELS[4:5], bands=3, side=128)
    predicted = predict(run_folder, tmp_path / "p.csv", f"--data.images={finer}")
    assert len(predicted) == 4
    printed = capsys.readouterr().out
    assert "Images of 0.2 arcsec per pixel are resampled to the model's 0.5" in printed
    assert "no celestial coordinates (WCS)" in printed + (tmp_path / "p_skipped.csv").read_text()


def test_your_own_split_is_the_one_of_the_runs(tmp_path):
    splits = ["train"] * 24 + ["test"] * 16
    (tmp_path / "images").mkdir()
    for seed, (name, label) in enumerate(zip(IDS, LABELS, strict=True)):
        pixels = np.clip(np.moveaxis(galaxy(label, 3, seed=seed), 0, -1) * 60 + 20, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{name}.png")
    write_table(tmp_path / "t.csv", name=IDS, type=LABELS, set=splits)
    folder = prepare(tmp_path, tmp_path / "images", "--crop", SIZE, label=["--split-column", "set"])
    catalog = open_arrays(folder).catalog.set_index("id")
    given = pd.Series(splits, index=IDS)
    assert set(catalog.index[catalog["split"] == "test"]) == set(given.index[given == "test"])
    assert set(catalog["split"][given.index[given == "train"]]) == {"train", "val"}
    run_folder = fit(folder, tmp_path)
    predictions = pd.read_csv(run_folder / "predictions.csv", dtype={"objid": "int64"})
    tested = predictions["objid"][predictions["split"] == "test"]
    assert set(tested) == set(catalog["objid"][given.index[given == "test"]])


def test_soft_targets_from_a_preset_for_galaxy_zoo_2(tmp_path, capsys):
    generator = np.random.default_rng(0)
    featured = np.array([0.1, 0.9, 0.5, 0.3] * 10)
    votes = {
        "t01_smooth_or_features_a01_smooth_debiased": 0.98 - featured,
        "t01_smooth_or_features_a02_features_or_disk_debiased": featured,
        "t01_smooth_or_features_a03_star_or_artifact_debiased": 0.02,
        "t02_edgeon_a04_yes_debiased": 0.1,
        "t02_edgeon_a05_no_debiased": 0.9,
        "t04_spiral_a08_spiral_debiased": 0.95,
        "total_classifications": generator.integers(20, 60, 40),
    }
    ids = 587722981742084097 + np.arange(40) * 7
    write_table(tmp_path / "t.csv", dr7objid=ids, **votes)
    images = write_cubes(tmp_path / "images", ids, LABELS, bands=3)
    folder = prepare(tmp_path, images, "--crop", SIZE, label=["--rules", "gz2_three"])
    arrays = open_arrays(folder)
    assert arrays.dataset["votes"] == {"threshold": 0.65, "rest": "irregular"}
    assert arrays.dataset["class_descriptions"]["irregular"] == "undecided votes, not a morphology"
    spiral = read_sample(tmp_path / "sample.csv").set_index("objid")["vote_spiral"].astype(float)
    expected = featured * 0.1 + featured * 0.9 * 0.95
    np.testing.assert_allclose(spiral[[str(name) for name in ids]], expected)
    for targets in ("votes", "labels"):
        run_folder = fit(folder, tmp_path / targets, f"--data.targets={targets}")
        made = json.loads((run_folder / "run.json").read_text())
        assert made["hyperparameters"].get("targets", targets) == targets
    assert "undecided votes, not a morphology" in capsys.readouterr().out


def test_arrays_without_votes_cannot_be_trained_on_votes(tmp_path, capsys):
    images = write_cubes(tmp_path / "images", bands=1)
    write_table(tmp_path / "t.csv", name=IDS, type=LABELS)
    folder = prepare(tmp_path, images, "--crop", SIZE)
    shutil.rmtree(tmp_path / "own", ignore_errors=True)
    with pytest.raises(SystemExit) as caught:
        fit(folder, tmp_path, "--data.targets=votes")
    assert caught.value.code == 1
    error = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(error) == 1
    assert "votes" in error[0]
