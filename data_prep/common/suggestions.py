"""What a mistyped option may have meant."""

import difflib
import re
from collections.abc import Iterable
from typing import Final, NoReturn

from jsonargparse import ArgumentParser

_UNKNOWN: Final = re.compile(
    r"unrecognized arguments: (?P<dashes>--)(?P<option>[\w.-]+)|does not accept option '(?P<setting>[\w.]+)'"
)


_NO_LIST: Final = re.compile(r'Parser key "(?P<option>[\w.]+)":.*collections\.abc\.Sequence', re.DOTALL)


class SuggestingParser(ArgumentParser):
    """Names the option that a mistyped one may have meant, and how a list is written."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Ends the program with what is wrong with a command line.

        Args:
            message: What is wrong.
            ex: What was raised, if anything.
        """
        parser = getattr(ex, "subcommand_parser", self)
        super().error(add_suggestion(message, parser.get_defaults(skip_validation=True).keys()), ex)


def add_suggestion(message: str, options: Iterable[str]) -> str:
    """Adds to a message about an unknown option the nearest one, if one is near, and how to write a list.

    Args:
        message: The parser's message.
        options: The names of the options that there are, without dashes.
    """
    if no_list := _NO_LIST.search(message):
        return f'{message}\n  Write a list as one word: --{no_list["option"]} \'["first", "second"]\''
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
