"""The example that searches for hyperparameters, also after a kill."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna")

EXAMPLE = Path(__file__).parents[1] / "docs/examples/tune.py"


@pytest.fixture
def example(small_arrays, tmp_path):
    """The command of the example, with one epoch instead of 20."""
    text = EXAMPLE.read_text()
    assert text.count('"max_epochs": 20') == 1
    (tmp_path / "tune.py").write_text(text.replace('"max_epochs": 20', '"max_epochs": 1'))
    return [sys.executable, "tune.py", str(small_arrays)]


def environment():
    return os.environ | {"PYTHONPATH": str(EXAMPLE.parents[2])}


def search(words, folder):
    done = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def trials(folder):
    return optuna.load_study(study_name="tune", storage=f"sqlite:///{folder}/tune.db").trials


def test_it_finds_the_best_trial_and_goes_on_after_a_kill(example, tmp_path):
    with subprocess.Popen([*example, "2"], cwd=tmp_path, env=environment()) as killed:
        until = time.monotonic() + 120
        while not list(tmp_path.glob("runs/tune/version_1")) and time.monotonic() < until:
            time.sleep(0.1)
        killed.kill()
    assert [trial.state.name for trial in trials(tmp_path)] == ["COMPLETE", "RUNNING"]
    time.sleep(11)  # The grace period of the example.
    said = search([*example, "2"], tmp_path)
    states = [trial.state.name for trial in trials(tmp_path)]
    assert states == ["COMPLETE", "FAIL", "COMPLETE"]
    assert trials(tmp_path)[2].params == trials(tmp_path)[1].params  # The killed trial, once more.
    best = min(trial.value for trial in trials(tmp_path) if trial.value is not None)
    assert f"Lowest validation loss: {best:.3f}" in said
