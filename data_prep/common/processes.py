"""Runs this project's commands in separate processes.

Each command thus has its own peak memory, and one that fails does not affect the others.
"""

import codecs
import contextlib
import io
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from data_prep.common import slurm
from data_prep.common.errors import GalaxyError, Terminated
from data_prep.common.files import explain_write_errors
from data_prep.common.orphans import child_environment, independent_environment
from data_prep.common.progress import COLUMNS, terminal_columns

INTERRUPT_SECONDS: Final = 3.0
"""Seconds for a command to end by itself after Ctrl-C, which it usually receives too."""
KILL_SECONDS: Final = 25.0
"""Seconds for a killed command to end, whose process may be in a system call."""
_GRACE_SECONDS: Final = 25.0
"""Seconds for a command to end after SIGTERM, before it is killed: clusters kill everything after 30."""
_JOB_GRACE_SECONDS: Final = 120.0
"""The same in a batch job of SLURM. It may be signalled minutes before its time limit, and a fit finishes its
batch or validation before it saves its state. After SIGTERM, SLURM itself kills everything (``KillWait``)."""


def run_module(
    words: Sequence[str],
    *,
    handle_line: Callable[[str], None] | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    inherited: Sequence[int] = (),
    handle_process: Callable[["subprocess.Popen[bytes]"], None] | None = None,
) -> None:
    """Runs ``python -m`` with the given arguments and shows its output.

    The command ends when this process is interrupted, terminated or killed. It may start ranks of its own,
    also within a job of SLURM.

    Args:
        words: The module and its arguments.
        handle_line: Is called with each line of standard error, instead of showing it.
        log: The file that receives all output; standard output is then not shown. A missing folder is made.
        environment: Further environment variables of the command.
        inherited: Open file descriptors that the command inherits, such as that of a lock.
        handle_process: Is called with the process as soon as it is started, for a thread that may have to end
            it: outside the main thread, this function is not interrupted by signals.

    Raises:
        GalaxyError: The command failed, and the message holds its error message; or it cannot be started, or
            the log cannot be written.
        Terminated: The command was terminated by the system.
        KeyboardInterrupt: The command was interrupted by the user.
    """
    columns = None if handle_line else terminal_columns()
    variables = dict(environment or {})
    if columns is not None:
        variables[COLUMNS] = str(columns)
    with contextlib.ExitStack() as stack:
        file: io.FileIO | None = None
        if log is not None:
            with explain_write_errors(log):
                log.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(log.open("wb", buffering=0))
            variables["PYTHONUNBUFFERED"] = "1"  # Lines of both streams are in order.
        try:
            process = subprocess.Popen(  # noqa: S603 - the words are this program's own.
                [sys.executable, "-m", *words],
                stdout=file,
                stderr=subprocess.PIPE,
                env=independent_environment(**variables),
                pass_fds=() if os.name == "nt" else inherited,
            )
        except OSError as error:  # Too many processes, say.
            raise GalaxyError(f"cannot be started: {error.strerror or error}") from error
        stack.enter_context(process)
        if handle_process is not None:
            handle_process(process)
        assert isinstance(process.stderr, io.BufferedReader)
        last: deque[str] = deque(maxlen=20)
        show = _show if handle_line is None else _LineSplitter(handle_line)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        try:
            while part := process.stderr.read1():
                if log is not None and file is not None:
                    with explain_write_errors(log):
                        file.write(part)
                last.append(decoder.decode(part))
                show(last[-1])
            show("")
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


def grace_seconds() -> float:
    """Returns the seconds for a command to end after SIGTERM, before it is killed."""
    return _GRACE_SECONDS if slurm.batch_job() is None else _JOB_GRACE_SECONDS


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


def _show(text: str) -> None:
    """Shows a part of the output: not line by line, since a progress bar does not end its lines."""
    if text:
        sys.stderr.write(text)
        sys.stderr.flush()


class _LineSplitter:
    """Splits the parts of an output into lines.

    Args:
        handle: Is called with each line that is not empty.
    """

    def __init__(self, handle: Callable[[str], None]) -> None:
        self._handle = handle
        self._rest = ""

    def __call__(self, text: str) -> None:
        """Adds a part of the output; an empty text marks its end."""
        *lines, self._rest = (self._rest + text + "\n" * (not text)).replace("\r", "\n").split("\n")
        for line in lines:
            if line.strip():
                self._handle(line)


def _end(process: "subprocess.Popen[bytes]", *, interrupted: bool) -> None:
    """Ends a process: waits if it received Ctrl-C too, then terminates it, and finally kills it.

    Its remaining output is read, so that it does not block on a full pipe, and is discarded, because this
    process prints the same.
    """
    with contextlib.suppress(subprocess.TimeoutExpired):
        if interrupted:
            process.communicate(timeout=INTERRUPT_SECONDS)
            return
    process.terminate()
    try:
        process.communicate(timeout=grace_seconds())
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
