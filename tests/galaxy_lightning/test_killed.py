"""fit, test, validate, predict killed at any moment: results are complete, and a resumed command agrees."""

import pytest
import torch

from galaxy_lightning.runs.writer import read_history
from tests.galaxy_lightning.made_runs import same
from tests.killing import KILLS, command

pytestmark = pytest.mark.soak

SETUP = """
from galaxy_lightning.runtime.noise import quieten, without_tensorflow
quieten()
with without_tensorflow():
    import torch.utils.tensorboard
from galaxy_lightning.cli import lightning_cli
from data_prep.common import resumable_file
resumable_file.SAVE_SECONDS = 0
"""


@pytest.fixture(scope="module")
def killed():
    with command("galaxy_lightning.cli.main", SETUP) as killed:
        yield killed


@pytest.fixture(scope="module")
def fit(small_arrays, tmp_path_factory):
    """Returns the command line of a new fit of this name, and its run folder."""
    runs = tmp_path_factory.mktemp("runs")

    def fit(name):
        words = [
            "fit", f"--data.arrays={small_arrays}", f"--runs={runs}", f"--name={name}",
            "--model.network=reference_cnn", "--model.image_size=64", "--data.batch_size=16",
            "--trainer.max_epochs=2", "--trainer.enable_progress_bar=false",
        ]  # fmt: skip
        return words, runs / name / "version_0"

    return fit


@pytest.fixture(scope="module")
def whole(killed, fit):
    """The run of an uninterrupted fit."""
    words, run = fit("whole")
    killed.run(*words)
    return run


def test_a_killed_fit_resumes_to_the_same_result(killed, fit, whole):
    killed.run(*fit("once_more")[0])  # Measures the duration.
    words, run = fit("begun")
    for kill in range(KILLS):
        killed.kill(*words)
        read_history(run)
        if (run / "predictions.csv").exists():
            assert (run / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
        complete = (run / "run.json").exists()
        if complete:
            same(run, whole)
        if (run / "last.ckpt").exists() and not complete:
            torch.load(run / "last.ckpt", weights_only=True)
            words = ["fit", f"--ckpt_path={run}/last.ckpt"]
        else:
            words, run = fit(f"begun_after_{kill}")
    killed.run(*words)
    assert (run / "run.json").exists()
    same(run, whole)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_results_are_either_the_old_or_the_new_ones(killed, whole, tmp_path):
    out = tmp_path / "results"
    commands = [(name, f"--ckpt_path={whole}", f"--out={out}") for name in ("validate", "test")]
    results = []
    for words in commands:
        killed.run(*words)
        results.append(contents(out))
    assert results[0] != results[1]
    for kill in range(KILLS):
        killed.kill(*commands[kill % 2])
        assert contents(out) in results
    killed.run(*commands[0])
    assert contents(out) == results[0]


@pytest.mark.parametrize("suffix", [".csv", ".fits"])
def test_a_table_is_either_the_old_or_the_new_one(suffix, killed, whole, tmp_path):
    table = tmp_path / f"table{suffix}"
    predict = ["predict", f"--ckpt_path={whole}", f"--out={table}", "--overwrite"]
    commands = [[*predict, f"--zooms={zooms}"] for zooms in (1, 2)]
    tables = []
    for words in commands:
        killed.run(*words)
        tables.append(table.read_bytes())
    assert tables[0] != tables[1]
    table.unlink()
    for kill in range(KILLS):
        killed.kill(*commands[kill // 4 % 2])  # Repeats the same command, which may resume.
        assert not table.exists() or table.read_bytes() in tables
    for words, expected in zip(commands, tables, strict=True):
        killed.run(*words)
        assert table.read_bytes() == expected
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == [table]
