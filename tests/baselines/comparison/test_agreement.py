"""All commands and TensorBoard report the same figures, also for a class without galaxies."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, precision_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from baselines.cli import main as baselines
from data_prep.cli import main as data_prep
from galaxy_lightning.cli.main import main
from tests.in_process import trained_here

TOLERANCE = 2e-6
"""Figures are rounded to six digits, and TensorBoard's are float32."""


@pytest.fixture(scope="module")
def folds(raw, sample, tmp_path_factory):
    """A cross-validation of galaxies without any irregular one."""
    folder = tmp_path_factory.mktemp("agreement")
    table = pd.read_csv(sample)
    table[table["label"] != "irregular"].to_csv(folder / "two.csv", index=False)
    shutil.copy(sample.with_suffix(".json"), folder / "two.json")  # It names all three classes.
    words = ["--sample", folder / "two.csv", "--raw", raw, "--out", folder / "arrays", "--crop", "46"]
    data_prep(["preprocess", *map(str, words)])
    with trained_here():
        main(
            [
                "crossval", "--folds=2", f"--data.arrays={folder / 'arrays'}", f"--out={folder / 'folds'}",
                "--model.network=reference_cnn", "--model.image_size=46", "--trainer.max_epochs=2",
                "--data.batch_size=8", "--trainer.enable_progress_bar=false",
            ]
        )  # fmt: skip
    return folder / "folds"


def read(path):
    return json.loads(path.read_text())


def test_the_macro_recall_is_the_same_in_test_crossval_and_compare(folds, tmp_path):
    run, arrays = folds / "fold_0/version_0", folds / "arrays/fold_0"
    main(["test", f"--ckpt_path={run}", f"--data.arrays={arrays}", f"--out={tmp_path / 'test'}"])
    words = ["compare", "--data", arrays, "--out", tmp_path / "report", "--models", "--runs", run]
    baselines(list(map(str, words)))
    tested = read(tmp_path / "test/metrics.json")["metrics"]
    folded = read(folds / "summary.json")["folds"][0]
    compared = read(tmp_path / "report/metrics.json")["models"][0]["mean"]

    table = pd.read_csv(run / "predictions.csv")
    table = table[table["split"] == "test"]
    recall = balanced_accuracy_score(table["label"], table["predicted"])
    precision = precision_score(table["label"], table["predicted"], average="macro", zero_division=0)
    for name, value in (("recall", recall), ("precision", precision)):
        found = [tested[name], folded[f"macro_{name}"], compared[f"macro_{name}"]]
        np.testing.assert_allclose(found, value, atol=TOLERANCE)
    assert "recall_irregular" not in tested
    assert "recall_irregular" not in folded
    assert compared["recall_irregular"] is None
    np.testing.assert_allclose(
        [folded["calibration_error"], compared["calibration_error"]],
        tested["calibration_error"],
        atol=1e-4,  # compare reads probabilities with five digits.
    )


def test_the_macro_recall_is_the_same_in_validate_and_tensorboard(folds, tmp_path):
    run, arrays = folds / "fold_0/version_0", folds / "arrays/fold_0"
    words = [f"--ckpt_path={run / 'last.ckpt'}", f"--data.arrays={arrays}", f"--out={tmp_path / 'val'}"]
    main(["validate", *words])
    events = EventAccumulator(str(run)).Reload()
    found = read(tmp_path / "val/metrics.json")["metrics"]
    curves = {
        "recall/macro": "recall",
        "recall/spiral": "recall_spiral",
        "calibration/error": "calibration_error",
    }
    for tag, name in curves.items():
        np.testing.assert_allclose(events.Scalars(tag)[-1].value, found[name], atol=TOLERANCE)
    assert "recall/irregular" not in events.Tags()["scalars"]
