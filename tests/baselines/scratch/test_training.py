import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from baselines.cli import main
from baselines.scratch.training import _resize_images
from data_prep.arrays.format import open_arrays
from galaxy_lightning.runs.names import RUN_FIGURES
from galaxy_lightning.runs.reader import read_run

CONFIGS = Path(__file__).parents[3] / "configs/baselines"


def fit(model, arrays, out, *more):
    main(["fit", model, "--data", str(arrays), "--out", str(out), *more])
    return read_run(out, open_arrays(arrays))


@pytest.mark.parametrize(("model", "parameters"), [("scratch", 11_235), ("scratch-full", None)])
def test_a_fit_writes_a_run_and_the_same_seed_repeats_it(model, parameters, small_arrays, tmp_path):
    words = ["--epochs", "2", "--batch-size", "16"]
    run = fit(model, small_arrays, tmp_path / "run", *words)
    again = fit(model, small_arrays, tmp_path / "again", *words)
    other = fit(model, small_arrays, tmp_path / "other", *words, "--seed", "1")
    assert run.model == model
    assert parameters is None or run.number("parameters") == parameters
    assert (run.about["epochs"], len(run.history)) == (2, 2)
    np.testing.assert_array_equal(run.probabilities, again.probabilities)
    assert np.abs(run.probabilities - other.probabilities).max() > 0
    assert {path.name for path in (run.folder / "figures").iterdir()} == set(RUN_FIGURES)


@pytest.mark.parametrize("model", ["scratch", "scratch-full"])
@pytest.mark.parametrize(("bands", "classes"), [(1, 2), (5, 4), (2, 37)])
def test_it_takes_any_number_of_bands_and_classes(model, bands, classes, make_arrays, tmp_path):
    arrays = make_arrays(bands, classes)
    epochs = {2: "12", 4: "20", 37: "1"}[classes]
    words = [
        "--epochs",
        epochs,
        "--batch-size",
        "8",
        "--learning-rate",
        "0.01" if model == "scratch" else "0.003",
    ]
    run = fit(model, arrays.folder, tmp_path / "run", *words)
    assert run.probabilities.shape == (classes, classes)
    if classes < 37:  # The classes differ in the last band only.
        assert (run.predicted == arrays.labels[arrays.rows("test")]).mean() > 1.5 / classes


def test_both_engines_train_to_the_same_network(make_arrays, tmp_path):
    arrays, words = make_arrays(3, 3).folder, ["--epochs", "1", "--batch-size", "8", "--learning-rate", "0.1"]
    fast = fit("scratch", arrays, tmp_path / "fast", *words)
    slow = fit("scratch", arrays, tmp_path / "slow", *words, "--engine", "loops")
    np.testing.assert_allclose(slow.probabilities, fast.probabilities, atol=1e-5)


def test_the_weights_of_the_lowest_validation_loss_are_kept(small_arrays, tmp_path):
    fit("scratch", small_arrays, tmp_path / "run", "--epochs", "6", "--learning-rate", "0.3")
    history = pd.read_csv(tmp_path / "run/history.csv")
    table = pd.read_csv(tmp_path / "run/predictions.csv")
    val = table[table["split"] == "val"]
    found = (val["label"] == val["predicted"]).mean()
    assert found == pytest.approx(history["val_accuracy"][history["val_loss"].idxmin()])


def test_the_shipped_config_equals_the_defaults_of_the_command(small_arrays, tmp_path):
    for name, more in (("plain", []), ("config", ["--config", str(CONFIGS / "scratch.yaml")])):
        fit("scratch", small_arrays, tmp_path / name, *more)
    plain, config = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("plain", "config"))
    assert plain["hyperparameters"] == config["hyperparameters"]
    assert yaml.safe_load((CONFIGS / "scratch.yaml").read_text()).items() <= plain["hyperparameters"].items()


def test_the_settings_of_the_reference_are_a_config(small_arrays, tmp_path):
    run = fit("scratch", small_arrays, tmp_path / "run", "--config", str(CONFIGS / "scratch_reference.yaml"))
    settings = {"epochs": 5, "batch_size": 64, "learning_rate": 0.001, "momentum": 0.0}
    assert run.about["hyperparameters"] == settings | {"engine": "vectorized"}


def test_images_are_averaged_down_to_32_pixels(small_arrays):
    arrays = open_arrays(small_arrays)
    means = arrays.images.reshape(len(arrays.images), 32, 2, 32, 2, 3).mean(axis=(2, 4))
    assert np.abs(_resize_images(arrays) - means).max() <= 1  # Pillow rounds rows and columns in turn.


@pytest.mark.parametrize("bands", [1, 2, 4, 5])
def test_all_bands_are_averaged_like_colours(bands, make_arrays):
    arrays = make_arrays(bands, 2)
    small = _resize_images(arrays)
    for band in range(bands):
        colours = replace(arrays, images=np.repeat(arrays.images[..., band : band + 1], 3, axis=3))
        np.testing.assert_array_equal(_resize_images(colours), small[..., [band] * 3])


def test_a_diverging_fit_leaves_nothing_and_says_what_to_do(small_arrays, tmp_path, capsys):
    with pytest.raises(SystemExit):
        fit("scratch", small_arrays, tmp_path / "run", "--learning-rate", "1e30")
    assert "use a lower --learning-rate" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_images_that_are_too_small_are_refused(raw, sample, tmp_path, capsys):
    from data_prep.cli import main as data_prep

    words = ["--sample", str(sample), "--raw", str(raw), "--out", str(tmp_path / "tiny"), "--crop", "20"]
    data_prep(["preprocess", *words])
    for model, message in (("scratch", "at least 32"), ("scratch-full", "at least 46")):
        with pytest.raises(SystemExit):
            fit(model, tmp_path / "tiny", tmp_path / "run")
        assert message in capsys.readouterr().err


@pytest.mark.real
def test_it_learns_real_galaxies_with_the_default_settings(real_sample, tmp_path):
    from data_prep.cli import main as data_prep

    sample, arrays = tmp_path / "sample.csv", tmp_path / "arrays"
    words = ["--raw", str(real_sample), "--out", str(sample), "--n", "all", "--label-rule", "flags"]
    data_prep(["extract", *words])
    data_prep(["preprocess", "--sample", str(sample), "--raw", str(real_sample), "--out", str(arrays)])
    run = fit("scratch", arrays, tmp_path / "run")
    opened = open_arrays(arrays)
    assert (run.predicted == opened.labels[opened.rows("test")]).mean() >= 0.6
