"""Galaxy arrays, run folders and checkpoints of an older version; see older/make.sh."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from baselines.cli import main as baselines
from data_prep.arrays.check import check
from galaxy_lightning.cli.main import main
from galaxy_lightning.runs.writer import read_history

ARCHIVE = Path(__file__).with_name("older") / "older.tar.gz"


@pytest.fixture
def older(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def run(older):
    return older / "runs/reference_cnn/version_0"


def test_the_arrays_are_complete(older):
    assert len(check(older / "arrays").catalog) == 24


@pytest.mark.parametrize("place", ["", "best.ckpt"])
def test_a_model_gives_the_same_probabilities(older, run, place, tmp_path):
    table = tmp_path / "table.csv"
    main(["predict", f"--ckpt_path={run / place}", f"--data.arrays={older / 'arrays'}", f"--out={table}"])
    now, then = (pd.read_csv(path).set_index("objid") for path in (table, run / "predictions.csv"))
    columns = [name for name in then if name.startswith("p_")]
    assert columns
    np.testing.assert_allclose(now.loc[then.index, columns], then[columns], atol=1e-5)


def test_a_model_is_tested(older, run):
    main(["test", f"--ckpt_path={run}", f"--data.arrays={older / 'arrays'}"])
    assert (run / "test/metrics.json").is_file()


def test_a_fit_resumes(older, run):
    shutil.copyfile(run / "best.ckpt", run / "last.ckpt")
    main(
        [
            "fit", f"--ckpt_path={run}", f"--data.arrays={older / 'arrays'}", "--trainer.max_epochs=2",
            "--trainer.enable_progress_bar=false",
        ]
    )  # fmt: skip
    assert [epoch["epoch"] for epoch in read_history(run)] == [0, 1]


def test_runs_are_compared(older, run):
    runs = [str(run), str(older / "runs/scratch")]
    words = ["compare", "--data", str(older / "arrays"), "--out", str(older / "report")]
    baselines([*words, "--models", "--runs", *runs])
    report = (older / "report/report.md").read_text()
    assert "reference_cnn" in report
    assert "scratch" in report
