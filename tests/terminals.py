"""Pseudo terminals: what a command prints on a terminal of a given width, and what its user then sees."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path


@contextlib.contextmanager
def terminal(columns):
    """Yields a text stream to a terminal, and a function that returns all that was written to it."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    os.set_blocking(leader, False)
    written = bytearray()

    def read():
        stream.flush()
        with contextlib.suppress(BlockingIOError, OSError):
            while part := os.read(leader, 4096):
                written.extend(part)
        return written.decode()

    with os.fdopen(follower, "w") as stream:
        yield stream, read
    os.close(leader)


def run_in_terminal(columns, *words):
    """Runs ``python -m`` in a terminal; returns its exit status and all that it wrote."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-m", *words], stdin=follower, stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        written = bytearray()
        with contextlib.suppress(OSError):  # The terminal is closed at the end.
            while part := os.read(leader, 4096):
                written.extend(part)
    os.close(leader)
    return process.returncode, written.decode()


def seen(written):
    """Returns the lines that remain on the screen; a carriage return lets a line be overwritten."""
    lines = []
    for line in re.sub("\r+\n", "\n", written).split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines
