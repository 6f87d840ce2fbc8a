"""The one error type whose message is meant for the user, and how a command line prints it."""

import contextlib
import sys
from collections.abc import Iterator


class GalaxyError(Exception):
    """Something is wrong with what the user gave us, not with the program.

    The message says what is wrong, where (file, row, column or galaxy) and what to do about it.
    """


@contextlib.contextmanager
def errors_in_one_line(program: str) -> Iterator[None]:
    """Prints a ``GalaxyError`` as one line on stderr, without a traceback, and exits with status 1.

    Args:
        program: The command's name, put before the message.
    """
    try:
        yield
    except GalaxyError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
