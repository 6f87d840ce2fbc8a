"""The crossval command on small arrays."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep.arrays.format import open_arrays
from galaxy_lightning.cli.main import main

CONFIG = Path(__file__).parents[3] / "configs/galaxy_cnn.yaml"


def crossval(arrays, runs, *words):
    main(
        [
            "crossval",
            "--folds=2",
            f"--config={CONFIG}",
            f"--data.arrays={arrays}",
            "--model.image_size=64",
            "--trainer.max_epochs=1",
            "--trainer.enable_progress_bar=false",
            f"--runs={runs}",
            *words,
        ]
    )


@pytest.fixture(scope="module")
def done(small_arrays, tmp_path_factory):
    """A cross-validation with two folds, and the folder of its runs."""
    runs = tmp_path_factory.mktemp("crossval")
    crossval(small_arrays, runs)
    return runs / "galaxy_cnn_crossval/seed_0"


def test_each_galaxy_is_tested_once_by_a_model_that_has_not_seen_it(done, small_arrays):
    table = pd.read_csv(done / "predictions.csv")
    assert sorted(table["objid"]) == sorted(open_arrays(small_arrays).catalog["objid"])
    for fold in (0, 1):
        arrays = open_arrays(done / f"arrays/fold_{fold}")
        run = json.loads((done / f"fold_{fold}/version_0/run.json").read_text())
        assert run["arrays"]["sha256"] == arrays.dataset["sha256"]
        tested = set(table.loc[table["fold"] == fold, "objid"])
        assert tested == set(arrays.catalog["objid"].iloc[arrays.rows("test")])
        assert not tested & set(arrays.catalog["objid"].iloc[arrays.rows("train", "val")])


def test_the_summary_agrees_with_the_folds(done):
    summary = json.loads((done / "summary.json").read_text())
    table = pd.read_csv(done / "predictions.csv")
    right = table["label"] == table["predicted"]
    assert summary["pooled"]["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    per_fold = right.groupby(table["fold"]).mean()
    assert summary["spread"]["accuracy"]["mean"] == pytest.approx(per_fold.mean(), abs=1e-6)
    assert summary["spread"]["accuracy"]["sd"] == pytest.approx(per_fold.std(ddof=1), abs=1e-6)
    assert np.sum(summary["confusion"]) == len(table)
    for picture in ("confusion_matrix.png", "reliability.png", "coverage.png"):
        assert (done / picture).stat().st_size > 1000


def test_a_second_call_trains_nothing(done, small_arrays, capsys):
    before = {path: path.stat().st_mtime_ns for path in done.rglob("run.json")}
    crossval(small_arrays, done.parents[1])
    assert {path: path.stat().st_mtime_ns for path in done.rglob("run.json")} == before
    printed = capsys.readouterr().out
    assert "each galaxy is classified by a model not trained on it" in printed
    assert "mean ± sd" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model.mixup=0.5"], "holds a cross-validation with other settings"),
        (["--folds=1", "--name=other"], "cannot make 1 folds"),
        (["--ckpt_path=x"], "remove --ckpt_path"),
    ],
)
def test_invalid_settings_are_refused(done, small_arrays, words, message, capsys):
    with pytest.raises(SystemExit):
        crossval(small_arrays, done.parents[1], *words)
    assert message in capsys.readouterr().err


def test_a_folder_with_other_content_is_left_alone(small_arrays, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SystemExit):
        main(["crossval", f"--data.arrays={small_arrays}", f"--out={tmp_path}"])
    assert "holds other files" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
