import math
import sys
from functools import partial

import pytest

from data_prep.common.progress import progress_bar
from galaxy_lightning.runs import epoch_progress as progress_module
from galaxy_lightning.runs.epoch_progress import EpochProgress, parse_epoch_line
from tests.terminals import seen, terminal

NOT_MEASURED = math.nan


def row(epoch, loss, val_loss=0.5, val_accuracy=0.75, seconds=4.0):
    values = {"epoch": epoch, "train_loss": loss, "val_loss": val_loss, "val_accuracy": val_accuracy}
    return values | {"seconds": seconds, "train_seconds": seconds}


def test_consecutive_lines_are_aligned(capsys):
    progress = EpochProgress(12)
    progress.finish(row(8, 10.471), 96.4)
    progress.finish(row(9, 0.4712, NOT_MEASURED, NOT_MEASURED), 1662.2)
    progress.finish(row(10, 0.4712, seconds=8), 166.2)
    progress.finish(row(11, 1234.5), None)
    assert capsys.readouterr().err.splitlines() == [
        "epoch  9/12  loss 10.47  val loss 0.500  val accuracy 0.750    96 images/s  0:12 left",
        "epoch 10/12  loss 0.471  val loss     -  val accuracy     -  1662 images/s  0:08 left",
        "epoch 11/12  loss 0.471  val loss 0.500  val accuracy 0.750   166 images/s  0:05 left",
        "epoch 12/12  loss  1234  val loss 0.500  val accuracy 0.750     - images/s",
    ]


def test_a_fit_without_validation_or_without_end_has_shorter_lines(capsys):
    EpochProgress(2, validates=False).finish(row(0, 0.5), 10)
    EpochProgress(None).finish(row(0, 0.5), 10)
    EpochProgress(None).finish(row(0, 0.5), 10, seconds_left=3700)
    EpochProgress(9).finish(row(0, 0.5), 10, seconds_left=7)
    EpochProgress(9, shown=False).finish(row(0, 0.5), 10)
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1/2  loss 0.500    10 images/s  0:04 left",
        "epoch   1  loss 0.500  val loss 0.500  val accuracy 0.750    10 images/s",
        "epoch   1  loss 0.500  val loss 0.500  val accuracy 0.750    10 images/s  1:01:40 left",
        "epoch 1/9  loss 0.500  val loss 0.500  val accuracy 0.750    10 images/s  0:07 left",
    ]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (120, "epoch 1/9  loss 0.500  val loss 0.500  val accuracy 0.750    10 images/s  0:32 left"),
        (80, "epoch 1/9  loss 0.500  val loss 0.500  val accuracy 0.750  0:32 left"),
        (60, "epoch 1/9  loss 0.500  val loss 0.500  val accuracy 0.750"),
        (58, "epoch 1/9  loss 0.500  val loss 0.500  val accuracy 0.750"),
        (57, "epoch 1/9  val loss 0.500  val accuracy 0.750"),
        (40, "epoch 1/9  val accuracy 0.750"),
        (5, "epoch 1/9  val accuracy 0.750"),
    ],
)
def test_a_line_fits_the_terminal(columns, line, monkeypatch):
    with terminal(columns) as (stream, read):
        monkeypatch.setattr(sys, "stderr", stream)
        EpochProgress(9).finish(row(0, 0.5), 10)
        assert seen(read()) == [line, ""]


@pytest.mark.parametrize("columns", [60, 120])
def test_a_bar_is_shown_while_an_epoch_runs_and_then_vanishes(columns, monkeypatch):
    monkeypatch.setattr(progress_module, "progress_bar", partial(progress_bar, delay=0))
    monkeypatch.setattr(progress_module, "_REFRESH_SECONDS", 0)
    with terminal(columns) as (stream, read):
        monkeypatch.setattr(sys, "stderr", stream)
        progress = EpochProgress(9)
        for done in range(5):
            progress.update(0, done, 8, loss=0.5)
        (bar,) = [part for part in read().split("\r") if "4/8" in part]
        assert bar.startswith("epoch 1/9  50%|")
        assert bar.endswith("| 4/8 batches, loss 0.500")
        assert len(bar) <= columns
        for done in range(3):
            progress.update(0, done, 2, what="validating")
        assert "epoch 1/9, validating 100%|" in seen(read())[-1]
        progress.finish(row(0, 0.5), 10)
        assert seen(read())[-2:] == [seen(read())[0], ""]
        assert "batches" not in seen(read())[0]


def test_a_pipe_gets_no_bar(capsys):
    progress = EpochProgress(9)
    for done in range(5):
        progress.update(0, done, math.inf, loss=0.5)
    progress.close()
    assert capsys.readouterr().err == ""


def test_the_lines_can_be_parsed(capsys):
    EpochProgress(12).finish(row(8, 0.5))
    EpochProgress(None).finish(row(8, 0.5))
    assert [parse_epoch_line(line) for line in capsys.readouterr().err.splitlines()] == [(9, 12), (9, None)]
    assert parse_epoch_line("epoch 9 is the best") is None
