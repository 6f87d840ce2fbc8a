"""The parts of a prediction: many interruptions, kills while parts are merged, and stale folders."""

import contextlib
import os
from types import SimpleNamespace

import pandas as pd
import pytest

from data_prep.common import resumable_file
from data_prep.common.errors import GalaxyError
from galaxy_lightning.callbacks import prediction_parts
from galaxy_lightning.callbacks.part_tables import ROW, merged_rows
from galaxy_lightning.callbacks.prediction_columns import COUNTS
from galaxy_lightning.callbacks.prediction_part import PredictionPart
from galaxy_lightning.callbacks.prediction_parts import PredictionParts, find_part_tables
from galaxy_lightning.callbacks.same_inputs import describe_inputs, require_same_inputs
from galaxy_lightning.data.batch_ranges import count_batches
from galaxy_lightning.runtime.gathering import Gathering

MADE_OF = {"checkpoint": "one"}
BATCHES, SIZE = 100, 3
NAME = 'a "name", with\na line break'


@pytest.fixture(autouse=True)
def record_every_batch(monkeypatch):
    monkeypatch.setattr(resumable_file, "SAVE_SECONDS", 0)


@pytest.fixture
def table(tmp_path):
    return tmp_path / "p.csv"


def start(table):
    return PredictionParts(table, MADE_OF, BATCHES, Gathering())


def predict(parts, batches):
    """Predicts some of the missing batches; the first galaxy of each is unusable."""
    todo = [number for start, stop in parts.own.todo for number in range(start, stop)]
    for number in todo[:batches]:
        rows = range(number * SIZE, (number + 1) * SIZE)
        galaxies = pd.DataFrame({ROW: rows, "path": [f"{NAME}{row}" for row in rows]}).iloc[1:]
        counts = dict.fromkeys(COUNTS, 0) | {"uncertain": 1}
        parts.own.append(galaxies, {rows[0]: "no image"}, counts, last=number == todo[-1])


def interrupt(table, batches=1):
    parts = start(table)
    predict(parts, batches)
    parts.close_unfinished()


def check_complete(table):
    """Ends the prediction, and checks that every galaxy is counted once."""
    parts = start(table)
    predict(parts, BATCHES)
    written, counts, problems = parts.close()
    assert written == BATCHES * (SIZE - 1)
    assert counts == dict.fromkeys(COUNTS, 0) | {"uncertain": BATCHES}
    assert sorted(problems) == list(range(0, BATCHES * SIZE, SIZE))
    rows = list(merged_rows(parts.paths))
    assert rows[0] == [ROW, "path"]
    assert rows[1:] == [[str(row), f"{NAME}{row}"] for row in range(BATCHES * SIZE) if row % SIZE]
    assert sorted(parts.paths) == sorted(find_part_tables(table))
    parts.release()


@contextlib.contextmanager
def few_open_files(more):
    """Lets this process open only so many more files."""
    resource = pytest.importorskip("resource", reason="this system has no limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_many_interruptions_need_few_open_files(table, capsys):
    with few_open_files(80):
        for _ in range(90):
            interrupt(table)
        assert len(find_part_tables(table)) <= prediction_parts._MANY
        check_complete(table)


def test_many_parts_of_an_older_version_need_few_open_files(table, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(prediction_parts, "_MANY", BATCHES)
        for _ in range(90):
            interrupt(table)
    with few_open_files(80):
        check_complete(table)


class KilledError(BaseException):
    """Ends the code where a kill would."""


@pytest.mark.parametrize("step", range(18))
def test_a_kill_while_parts_are_merged_loses_and_repeats_nothing(table, monkeypatch, step):
    monkeypatch.setattr(prediction_parts, "_MANY", 3)
    for _ in range(2):
        interrupt(table, 5)
    parts, left = start(table), [step]
    predict(parts, 5)
    parts.close_unfinished()

    def dying(method):
        def step_or_die(self, *args, **settings):
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
            return method(self, *args, **settings)

        return step_or_die

    with monkeypatch.context() as patch, contextlib.suppress(KilledError):
        for name in ("absorb", "_write_progress", "close"):
            patch.setattr(PredictionPart, name, dying(getattr(PredictionPart, name)))
        patch.setattr(PredictionPart, "close_unfinished", PredictionPart.release)  # Nothing is cleaned up.
        patch.setattr(type(table), "unlink", dying(type(table).unlink))
        start(table).release()
    assert count_batches(done(table)) == 15
    check_complete(table)


def done(table):
    parts = start(table)
    batches = [each for part in parts._older for each in part.done]
    parts.close_unfinished()
    return batches


def test_of_parts_with_the_same_batches_only_the_newest_counts(table):
    """A stale folder may have hidden it from the command that has begun the other one."""
    interrupt(table, 5)
    hidden = {path: path.read_bytes() for path in table.parent.iterdir()}
    for path in hidden:
        path.unlink()
    interrupt(table, 7)
    for path, content in hidden.items():
        path.with_name(path.name.replace("-0", "-9")).write_bytes(content)
    assert done(table) == [(0, 5)]
    check_complete(table)


def test_a_part_that_the_first_process_does_not_see_is_not_written_over(table):
    interrupt(table, 5)
    before = {path: path.read_bytes() for path in table.parent.iterdir()}
    second = SimpleNamespace(rank=1, processes=2, gather=lambda own: [(-1, []), own])
    with pytest.raises(GalaxyError, match=r"p\.partial-0\.csv holds predictions that process 0 did not see"):
        PredictionParts(table, MADE_OF, BATCHES, second)
    assert {path: path.read_bytes() for path in table.parent.iterdir()} == before
    check_complete(table)


def inputs(batches=2, **about):
    galaxies = {"path": "/there", "sha256": "a"}
    return describe_inputs({"checkpoint": "a", "galaxies": galaxies} | about, batches)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (inputs(batches=3), "process 2 of this command sees other galaxies than process 0: run the command"),
        (inputs(galaxies={"sha256": "b"}), "process 2 of this command sees other galaxies"),
        (inputs(checkpoint="b"), "process 2 of this command has another checkpoint than process 0: start"),
    ],
)
def test_processes_with_other_inputs_are_refused(other, said):
    with pytest.raises(GalaxyError, match=said):
        require_same_inputs([inputs(), inputs(), other])


def test_processes_may_have_the_same_galaxies_at_another_path():
    require_same_inputs([inputs(), inputs(galaxies={"path": "/here", "sha256": "a"})])
