import pickle
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from galaxy_lightning.callbacks.run_logger import RunLogger
from galaxy_lightning.runtime.noise import without_tensorflow
from tests.fuzzing import SOAKING

LOG = """
import sys
from pathlib import Path
from galaxy_lightning.callbacks.run_logger import RunLogger
from galaxy_lightning.runtime.noise import quieten

quieten()
logger = RunLogger(Path(sys.argv[1]))
logger.log_metrics({"val_loss": 0.5}, 3)
logger.finalize("success")
"""
HIDDEN = """
assert "tensorflow" not in sys.modules
"""
NOT_HIDDEN = """
import contextlib
from galaxy_lightning.callbacks import run_logger

run_logger.without_tensorflow = contextlib.nullcontext
"""
REFUSED = """
from data_prep.common.errors import GalaxyError
from tests.full_disk import largest_file

logger = RunLogger(Path(sys.argv[1]))
logger.save()
with largest_file(150):
    try:
        logger.log_metrics(dict.fromkeys("abcdef", 0.5), 1)
        logger.save()
    except GalaxyError as error:
        print(error)
    logger.finalize("failed")
"""


def python(program, folder):
    return subprocess.run(
        [sys.executable, "-c", program, folder], capture_output=True, text=True, check=True, timeout=300
    )


def scalars(folder):
    with without_tensorflow():
        events = EventAccumulator(str(folder)).Reload()
    return [(event.step, event.value) for event in events.Scalars("val_loss")]


@pytest.mark.parametrize("program", [LOG + HIDDEN, NOT_HIDDEN + LOG], ids=["hidden", "not hidden"])
def test_a_log_is_the_same_whether_tensorflow_can_be_hidden_or_not(tmp_path, program):
    if program != LOG + HIDDEN and not SOAKING:
        pytest.skip("one of the long tests")
    python(program, tmp_path)
    assert scalars(tmp_path) == [(3, 0.5)]


def test_what_the_disk_refuses_is_one_error_without_a_traceback(tmp_path):
    said = python(LOG.partition("logger =")[0] + REFUSED, tmp_path)
    assert said.stdout == f"{tmp_path}/events.out.tfevents.* cannot be written: File too large\n"
    assert said.stderr == ""


def test_what_lies_before_and_after_a_cut_off_event_is_read(tmp_path):
    for step in (1, 2):
        logger = RunLogger(tmp_path)
        logger.log_metrics({"val_loss": 0.5}, step)
        if step == 1:
            logger.log_metrics({"val_loss": 0.25}, step)
        logger.finalize("success")
        if step == 1:
            (events,) = tmp_path.glob("events.*")
            events.write_bytes(events.read_bytes()[:-5])
    assert scalars(tmp_path) == [(1, 0.5), (2, 0.5)]


def test_a_logger_that_writes_can_be_pickled(tmp_path):
    logger = RunLogger(tmp_path)
    logger.log_metrics({"val_loss": 0.5}, 1)
    logger.finalize("success")
    copy = pickle.loads(pickle.dumps(logger))
    copy.log_metrics({"val_loss": 0.5}, 2)
    copy.finalize("success")
    assert scalars(tmp_path) == [(1, 0.5), (2, 0.5)]


@pytest.mark.parametrize("value", ["no number", None])
def test_what_cannot_be_logged_is_no_matter_of_the_disk(tmp_path, value):
    logger = RunLogger(tmp_path)
    with pytest.raises(ValueError, match="not supported"):
        logger.log_metrics({"val_loss": value}, 1)
    logger.finalize("failed")


def test_metrics_that_a_callback_logs_are_left_out_but_others_are_not(tmp_path):
    logger = RunLogger(tmp_path, left_out=["val_recall"])
    logger.log_metrics({"val_recall": 0.5, "epoch": 1}, 7)
    assert not list(tmp_path.glob("events.*"))
    logger.log_metrics(dict.fromkeys(("val_recall", "val_recall_a/b", "epoch", "recall_a"), 0.5), 8)
    logger.finalize("success")
    with without_tensorflow():
        assert set(EventAccumulator(str(tmp_path)).Reload().Tags()["scalars"]) == {
            "val_recall_a/b",
            "recall_a",
        }
