"""Runs this project's commands in separate processes.

Each command thus has its own peak memory, and one that fails does not affect the others.
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

_INTERRUPT_SECONDS: Final = 3.0
"""Seconds for a command to end by itself after Ctrl-C, which it usually receives too."""
_GRACE_SECONDS: Final = 25.0
"""Seconds for a command to end after SIGTERM, before it is killed."""


def run_module(words: Sequence[str]) -> None:
    """Runs ``python -m`` with the given arguments and shows its output.

    The command ends when this process is interrupted, terminated or killed.

    Args:
        words: The module and its arguments.

    Raises:
        GalaxyError: The command failed; the message holds its error message.
        Terminated: The command was terminated by the system.
        KeyboardInterrupt: The command was interrupted by the user.
    """
    with subprocess.Popen(  # noqa: S603 - the words are this program's own.
        [sys.executable, "-m", *words], stderr=subprocess.PIPE, env=child_environment()
    ) as process:
        assert isinstance(process.stderr, io.BufferedReader)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        last: deque[str] = deque(maxlen=20)
        # Not line by line: a progress bar does not end its lines.
        try:
            while part := process.stderr.read1():
                last.append(decoder.decode(part))
                sys.stderr.write(last[-1])
                sys.stderr.flush()
            process.wait()
        except BaseException as error:
            _end(process, interrupted=isinstance(error, KeyboardInterrupt))
            raise
    if process.returncode in (143, -15):
        raise Terminated
    if process.returncode in (130, -2):
        raise KeyboardInterrupt
    if process.returncode:
        raise GalaxyError(_failure(process.returncode, "".join(last)))


def start_ranks(words: Sequence[str], number: int) -> "dict[int, subprocess.Popen[bytes]]":
    """Starts the further processes of a command that runs on several devices of this machine.

    Args:
        words: The command line.
        number: The number of processes on this machine, including this one.

    Returns:
        The started processes, by local rank.
    """
    debug = ["--debug"] if "--debug" in sys.argv else []
    command = [sys.executable, "-m", "galaxy_lightning", *words, *debug]
    return {
        rank: subprocess.Popen(command, env=child_environment(LOCAL_RANK=str(rank)))  # noqa: S603
        for rank in range(1, number)
    }


def _end(process: "subprocess.Popen[bytes]", *, interrupted: bool) -> None:
    """Ends a process: waits if it received Ctrl-C too, then terminates it, and finally kills it.

    Its remaining output is read, so that it does not block on a full pipe, and is discarded, because this
    process prints the same.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        if interrupted:
            process.communicate(timeout=_INTERRUPT_SECONDS)
            return
    process.terminate()
    try:
        process.communicate(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _failure(status: int, output: str) -> str:
    """Returns why a process failed: its error message, or else the last line of its output."""
    if status < 0:
        return f"was killed by signal {-status}" + (" (possibly out of memory)" if status == -9 else "")
    _, found, message = output.rpartition("error: ")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"ended with status {status}: {' '.join(message.split()) if found else ''.join(lines[-1:])}"
