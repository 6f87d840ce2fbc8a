"""Suggestions for mistyped options and names."""

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Final, NoReturn

from jsonargparse import ArgumentParser

from data_prep.common.errors import GalaxyError
from data_prep.common.slurm import keep_step

_RAISES: Final = ContextVar("raises", default=False)
_UNKNOWN: Final = re.compile(
    r"unrecognized arguments: (?P<dashes>--)(?P<option>[\w.-]+)|does not accept option '(?P<setting>[\w.]+)'"
)
_NOT_A_LIST: Final = re.compile(r'Parser key "(?P<option>[\w.]+)":.*collections\.abc\.Sequence', re.DOTALL)


class SuggestingParser(ArgumentParser):
    """A parser whose errors suggest the nearest option, and show how to write a list."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Prints an error about the command line and exits, or raises it; see :func:`errors_raised`.

        Args:
            message: The parser's message.
            ex: The exception that caused the error, if any.
        """
        parser = getattr(ex, "subcommand_parser", self)
        message = add_suggestion(message, parser.get_defaults(skip_validation=True).keys())
        if _RAISES.get():
            raise GalaxyError(" ".join(message.split())) from ex
        super().error(message, ex)


@contextlib.contextmanager
def errors_raised() -> Iterator[None]:
    """Makes parsers in the block raise ``GalaxyError`` instead of exiting, for calls from Python."""
    token = _RAISES.set(True)
    try:
        yield
    finally:
        _RAISES.reset(token)
        keep_step()


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns ``" (did you mean ...?)"`` with the most similar known name; empty if none is similar.

    Args:
        name: The mistyped name.
        known: The existing names.
    """
    known = list(known)
    by_lower_case = {other.lower(): other for other in reversed(known)}
    near = difflib.get_close_matches(name.lower()[:200], by_lower_case, n=1, cutoff=0.6)
    return f" (did you mean {by_lower_case[near[0]]}?)" if near else ""


def add_suggestion(message: str, options: Iterable[str]) -> str:
    """Adds the most similar option to a message about an unknown one, or the syntax of a list.

    Args:
        message: The parser's message.
        options: The names of the existing options, without dashes.
    """
    if not_a_list := _NOT_A_LIST.search(message):
        return f'{message}\n  Write a list as one word: --{not_a_list["option"]} \'["first", "second"]\''
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        return message
    mistyped = unknown["option"] or unknown["setting"]
    near = difflib.get_close_matches(mistyped.replace("-", "_"), list(options), n=1, cutoff=0.8)
    if not near:
        return message
    if near[0] == mistyped:  # A positional argument.
        return f"{message}; write its value without --{mistyped}"
    name = near[0].replace("_", "-") if "-" in mistyped and "." not in mistyped else near[0]
    return f"{message}; did you mean {unknown['dashes'] or ''}{name}?"
