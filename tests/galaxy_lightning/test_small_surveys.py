"""Surveys of a few galaxies: one validation galaxy, one test galaxy, classes without galaxies."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from baselines.cli import main as baselines
from data_prep.cli import main as data_prep
from galaxy_lightning.cli.main import main

CONFIGS = Path(__file__).parents[2] / "configs"
PICTURES = ("confusion_matrix", "reliability", "coverage")


@pytest.fixture(scope="module")
def survey(raw, sample, tmp_path_factory):
    """Returns a function that makes arrays of chosen galaxies."""

    def survey(name, choose, crop=64):
        folder = tmp_path_factory.mktemp(name)
        table = pd.read_csv(sample, dtype="str")
        choose(table).to_csv(folder / "sample.csv", index=False)
        shutil.copy(sample.with_suffix(".json"), folder / "sample.json")  # It names all classes.
        words = ["--sample", f"{folder}/sample.csv", "--raw", str(raw), "--out", f"{folder}/{name}"]
        data_prep(["preprocess", *words, "--crop", str(crop), "--workers", "1"])
        return folder / name

    return survey


def words(arrays, *more):
    short = ["--model.image_size=64", "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]
    return [f"--data.arrays={arrays}", *short, *more]


def fit(arrays, runs, config, *more):
    name = [f"--config={CONFIGS / config}.yaml", f"--runs={runs}", f"--name={config}"]
    main(["fit", *name, *words(arrays, *more)])
    return runs / config / "version_0"


def no_nan(name):
    raise AssertionError(f"{name} is in a JSON file")


@pytest.mark.parametrize(
    ("config", "batch"), [("galaxy_cnn", 1), ("galaxy_cnn", 2), ("reference_cnn", 1), ("reference_cnn", 64)]
)
def test_one_validation_galaxy_and_one_test_galaxy_are_enough(survey, raw, tmp_path, capsys, config, batch):
    arrays = survey("two_of_each", lambda table: table.groupby("label").head(2))
    counts = json.loads((arrays / "dataset.json").read_text())["counts"]
    assert sum(counts["val"].values()) == sum(counts["test"].values()) == 1
    run = fit(arrays, tmp_path, config, f"--data.batch_size={batch}")
    printed = capsys.readouterr()
    assert "Only 1 validation galaxy: the calibrated" in printed.err
    assert "one galaxy, so without an interval" in printed.out
    for command in ("test", "validate"):
        main([command, f"--ckpt_path={run}"])
        for name in PICTURES:
            assert (run / command / f"{name}.png").read_bytes().startswith(b"\x89PNG")
            assert (run / command / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    main(["predict", f"--ckpt_path={run}", f"--data.images={raw}", f"--out={tmp_path}/all.csv"])
    assert len(pd.read_csv(tmp_path / "all.csv").dropna()) == 80
    baselines(
        ["compare", "--data", str(arrays), "--out", f"{tmp_path}/report", "--models", "--runs", str(run)]
    )
    for path in tmp_path.rglob("*.json"):
        json.loads(path.read_text(), parse_constant=no_nan)


def test_a_class_without_training_galaxies_is_named(survey, tmp_path, capsys):
    arrays = survey("spirals", lambda table: table[table["label"] == "spiral"])
    run = fit(arrays, tmp_path, "reference_cnn")
    assert "No training galaxy is labelled elliptical or irregular" in capsys.readouterr().err
    main(["test", f"--ckpt_path={run}"])
    json.loads((run / "test/metrics.json").read_text(), parse_constant=no_nan)


def test_a_fast_dev_run_works_with_batches_of_one(small_arrays, capsys):
    main(["fit", *words(small_arrays, "--data.batch_size=1", "--trainer.fast_dev_run=true")])
    assert "12 validation galaxies" in capsys.readouterr().out


def test_a_network_that_needs_batches_of_two_reports_it(survey, tmp_path, capsys):
    arrays = survey("tiny", lambda table: table.groupby("label").head(2), crop=32)
    network = ["--model.backbone=resnet18", "--model.weights=none", "--data.batch_size=1"]
    with pytest.raises(SystemExit):
        main(["fit", f"--runs={tmp_path}", *words(arrays, *network, "--model.image_size=32")])
    assert "cannot train on a batch of one galaxy: choose a --data.batch_size" in capsys.readouterr().err
