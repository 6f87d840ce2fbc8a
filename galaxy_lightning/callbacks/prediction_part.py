"""The part of a table of predictions that one process makes: it grows, and outlives an interruption."""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.locks import file_lock
from data_prep.common.resumable_file import ResumableFile


class PredictionPart:
    """A CSV that grows batch by batch, and beside it, with suffix ``.json``, a note of how far it is.

    Batches are whole, so that a network that is asked again is asked the same, and answers the same bytes.

    Args:
        path: The CSV.
        table: What it is a part of, for messages.
        made_of: What the predictions depend on, as JSON. Unfinished work of the same is resumed, of anything
            else discarded; None never resumes.

    Attributes:
        batches: How many batches are in it.
        written: How many galaxies.
        uncertain: How many of these are uncertain.
        problems: Why a galaxy's image cannot be used, by row.

    Raises:
        GalaxyError: It cannot be written there, or another process is writing it.
    """

    def __init__(self, path: Path, table: Path, made_of: Mapping[str, Any] | None) -> None:
        self.path = path
        with contextlib.ExitStack() as stack, explain_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            stack.enter_context(file_lock(path, table))
            self._file = ResumableFile(path, self.note, made_of, _read_state)
            self._lock = stack.pop_all()
        numbers, self.problems = self._file.state or ([0, 0, 0], {})
        self.batches, self.written, self.uncertain = numbers

    @property
    def note(self) -> Path:
        """Where it is noted how far the part is."""
        return self.path.with_suffix(".json")

    def append(self, table: pd.DataFrame, problems: Mapping[int, str], *, uncertain: int, last: bool) -> None:
        """Appends a batch.

        Args:
            table: The galaxies with a prediction.
            problems: Why the others have none, by row.
            uncertain: How many are uncertain.
            last: It is the last one, which is not noted: there is always one to go on with.
        """
        if len(table):
            text = table.to_csv(index=False, header=self.written == 0)
            # A file name that is no valid UTF-8 is written with its odd bytes escaped.
            content = text.encode(errors="backslashreplace")
            with explain_write_errors(self.path):
                self._file.append(content)
        self.batches += 1
        self.written += len(table)
        self.uncertain += uncertain
        self.problems.update(problems)
        if self._file.progress_is_due and not last:
            self._file.write_progress(
                batches=self.batches,
                written=self.written,
                uncertain=self.uncertain,
                problems=self.problems,
            )

    def end(self) -> None:
        """Ends the CSV, and still keeps others out of it."""
        with explain_write_errors(self.path):
            self._file.close()

    def release(self) -> None:
        """Lets others at it."""
        self._lock.close()

    def leave(self) -> None:
        """Leaves the part to whoever goes on with it, and says so; nothing of it where nobody can."""
        with self._lock:
            with contextlib.suppress(GalaxyError):  # What the system refuses has been told.
                self.end()
            if not self.note.exists():
                self.path.unlink(missing_ok=True)
                return
            print(
                f"\nWhat is predicted so far is in {self.path}: run the same command again to resume",
                file=sys.stderr,
            )


def _read_state(noted: dict[str, Any]) -> tuple[list[int], dict[int, str]]:
    """Reads the numbers of batches, galaxies and uncertain galaxies, and the problems by row."""
    numbers = [int(noted[name]) for name in ("batches", "written", "uncertain")]
    return numbers, {int(row): str(problem) for row, problem in noted["problems"].items()}
