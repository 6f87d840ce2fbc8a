"""The part of a table of predictions that one process makes: it grows, and outlives an interruption."""

import contextlib
import hashlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.json_files import write_json
from data_prep.common.unfinished import file_lock, read_progress

_NOTE_EVERY: Final = 1.0
"""Seconds after which it is noted how far a part is: what an interruption costs at most."""


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
        self.batches = self.written = self.uncertain = 0
        self.problems: dict[int, str] = {}
        self._made_of = made_of
        self._digest = hashlib.sha256()
        self._size = 0
        self._noted_at = time.monotonic()
        with contextlib.ExitStack() as stack, explain_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            stack.enter_context(file_lock(path, table))
            self._go_on()
            if not self.batches:
                self.note.unlink(missing_ok=True)
            self._file: BinaryIO = path.open("r+b")
            self._file.seek(self._file.truncate(self._size))
            self._lock = stack.pop_all()

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
                self._file.write(content)
                self._file.flush()
            self._digest.update(content)
            self._size += len(content)
        self.batches += 1
        self.written += len(table)
        self.uncertain += uncertain
        self.problems.update(problems)
        if self._made_of is not None and not last and time.monotonic() - self._noted_at >= _NOTE_EVERY:
            self._write_note()

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

    def _write_note(self) -> None:
        noted = {
            "made_of": self._made_of,
            "batches": self.batches,
            "written": self.written,
            "uncertain": self.uncertain,
            "problems": self.problems,
            "size": self._size,
            "sha256": self._digest.hexdigest(),
        }
        write_json(self.note, noted)
        self._noted_at = time.monotonic()

    def _go_on(self) -> None:
        """Takes over what an interruption has left, where it is of the same and as it was noted."""

        def read(noted: dict[str, Any]) -> tuple[list[int], dict[int, str]]:
            numbers = [int(noted[name]) for name in ("batches", "written", "uncertain", "size")]
            return numbers, {int(row): str(why) for row, why in noted["problems"].items()}

        if (
            self._made_of is None
            or (found := read_progress(self.note, self.path, self._made_of, read)) is None
        ):
            return
        (numbers, self.problems), self._digest = found
        self.batches, self.written, self.uncertain, self._size = numbers
