"""The one error type whose message is meant for the user, and how a command line prints it."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 2000
"""Characters of a message that are shown."""


class GalaxyError(Exception):
    """Something is wrong with what the user gave us, not with the program.

    The message says what is wrong, where (file, row, column or galaxy) and what to do about it.
    """


@contextlib.contextmanager
def errors_in_one_line(program: str) -> Iterator[None]:
    """Prints what the user can mend as one line on stderr, without a traceback, and exits with status 1.

    That is a ``GalaxyError``, and what the system refuses (``OSError``). An interruption by the
    user ends quietly with status 130, as shells have it.

    Args:
        program: The command's name, put before the message.
    """
    try:
        yield
    except (GalaxyError, OSError) as error:
        message = " ".join(str(error).split())
        if len(message) > LONGEST:  # A cell of a damaged table can be as long as the file.
            message = f"{message[: LONGEST // 2]} ... {message[-LONGEST // 2 :]}"
        print(f"{program}: error: {message}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        print(f"{program}: interrupted", file=sys.stderr)
        raise SystemExit(130) from error
