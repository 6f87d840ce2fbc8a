"""Runs a command of this project in a process of its own.

So the peak memory is that command's own, and one that fails takes nothing else with it.
"""

import codecs
import io
import subprocess
import sys
from collections import deque
from collections.abc import Sequence

from data_prep.errors import GalaxyError, Terminated


def run_module(words: Sequence[str]) -> None:
    """Runs ``python -m`` with these words; what the command prints is shown.

    Args:
        words: The module and its arguments.

    Raises:
        GalaxyError: It has failed; the message is the last that it said.
    """
    with subprocess.Popen(  # noqa: S603 - the words are this program's own.
        [sys.executable, "-m", *words], stderr=subprocess.PIPE
    ) as process:
        assert isinstance(process.stderr, io.BufferedReader)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        last: deque[str] = deque(maxlen=20)
        # A progress bar ends no lines: what there is, is shown at once.
        try:
            while part := process.stderr.read1():
                last.append(decoder.decode(part))
                sys.stderr.write(last[-1])
                sys.stderr.flush()
        except Terminated:  # Of an interruption by the user every process hears by itself.
            process.terminate()
            raise
    if process.returncode:
        raise GalaxyError(_reason(process.returncode, "".join(last)))


def _reason(status: int, said: str) -> str:
    """Says why a process has failed: its error message, or the last that it said."""
    if status < 0:
        return f"was killed by signal {-status}" + (", perhaps for want of memory" if status == -9 else "")
    _, found, message = said.rpartition("error: ")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"ended with status {status}: {' '.join(message.split()) if found else ''.join(lines[-1:])}"
