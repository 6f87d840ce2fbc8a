import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import log_loss

from baselines.cli import main
from baselines.majority import fit_majority
from data_prep.arrays.format import open_arrays
from data_prep.schema import CLASSES
from galaxy_lightning.runs.reader import read_run


def test_the_run_equals_the_dummy_classifier_of_scikit_learn(small_arrays, tmp_path, capsys):
    main(["fit", "majority", "--data", str(small_arrays), "--out", str(tmp_path / "run")])
    arrays = open_arrays(small_arrays)
    rows = {split: arrays.rows(split) for split in ("train", "val", "test")}
    dummy = DummyClassifier(strategy="prior").fit(rows["train"], arrays.labels[rows["train"]])
    scores = {split: dummy.score(found, arrays.labels[found]) for split, found in rows.items()}
    assert f"test {scores['test']:.3f}" in capsys.readouterr().out
    (history,) = pd.read_csv(tmp_path / "run/history.csv").to_dict("records")
    assert history["train_accuracy"] == pytest.approx(scores["train"])
    expected = log_loss(arrays.labels[rows["val"]], dummy.predict_proba(rows["val"]), labels=[0, 1, 2])
    assert history["val_loss"] == pytest.approx(expected)
    table = pd.read_csv(tmp_path / "run/predictions.csv", dtype={"objid": "int64"})
    assert table["objid"].tolist() == arrays.catalog["objid"].iloc[arrays.rows("val", "test")].tolist()
    np.testing.assert_allclose(table[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1, atol=1e-6)
    run = json.loads((tmp_path / "run/run.json").read_text())
    assert (run["model"], run["epochs"]) == ("majority", 1)
    assert run["arrays"]["sha256"] == arrays.dataset["sha256"]


@pytest.mark.parametrize(("bands", "classes"), [(1, 2), (5, 37)])
def test_it_takes_any_number_of_bands_and_classes(make_arrays, bands, classes, tmp_path):
    arrays = make_arrays(bands, classes)
    accuracies = fit_majority(arrays, tmp_path / "run")
    assert accuracies["test"] == pytest.approx(1 / classes)
    assert read_run(tmp_path / "run", arrays).probabilities.shape == (classes, classes)


def test_an_existing_run_is_kept_without_overwrite(small_arrays, tmp_path, capsys):
    words = ["fit", "majority", "--data", str(small_arrays), "--out", str(tmp_path / "run")]
    main(words)
    with pytest.raises(SystemExit):
        main(words)
    assert "add --overwrite" in capsys.readouterr().err
    main([*words, "--overwrite"])
    figures = tmp_path / "run/figures"
    names = {path.name for path in figures.iterdir()}
    assert {name.split(".")[0] for name in names} == {"confusion_matrix", "reliability"}
    shutil.rmtree(figures)  # As in a run of an older version.
    main([*words, "--overwrite"])
    assert {path.name for path in figures.iterdir()} == names
    (figures / "mine.svg").touch()
    with pytest.raises(SystemExit):
        main([*words, "--overwrite"])
    assert "figures also holds mine.svg" in capsys.readouterr().err
    assert (figures / "mine.svg").is_file()


def test_help_shows_no_python_types_and_imports_no_torch():
    code = "import sys; from baselines.cli import main; main([]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: python -m baselines COMMAND")
    assert "type:" not in done.stdout
    assert done.stdout.endswith("False\n")
