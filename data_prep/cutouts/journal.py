"""Records the cutouts that a service does not have, so that they are not requested again."""

import json
from pathlib import Path
from typing import Final

from data_prep.common.files import explain_read_errors, explain_write_errors

JOURNAL_FILE: Final = ".cutouts_failed.jsonl"


class Journal:
    """A file with one line for each cutout that failed for good, written when it fails.

    A line that was cut off when the process was killed is removed.

    Args:
        path: The file; created if missing.
        forget: Whether to start again with an empty file.

    Attributes:
        failures: The reason of each failure, by the number of the cutout.

    Raises:
        GalaxyError: The file cannot be read or written.
    """

    def __init__(self, path: Path, *, forget: bool = False) -> None:
        self.failures: dict[int, str] = {}
        self._path = path
        size = 0
        if path.exists() and not forget:
            with explain_read_errors(path):
                size = self._read(path)
        with explain_write_errors(path):
            self._file = path.open("ab", buffering=0)
            self._file.truncate(size)

    def _read(self, path: Path) -> int:
        """Reads the complete lines; returns their size in bytes."""
        size, reasons = 0, dict[str, str]()
        with path.open("rb") as file:
            for line in file:
                try:
                    number, reason = json.loads(line)
                    complete = line.endswith(b"\n") and isinstance(number, int)
                except (ValueError, TypeError):
                    complete = False
                if not complete:
                    break
                # One string for each different reason.
                self.failures[number] = reasons.setdefault(str(reason), str(reason))
                size += len(line)
        return size

    def add(self, number: int, reason: str) -> None:
        """Records a failure.

        Args:
            number: The number of the cutout in the plan.
            reason: Why the service does not have it.

        Raises:
            GalaxyError: The file cannot be written.
        """
        self.failures[number] = reason
        with explain_write_errors(self._path):
            self._file.write(json.dumps([number, reason]).encode() + b"\n")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
