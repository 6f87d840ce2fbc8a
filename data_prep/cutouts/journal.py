"""Records the cutouts that could not be downloaded, so that they are requested last or not at all."""

import json
import sys
from pathlib import Path
from typing import Final

from data_prep.common.files import explain_read_errors, explain_write_errors

JOURNAL_FILE: Final = ".cutouts_failed.jsonl"

_MAX_LINE: Final = 10_000
"""Maximum length of a line in bytes."""


class Journal:
    """A file with one line for each failure, written when it happens; the last one of a cutout counts.

    A line that was cut off when the process was killed is removed, with all after it. Lines that are not
    those of a failure are ignored.

    Args:
        path: The file; created if missing.
        count: The number of cutouts.
        forget: Whether to start again with an empty file.

    Attributes:
        permanent: The reason for each cutout that the service does not have, by its number.
        temporary: The reason for each other cutout whose last request failed.

    Raises:
        GalaxyError: The file cannot be read or written.
    """

    def __init__(self, path: Path, count: int, *, forget: bool = False) -> None:
        self.permanent: dict[int, str] = {}
        self.temporary: dict[int, str] = {}
        self._path, self._count = path, count
        size = 0
        if path.exists() and not forget:
            with explain_read_errors(path):
                size = self._read(path)
        with explain_write_errors(path):
            self._file = path.open("ab", buffering=0)
            self._file.truncate(size)

    def _read(self, path: Path) -> int:
        """Reads the complete lines; returns their size in bytes."""
        size = 0
        with path.open("rb") as file:
            while (line := file.readline(_MAX_LINE)).endswith(b"\n"):
                size += len(line)
                try:
                    number, reason, is_permanent = json.loads(line)
                    reason.encode()
                except (ValueError, TypeError, AttributeError, RecursionError):
                    continue
                # A bool is an int for isinstance.
                if type(number) is int and 0 <= number < self._count and isinstance(is_permanent, bool):
                    self._remember(number, reason, is_permanent=is_permanent)
        return size

    def _remember(self, number: int, reason: str, *, is_permanent: bool) -> None:
        self.permanent.pop(number, None)
        self.temporary.pop(number, None)
        # One string for each different reason.
        (self.permanent if is_permanent else self.temporary)[number] = sys.intern(reason)

    def add(self, number: int, reason: str, *, is_permanent: bool) -> None:
        """Records a failure.

        Args:
            number: The number of the cutout in the plan.
            reason: What went wrong.
            is_permanent: Whether the service does not have the cutout.

        Raises:
            GalaxyError: The file cannot be written.
        """
        self._remember(number, reason, is_permanent=is_permanent)
        with explain_write_errors(self._path):
            self._file.write(json.dumps([number, reason, is_permanent]).encode() + b"\n")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
