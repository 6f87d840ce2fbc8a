"""The part of a table of predictions that one process writes; it can be resumed after an interruption."""

import contextlib
import csv
import io
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.locks import file_lock
from data_prep.common.resumable_file import ResumableFile
from galaxy_lightning.callbacks.part_tables import merged_rows
from galaxy_lightning.callbacks.prediction_columns import COUNTS, add_counts
from galaxy_lightning.data.batch_ranges import BatchRanges, first_batches

_CHUNK_ROWS: Final = 10_000
"""Rows in memory while parts are merged."""
_State = tuple[BatchRanges, int, dict[str, int], dict[int, str]]
"""The batches that are done, the number of galaxies, the counts, and the problems by row."""


class PredictionPart:
    """A CSV file that grows batch by batch, with a progress file of suffix ``.json`` beside it.

    Only complete batches are recorded. A resumed prediction therefore has the same batches, and writes the
    same bytes, as an uninterrupted one.

    Args:
        path: The CSV file.
        table: The path of the complete table, for error messages.
        made_of: What the predictions depend on, as JSON types. Unfinished work with the same value is
            resumed, other work is discarded; None never resumes.
        todo: The batches to append to a new part, in order.

    Attributes:
        todo: The batches to append.
        done: The batches in an unfinished file that is opened again.
        written: Number of galaxies in the file.
        counts: Numbers of galaxies by the names in :data:`~.prediction_columns.COUNTS`.
        problems: Why the image of a galaxy is unusable, by row.

    Raises:
        GalaxyError: The file cannot be written, or another process is writing it.
    """

    def __init__(
        self, path: Path, table: Path, made_of: Mapping[str, Any] | None, todo: BatchRanges = ()
    ) -> None:
        self.path, self.todo = path, todo
        with contextlib.ExitStack() as stack, explain_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            stack.enter_context(file_lock(path, table))
            self._file = ResumableFile(path, self.progress_file, made_of, _read_state)
            self._lock = stack.pop_all()
        self._appended = 0
        nothing: _State = ([], 0, dict.fromkeys(COUNTS, 0), {})
        self.done, self.written, self.counts, self.problems = self._file.state or nothing

    @property
    def progress_file(self) -> Path:
        """Path of the progress file."""
        return self.path.with_suffix(".json")

    def append(
        self, table: pd.DataFrame, problems: Mapping[int, str], counts: Mapping[str, int], *, last: bool
    ) -> None:
        """Appends a batch.

        Args:
            table: The galaxies with a prediction.
            problems: Why the other galaxies have no prediction, by row.
            counts: What is added to :attr:`counts`.
            last: Whether this is the last batch. Its progress is not recorded, so that a resumed prediction
                always has a batch to predict.
        """
        if len(table):
            text = table.to_csv(index=False, header=self.written == 0)
            # Bytes of file names that are not valid UTF-8 are escaped.
            content = text.encode(errors="backslashreplace")
            with explain_write_errors(self.path):
                self._file.append(content)
        self._appended += 1
        self.written += len(table)
        add_counts(self.counts, counts)
        self.problems.update(problems)
        if self._file.progress_is_due and not last:
            self._write_progress(first_batches(self.todo, self._appended))

    def absorb(self, parts: Sequence[Self]) -> None:
        """Takes the content of other parts into this new part, and records it as one.

        The others remain, so that nothing is lost if the process is killed. Until they are discarded, their
        batches are there twice.

        Args:
            parts: The other parts, closed.
        """
        with explain_write_errors(self.path):
            rows = merged_rows([part.path for part in parts])
            while chunk := list(itertools.islice(rows, _CHUNK_ROWS)):
                text = io.StringIO()
                csv.writer(text, lineterminator=os.linesep).writerows(chunk)
                self._file.append(text.getvalue().encode())
            for part in parts:
                self.written += part.written
                add_counts(self.counts, part.counts)
                self.problems.update(part.problems)
            self.done = sorted(each for part in parts for each in part.done)
            self._write_progress(self.done)

    def close(self) -> None:
        """Closes the CSV file, but keeps its lock."""
        with explain_write_errors(self.path):
            self._file.close()

    def release(self) -> None:
        """Releases the lock."""
        self._lock.close()

    def discard(self) -> None:
        """Removes the part, whose batches are in another one."""
        with self._lock, explain_write_errors(self.path):
            self.close()
            self.progress_file.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)

    def close_unfinished(self) -> bool:
        """Closes an unfinished part; removes it if no batch of it is recorded.

        Returns:
            Whether the part remains.
        """
        with self._lock:
            with contextlib.suppress(GalaxyError):  # The first write error is already reported.
                self.close()
            remains = self.progress_file.exists()
            if not remains:
                self.path.unlink(missing_ok=True)
            return remains

    def _write_progress(self, done: BatchRanges) -> None:
        self._file.write_progress(done=done, written=self.written, **self.counts, problems=self.problems)


def _read_state(progress: dict[str, Any]) -> _State:
    """Reads the batches, the number of galaxies, the counts, and the problems by row."""
    done = [(int(start), int(stop)) for start, stop in progress["done"]]
    counts = {name: int(progress[name]) for name in COUNTS}
    problems = {int(row): str(problem) for row, problem in progress["problems"].items()}
    return done, int(progress["written"]), counts, problems
