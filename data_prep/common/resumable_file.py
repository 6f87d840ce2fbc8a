"""Files that grow by appending, and can be resumed after an interruption."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from data_prep.common.json_files import write_json

SAVE_SECONDS: Final = 1.0
"""Seconds between two records of the progress: the most work that an interruption can lose."""
_CHUNK_BYTES: Final = 1 << 24
State = TypeVar("State")


class ResumableFile(Generic[State]):
    """A file that grows by appending, with a progress file beside it.

    The progress file is JSON: the size and SHA-256 of the content, what the content depends on, and the
    caller's state.

    Args:
        path: The file. An unfinished file that matches its progress file is resumed; any other is replaced.
        progress_file: The path of the progress file.
        made_of: Everything that the content depends on, as JSON types; an unfinished file with other values
            is replaced. None never resumes.
        read_state: A function that returns the caller's state from the content of the progress file; it may
            raise an error if the content is damaged.
        header: The first bytes of the file until it is complete.

    Attributes:
        state: The state of the resumed file; None for a new file.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        progress_file: Path,
        made_of: Mapping[str, Any] | None,
        read_state: Callable[[dict[str, Any]], State],
        header: bytes = b"",
    ) -> None:
        self._progress_file, self._path, self._made_of = progress_file, path, made_of
        self.state: State | None = None
        self._digest, self._size = hashlib.sha256(header), len(header)
        if made_of is not None:
            with contextlib.suppress(OSError), path.open("r+b") as file:
                file.write(header)  # The interrupted process may already have replaced it.
            self._resume(read_state)
        if self.state is None:
            progress_file.unlink(missing_ok=True)
        self._file = path.open("wb" if self.state is None else "r+b")
        if self.state is None:
            self._file.write(header)
        self._file.seek(self._file.truncate(self._size))
        self._saved_at = time.monotonic()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content so far, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def progress_is_due(self) -> bool:
        """Whether the last record of the progress is older than ``SAVE_SECONDS``."""
        return self._made_of is not None and time.monotonic() - self._saved_at >= SAVE_SECONDS

    def append(self, content: bytes | memoryview) -> None:
        """Appends bytes.

        Args:
            content: The bytes.

        Raises:
            OSError: They cannot be written.
        """
        self._file.write(content)
        self._file.flush()
        self._digest.update(content)
        self._size += memoryview(content).nbytes

    def write_progress(self, **state: Any) -> None:
        """Records the progress.

        Args:
            state: The caller's state, as JSON types.
        """
        progress = {"made_of": self._made_of, "size": self._size, "sha256": self.sha256}
        write_json(self._progress_file, progress | state)
        self._saved_at = time.monotonic()

    def replace_header(self, header: bytes) -> None:
        """Replaces the header when the file is complete.

        Args:
            header: The new header, as long as the old one.
        """
        self._file.seek(0)
        self._file.write(header)

    def close(self) -> None:
        """Closes the file.

        Raises:
            OSError: The last bytes cannot be written.
        """
        self._file.close()

    def _resume(self, read_state: Callable[[dict[str, Any]], State]) -> None:
        """Resumes an unfinished file if it matches the progress file."""
        # Reading a damaged progress file fails in any of these ways.
        with contextlib.suppress(
            OSError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError
        ):
            saved = json.loads(self._progress_file.read_text(encoding="utf-8"))
            if saved["made_of"] != self._made_of:
                return
            state, size = read_state(saved), int(saved["size"])
            digest, remaining = hashlib.sha256(), size
            with self._path.open("rb") as file:
                while chunk := file.read(min(_CHUNK_BYTES, remaining)):
                    digest.update(chunk)
                    remaining -= len(chunk)
            if digest.hexdigest() == saved["sha256"]:
                self.state, self._digest, self._size = state, digest, size
