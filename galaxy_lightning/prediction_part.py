"""The part of a table of predictions that one process makes: it grows, and outlives an interruption."""

import contextlib
import hashlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import pandas as pd

from data_prep.errors import GalaxyError
from data_prep.files import CHUNK_BYTES, alone, read_json, write_json, writing

_NOTE_EVERY: Final = 1.0
"""Seconds after which it is noted how far a part is: what an interruption costs at most."""


class PredictionPart:
    """A CSV that grows batch by batch, and beside it, with suffix ``.json``, a note of how far it is.

    Batches are whole, so that a network that is asked again is asked the same, and answers the same bytes.

    Args:
        path: The CSV.
        table: What it is a part of, for messages.
        made_of: What the predictions depend on, as JSON has it: what was left of the same is gone on with, of
            anything else begun anew. None always begins anew.

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
        with contextlib.ExitStack() as stack, writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            stack.enter_context(alone(path, table))
            self._go_on()
            if not self.batches:
                self.note.unlink(missing_ok=True)
            self._file: BinaryIO = stack.enter_context(path.open("r+b"))
            self._file.seek(self._file.truncate(self._size))
            self._stack = stack.pop_all()

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
            with writing(self.path):
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

    def close(self) -> None:
        """Leaves the part as it is."""
        with writing(self.path):
            self._stack.close()

    def leave(self) -> None:
        """Leaves the part to whoever goes on with it, and says so; nothing of it where nobody can."""
        with contextlib.suppress(GalaxyError):  # What the system refuses has been told.
            self.close()
        if not self.note.exists():
            self.remove()
            return
        print(
            f"\nWhat had been predicted is in {self.path}; the same command goes on with it", file=sys.stderr
        )

    def remove(self) -> None:
        """Removes the part and its note."""
        for path in (self.note, self.path):
            path.unlink(missing_ok=True)

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
        try:
            noted = read_json(self.note)
            if self._made_of is None or noted["made_of"] != self._made_of:
                return
            numbers = [int(noted[name]) for name in ("batches", "written", "uncertain", "size")]
            problems = {int(row): str(why) for row, why in noted["problems"].items()}
            digest, left = hashlib.sha256(), numbers[-1]
            with self.path.open("rb") as file:
                while chunk := file.read(min(CHUNK_BYTES, left)):
                    digest.update(chunk)
                    left -= len(chunk)
            if digest.hexdigest() != noted["sha256"]:
                return
        except (GalaxyError, OSError, KeyError, TypeError, ValueError, AttributeError):
            return
        self.batches, self.written, self.uncertain, self._size = numbers
        self.problems, self._digest = problems, digest
