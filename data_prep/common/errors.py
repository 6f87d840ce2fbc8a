"""The one error type whose message is meant for the user, and how a command line prints it."""

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
from typing import Final

from data_prep.common.orphans import end_with_parent

EXIT_STATUS: Final = (
    "Exit status: 0 done; 1 an error, in one line; 2 a command line that cannot be read; 130 interrupted by "
    "you; 143 terminated by the system."
)

_TAKE_A_LOCK: Final = ("__enter__", "acquire")
"""Functions in which an exception can leave a lock held forever, while other threads wait for it."""
_PUT_OFF: Final = 0.01
"""Seconds by which SIGTERM is deferred in these functions."""
_MOST_PUT_OFF: Final = 300
"""How often it is deferred at most, three seconds in all: the lock may never become free."""

LONGEST: Final = 2000
"""Characters of a message that are shown."""


class GalaxyError(Exception):
    """Something is wrong with what the user gave us, not with the program.

    The message says what is wrong, where (file, row, column or galaxy) and what to do about it.
    """


class OtherProcessEndedError(GalaxyError):
    """Another process of the same command has ended, and this one cannot go on without it."""


class Terminated(SystemExit):
    """The system has asked the program to end (SIGTERM), as a cluster does before it takes a machine back.

    A program that it reaches in no place that knows of it ends with status 143 all the same.
    """

    def __init__(self) -> None:
        super().__init__(143)


@contextlib.contextmanager
def errors_in_one_line(program: str, *, debug: bool = False) -> Iterator[None]:
    """Prints what the user can mend as one line on stderr, without a traceback, and exits with status 1.

    That is a ``GalaxyError``, what the system refuses (``OSError``), and a lack of memory. An interruption by
    the user ends quietly with status 130, one by the system (SIGTERM) with 143, as shells have it; both after
    everything that is half-done has been cleared away.

    Args:
        program: The command's name, put before the message.
        debug: Print the traceback too.
    """
    try:
        with _until_asked_to_end():
            yield
    except (GalaxyError, OSError, MemoryError) as error:
        if debug:
            traceback.print_exception(error)
        message = " ".join(str(error).split())
        if isinstance(error, MemoryError):
            message = f"not enough memory {message}".strip()
        if len(message) > LONGEST:  # A cell of a damaged table can be as long as the file.
            message = f"{message[: LONGEST // 2]} ... {message[-LONGEST // 2 :]}"
        print(f"{program}: error: {message}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        _say_once(f"{program}: interrupted")
        raise SystemExit(130) from error
    except Terminated:
        _say_once(f"{program}: terminated")
        raise


def _say_once(line: str) -> None:
    """Prints a line on stderr, from one of the processes that train together on a machine."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(line, file=sys.stderr)


def without_debug(words: Sequence[str]) -> tuple[list[str], bool]:
    """Takes ``--debug`` out of a command line; returns the rest, and whether it was there."""
    return [word for word in words if word != "--debug"], "--debug" in words


@contextlib.contextmanager
def _until_asked_to_end() -> Iterator[None]:
    """Raises ``Terminated`` where the block is when the system asks for the end."""
    asked, put_off, over = False, 0, False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked, put_off
        if asked:  # Clearing away is not to be interrupted.
            return
        if frame and frame.f_code.co_name in _TAKE_A_LOCK and put_off < _MOST_PUT_OFF:
            put_off += 1
            _thread.start_new_thread(ask_again, ())  # A threading.Thread takes locks itself.
            return
        asked = True
        raise Terminated

    def ask_again() -> None:
        time.sleep(_PUT_OFF)
        if not over:
            os.kill(os.getpid(), signal.SIGTERM)

    before = None
    try:
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, ask)
            end_with_parent()
        yield
    except Exception as error:
        if asked and not isinstance(
            error, OtherProcessEndedError
        ):  # A library interrupted in its C code may raise another error.
            raise Terminated from error
        raise
    finally:
        over = True
        if before is not None:
            signal.signal(signal.SIGTERM, before)
