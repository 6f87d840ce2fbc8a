"""How every command's ``--help`` reads: what an option means and its default, no Python types."""

import textwrap
from argparse import SUPPRESS, Action

from jsonargparse import DefaultHelpFormatter


class PlainHelp(DefaultHelpFormatter):
    """Formats each option as its meaning, with ``(required)`` or its default where that says something.

    A description keeps its line breaks, so that an example stands on a line of its own.

    ``argparse`` promises its formatters, but not their methods: where one is not called, the help keeps the
    form that ``jsonargparse`` gives it.
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
