"""Formats the help of commands: the meaning and the default of each option, without Python types."""

import textwrap
from argparse import SUPPRESS, Action

from jsonargparse import DefaultHelpFormatter


class PlainHelp(DefaultHelpFormatter):
    """Formats each option as its meaning, followed by ``(required)`` or by its default if it has one.

    Line breaks in a description are kept, so that an example can have a line of its own.

    The methods of ``argparse`` formatters are private. If a version of Python does not call one of them, the
    help falls back to the format of ``jsonargparse``.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(
            textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent)
            for line in text.splitlines()
        )

    def _get_help_string(self, action: Action) -> str:
        text = action.help or ""
        if action.required:
            return f"{text} (required)" if action.option_strings else text
        if action.default is False or action.default in (None, SUPPRESS, []):
            return text
        if isinstance(action.default, list):
            return f"{text} (default: {' '.join(map(str, action.default))})"
        return f"{text} (default: %(default)s)"
