"""Output to the screen that never fails the work: narrow consoles, closed pipes, full disks."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class _Guarded:
    """A text stream that drops what it cannot write, and keeps the reason.

    Attributes:
        failure: Why nothing is written any more.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        """Writes a text; characters that the console does not have are written as escapes."""
        if self.failure is None:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding
                return self.write(text.encode(encoding, "backslashreplace").decode(encoding))
            except (OSError, ValueError) as error:  # ValueError: it is closed.
                self.failure = error
        return len(text)

    def flush(self) -> None:
        """Writes what is held back."""
        if self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self.failure = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded_output(program: str) -> Iterator[None]:
    """Keeps work from failing where standard output or standard error cannot be written.

    A reader that has read enough (``| head``) is left in peace. A full disk is named on standard error.

    Args:
        program: The program's name, put before that message.
    """
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    guards = {name: _Guarded(stream) for name, stream in streams.items() if stream is not None}
    for name, guard in guards.items():
        setattr(sys, name, guard)
    try:
        yield
    finally:
        for guard in guards.values():
            guard.flush()
        output = guards.get("stdout")
        if (
            output
            and output.failure
            and getattr(output.failure, "errno", None) not in (errno.EPIPE, errno.EINVAL)
        ):
            print(f"{program}: standard output could not be written: {output.failure}", file=sys.stderr)
        for name, stream in streams.items():
            setattr(sys, name, stream)
            if name in guards and guards[name].failure:
                _discard(stream)


def _discard(stream: TextIO) -> None:
    """Has a stream that cannot be written discard what it still holds: Python would fail on it at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
