"""The error type whose message is meant for the user, and how a command prints it."""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Final

from data_prep.common.local_rank import local_rank
from data_prep.common.orphans import end_with_parent
from data_prep.common.requeueing import requeue_on_signal

EXIT_STATUS: Final = (
    "Exit status: 0 success; 1 error (one line on stderr); 2 invalid command line; 130 interrupted (Ctrl-C); "
    "143 terminated (SIGTERM)."
)

_LOCK_FUNCTIONS: Final = ("__enter__", "acquire", "lock_data", "unlock_data")
"""Functions in which an exception could leave a lock held forever, while other threads wait for it.

The last two are those of coverage's collector.
"""
_FINALISER: Final = "__del__"
"""A function from which no exception reaches its caller: Python prints it and continues."""
_DEFERRAL_SECONDS: Final = 0.01
"""Seconds by which SIGTERM is deferred in these functions."""
_MAX_DEFERRALS: Final = 300
"""Maximum number of deferrals (three seconds in all), since the lock may never become free."""

MAX_MESSAGE_LENGTH: Final = 2000
"""Maximum length of a printed message, in characters."""


class GalaxyError(Exception):
    """An error in the user's input or environment, not in the program.

    The message says what is wrong, where (file, row, column or galaxy) and what to do about it.
    """


class OtherProcessEndedError(GalaxyError):
    """Another process of the same command has ended, and this one cannot continue without it."""


class Terminated(SystemExit):
    """The system asked the program to end (SIGTERM), as a cluster does before it reclaims a machine.

    If uncaught, the program exits with status 143.
    """

    def __init__(self) -> None:
        super().__init__(143)


@contextlib.contextmanager
def errors_in_one_line(program: str, *, debug: bool = False) -> Iterator[None]:
    """Prints expected errors as one line on stderr, without a traceback, and exits with status 1.

    Expected errors are ``GalaxyError``, ``OSError`` and ``MemoryError``. After Ctrl-C the status is 130 and
    after SIGTERM 143, the shell's conventions; both exit after unfinished files have been cleaned up. A SLURM
    job that reaches its time limit is requeued (:mod:`data_prep.common.requeueing`).

    Args:
        program: The command's name, which precedes the message.
        debug: Whether to print the traceback too.
    """
    try:
        # The inner context may turn what a library raises when it is interrupted into Terminated.
        with requeue_on_signal(), _raise_on_sigterm():
            yield
    except (GalaxyError, OSError, MemoryError) as error:
        if debug:
            traceback.print_exception(error)
        message = " ".join(str(error).split())
        if isinstance(error, MemoryError):
            message = f"not enough memory {message}".strip()
        if len(message) > MAX_MESSAGE_LENGTH:  # A cell of a damaged table can be as long as the file.
            half = MAX_MESSAGE_LENGTH // 2
            message = f"{message[:half]} ... {message[-half:]}"
        print(f"{program}: error: {message}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        _print_once(f"{program}: interrupted")
        raise SystemExit(130) from error
    except Terminated:
        _print_once(f"{program}: terminated")
        raise


def shown(value: Any) -> str:
    """Returns a value of a file as it appears in a message: in quotes, at most 60 characters."""
    try:
        text = repr(value)
    except ValueError:  # An integer of more than 4,300 digits.
        return "a number that is too long"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _print_once(line: str) -> None:
    """Prints a line on stderr in the first of the processes that train together on a machine."""
    if local_rank() == 0:
        print(line, file=sys.stderr)


def without_debug(words: Sequence[str]) -> tuple[list[str], bool]:
    """Removes ``--debug`` from a command line; returns the other words, and whether it was present."""
    return [word for word in words if word != "--debug"], "--debug" in words


@contextlib.contextmanager
def _raise_on_sigterm() -> Iterator[None]:
    """Raises ``Terminated`` in the block when the process receives SIGTERM."""
    terminating, deferrals, finished = False, 0, False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal terminating, deferrals
        if terminating:  # A second signal must not interrupt the cleanup.
            return
        if _must_finish(frame) and deferrals < _MAX_DEFERRALS:
            deferrals += 1
            _thread.start_new_thread(send_again, ())  # A threading.Thread takes locks itself.
            return
        terminating = True
        raise Terminated

    def send_again() -> None:
        time.sleep(_DEFERRAL_SECONDS)
        if not finished:
            os.kill(os.getpid(), signal.SIGTERM)

    previous = None
    try:
        if threading.current_thread() is threading.main_thread():
            previous = signal.signal(signal.SIGTERM, handle)
            end_with_parent()
        yield
    except Exception as error:
        # A library that is interrupted in its C code may raise another error.
        if terminating and not isinstance(error, OtherProcessEndedError):
            raise Terminated from error
        raise
    finally:
        finished = True
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def _must_finish(frame: FrameType | None) -> bool:
    """Returns whether an exception in a frame would be lost, or would leave a lock held forever."""
    if frame and frame.f_code.co_name in _LOCK_FUNCTIONS:
        return True
    while frame:
        if frame.f_code.co_name == _FINALISER:
            return True
        frame = frame.f_back
    return False
