"""Console output that never stops a command: limited encodings, closed pipes, full disks."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


class _GuardedStream:
    """A text stream that discards its output after an error, and records the error.

    Attributes:
        failure: The error; None as long as writing succeeds.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | ValueError | None = None

    def write(self, text: str) -> int:
        """Writes text; characters that the console cannot encode are written as escapes."""
        if self.failure is None:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self._stream.encoding
                return self.write(text.encode(encoding, "backslashreplace").decode(encoding))
            except (OSError, ValueError) as error:  # ValueError: the stream is closed.
                self.failure = error
        return len(text)

    def flush(self) -> None:
        """Flushes the stream's buffer."""
        if self.failure is None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self.failure = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def guarded_output(program: str) -> Iterator[None]:
    """Lets the block continue if standard output or standard error cannot be written.

    A closed pipe (``| head``) is ignored silently. Any other failure of standard output, such as a full disk,
    is reported on standard error at the end.

    Args:
        program: The program's name, which precedes that message.
    """
    streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    guards = {name: _GuardedStream(stream) for name, stream in streams.items() if stream is not None}
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
    """Redirects a failed stream to the null device, so that Python's flush at exit does not fail."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
