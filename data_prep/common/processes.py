"""Runs commands of this project in processes of their own.

So the peak memory is a command's own, and one that fails takes nothing else with it.
"""

import codecs
import contextlib
import io
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from typing import Final

from data_prep.common.errors import GalaxyError, Terminated
from data_prep.common.orphans import child_environment

_OWN_END: Final = 3.0
"""Seconds that a command gets to end by itself after Ctrl-C, which it usually hears too."""
_GRACE: Final = 25.0
"""Seconds that it gets to end after it was asked to."""


def run_module(words: Sequence[str]) -> None:
    """Runs ``python -m`` with these words; what the command prints is shown.

    It ends when this process does, whether that is interrupted, terminated or killed.

    Args:
        words: The module and its arguments.

    Raises:
        GalaxyError: It has failed; the message is the last that it said.
        Terminated: It was terminated by the system.
        KeyboardInterrupt: It was interrupted by the user.
    """
    with subprocess.Popen(  # noqa: S603 - the words are this program's own.
        [sys.executable, "-m", *words], stderr=subprocess.PIPE, env=child_environment()
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
            process.wait()
        except BaseException as error:
            _end(process, heard_too=isinstance(error, KeyboardInterrupt))
            raise
    if process.returncode in (143, -15):
        raise Terminated
    if process.returncode in (130, -2):
        raise KeyboardInterrupt
    if process.returncode:
        raise GalaxyError(_reason(process.returncode, "".join(last)))


def start_ranks(words: Sequence[str], number: int) -> "dict[int, subprocess.Popen[bytes]]":
    """Starts the other processes of a command that shares its work between this machine's devices.

    Args:
        words: The command line.
        number: How many processes it has here, this one too.

    Returns:
        The others, by their local ranks.
    """
    debug = ["--debug"] if "--debug" in sys.argv else []
    command = [sys.executable, "-m", "galaxy_lightning", *words, *debug]
    return {
        rank: subprocess.Popen(command, env=child_environment(LOCAL_RANK=str(rank)))  # noqa: S603
        for rank in range(1, number)
    }


def _end(process: "subprocess.Popen[bytes]", *, heard_too: bool) -> None:
    """Ends a process: by itself where it has heard of the end too, terminated, or killed at last.

    What it still says is read, or it would wait for that, and is not shown: this process says the same.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        if heard_too:
            process.communicate(timeout=_OWN_END)
            return
    process.terminate()
    try:
        process.communicate(timeout=_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _reason(status: int, said: str) -> str:
    """Says why a process has failed: its error message, or the last that it said."""
    if status < 0:
        return f"was killed by signal {-status}" + (", perhaps for want of memory" if status == -9 else "")
    _, found, message = said.rpartition("error: ")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"ended with status {status}: {' '.join(message.split()) if found else ''.join(lines[-1:])}"
