"""What the commands show on a terminal, and through a pipe."""

import re
import shutil
import subprocess
import sys

import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.cli import fold_progress
from galaxy_lightning.cli.fold_progress import LOG, FoldProgress, failed_fit, run_fit
from galaxy_lightning.cli.main import main
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.program import PROGRAM
from tests.terminals import run_in_terminal, seen

SHORT = ["--model.network=reference_cnn", "--model.image_size=64", "--trainer.log_every_n_steps=1"]
CHATTER = re.compile(r"Tip|GPU|Seed|Restor|weights_only|Trainer|Warning|INFO|AMP|Loaded")


def fit(arrays, runs, *words):
    return ["fit", f"--data.arrays={arrays}", f"--runs={runs}", "--name=a", *SHORT, *words]


def epoch_lines(text):
    return [line for line in text.splitlines() if line.startswith("epoch")]


@pytest.fixture(scope="module")
def run(small_arrays, tmp_path_factory):
    """A run of two epochs, made in a terminal of 60 columns, and what its user sees."""
    runs = tmp_path_factory.mktemp("runs")
    words = fit(small_arrays, runs, "--trainer.max_epochs=2")
    status, written = run_in_terminal(60, "galaxy_lightning", *words)
    assert status == 0, written
    return runs / "a/version_0", written


def test_a_fit_on_a_terminal_leaves_a_line_per_epoch_and_a_verdict(run):
    folder, written = run
    lines = seen(written)
    assert not any(map(CHATTER.search, lines))
    shown = [line for line in lines if line.startswith("epoch")]
    assert [re.match(r"epoch ./2  loss .{5}  val loss .{5}  val accuracy .{5}$", line) for line in shown]
    assert len(shown) == 2
    assert max(map(len, shown)) < 60
    assert "Validation galaxies (12), which also set the calibration:" in lines
    assert any(line.startswith("Accuracy: ") for line in lines)
    assert f"Run folder:   {folder}" in lines
    assert f"Test:         {PROGRAM} test --ckpt_path {folder}" in lines


def test_a_pipe_gets_plain_lines(run, small_arrays, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    words = ["fit", f"--ckpt_path={tmp_path}/run", "--trainer.max_epochs=4", f"--data.arrays={small_arrays}"]
    done = subprocess.run(
        [sys.executable, "-m", "galaxy_lightning", *words], capture_output=True, check=True, text=True
    )
    assert "\r" not in done.stdout + done.stderr
    assert not CHATTER.search(done.stdout + done.stderr)
    assert done.stdout.startswith(f"\nResuming from {tmp_path}/run/last.ckpt\nTraining ")
    third, fourth = done.stderr.splitlines()
    pattern = r"  loss .{5}  val loss .{5}  val accuracy .{5}  .{4,6} images/s"
    assert re.fullmatch(rf"epoch 3/4{pattern}  \d+:\d\d left", third)
    assert re.fullmatch(rf"epoch 4/4{pattern}", fourth)


@pytest.mark.parametrize(
    ("words", "epochs"),
    [
        (["--trainer.max_epochs=2", "--trainer.check_val_every_n_epoch=2"], ["1/2", "2/2"]),
        (
            ["--trainer.max_epochs=2", "--trainer.val_check_interval=0.5", "--data.batch_size=8"],
            ["1/2", "2/2"],
        ),
        (["--trainer.max_epochs=9", "--trainer.max_steps=3", "--data.batch_size=28"], ["1/2", "2/2"]),
        (["--trainer.max_epochs=-1", "--trainer.max_time=00:00:00:01", "--data.batch_size=28"], None),
        (["--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"], []),
        (["--trainer.fast_dev_run=true"], ["1/1"]),
    ],
)
def test_the_epochs_of_every_kind_of_fit(small_arrays, tmp_path, capsys, words, epochs):
    main(fit(small_arrays, tmp_path, *words))
    lines = epoch_lines(capsys.readouterr().err)
    if epochs is None:
        assert re.match(r"epoch   1  loss .* images/s  0:0[01] left$", lines[0])
        return
    assert [line.split()[1] for line in lines] == epochs
    if words[1:2] == ["--trainer.check_val_every_n_epoch=2"]:
        assert "val loss     -  val accuracy     -" in lines[0]
        assert " - " not in lines[1]


@pytest.mark.parametrize("command", ["test", "predict"])
def test_an_evaluation_prints_no_chatter(run, command, tmp_path, small_arrays):
    out = f"--out={tmp_path}/p.csv" if command == "predict" else f"--out={tmp_path}/results"
    words = [f"--ckpt_path={run[0]}", f"--data.arrays={small_arrays}", out]
    status, written = run_in_terminal(80, "galaxy_lightning", command, *words)
    assert status == 0, written
    lines = seen(written)
    assert not any(map(CHATTER.search, lines))
    if command != "predict":
        assert max(len(line) for line in lines if not line.startswith("Saved to:")) <= 80
        assert "Test galaxies (12):" in lines


def test_a_cross_validation_leaves_a_line_per_fold(small_arrays, tmp_path):
    words = [f"--data.arrays={small_arrays}", f"--runs={tmp_path}", "--name=a", "--folds=2", *SHORT]
    words += ["--trainer.max_epochs=1"]
    status, written = run_in_terminal(80, "galaxy_lightning", "crossval", *words)
    assert status == 0, written
    lines = seen(written)
    assert "fold 1/2" in written.partition("1/1 epochs, val accuracy")[0]
    assert not any(map(CHATTER.search, lines))
    assert not epoch_lines("\n".join(lines))
    folds = [line for line in lines if line.startswith("fold ")]
    assert re.fullmatch(r"fold 1/2  accuracy .{5}  calibration error .{5}  +\d:\d\d  \d:\d\d left", folds[0])
    assert re.fullmatch(r"fold 2/2  accuracy .{5}  calibration error .{5}  +\d:\d\d", folds[1])
    assert "Only 8 validation galaxies: the calibrated probabilities and the column is_uncertain" in written
    folder = tmp_path / "a_crossval/seed_0"
    for name in ("fold_0", "fold_1"):
        log = (folder / name / LOG).read_text()
        assert "Training " in log
        assert len(epoch_lines(log)) == 1


def test_the_time_left_and_the_narrow_lines_of_folds(capsys, monkeypatch):
    progress = FoldProgress(10, missing=range(1, 10))
    progress.finish(0, 0.8, 0.04, None, None)
    progress.finish(1, 0.81234, 0.04, 100, 800)
    monkeypatch.setattr(fold_progress, "terminal_columns", lambda: 55)
    progress.finish(2, 0.8, 0.04, 50, 600)
    monkeypatch.setattr(fold_progress, "terminal_columns", lambda: 40)
    progress.finish(3, 0.8, 0.04, 50, 500)
    monkeypatch.setattr(fold_progress, "terminal_columns", lambda: None)
    progress.finish(6, 0.8, 0.04, 50, 70)
    progress.finish(5, 0.8, 0.04, 50, 0.1)
    assert capsys.readouterr().err.splitlines() == [
        "fold  1/10  accuracy 0.800  calibration error 0.040  trained before",
        "fold  2/10  accuracy 0.812  calibration error 0.040   1:40  13:20 left",
        "fold  3/10  accuracy 0.800  calibration error 0.040",
        "fold  4/10  accuracy 0.800",
        "fold  7/10  accuracy 0.800  calibration error 0.040   0:50   1:10 left",
        "fold  6/10  accuracy 0.800  calibration error 0.040   0:50",
    ]


def test_the_error_of_a_fold_is_reported_once_and_its_warnings_are_shown(tmp_path, capfd):
    words = ("galaxy_lightning", "fit", f"--data.arrays={tmp_path}/missing", "--config=galaxy_cnn")
    job = Job("fold 1/5", words, tmp_path / "fold_0", tmp_path / "fold_0" / LOG)
    with pytest.raises(GalaxyError) as caught:
        run_fit(job, epochs=3)
    message = failed_fit(job, caught.value)
    assert message.startswith("fold 1/5: ended with status 1: ")
    assert f"{tmp_path}/missing" in message
    assert message.endswith(f" (all that it printed: {job.log})")
    assert "error" not in capfd.readouterr().err
    bar = fold_progress._EpochBar("fold 1/5", 3, shown=False)
    bar.handle("epoch 1/3  loss 0.5")
    bar.handle("UserWarning: careful")
    assert capfd.readouterr().err == "UserWarning: careful\n"
