"""A command line of several commands, each with a help of its own that reads alike."""

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from data_prep.common.errors import EXIT_STATUS, errors_in_one_line, without_debug
from data_prep.common.output import guarded_output
from data_prep.common.plain_help import PlainHelp
from data_prep.common.suggestions import SuggestingParser


class Commands:
    """The commands of one program.

    Args:
        program: How the program is called, ``python -m data_prep`` say.
        description: What it is for.
        usage: How its command line reads after its name.
        added_to: Is handed the parser before it is given commands, as jsonargparse wants it.
    """

    def __init__(
        self,
        program: str,
        description: str,
        usage: str = "COMMAND [options]",
        added_to: Callable[[ArgumentParser], None] | None = None,
    ) -> None:
        self.program = program
        self.parser = _parser(description, f"{program} {usage}", prog=program, epilog=EXIT_STATUS)
        if added_to:
            added_to(self.parser)
        self._subcommands = self.parser.add_subcommands(
            prog=program,
            title="commands (add --help to one for its options, --debug to see where an error came from)",
        )
        self._commands: dict[str, tuple[ArgumentParser, Callable[[Namespace], None]]] = {}
        self._groups: dict[str, Commands] = {}

    def add(
        self, name: str, usage: str, description: str, action: Callable[[Namespace], None]
    ) -> ArgumentParser:
        """Adds a command.

        Args:
            name: Its name.
            usage: Its positional and required options, for the help.
            description: What it does; the first sentence goes into the list of commands.
            action: What is called with its options.

        Returns:
            The command's parser, to add its options to.
        """
        command = _parser(description, f"{self.program} {name} {usage} [options]")
        self._subcommands.add_subcommand(name, command, help=_first_sentence(description))
        self._commands[name] = command, action
        return command

    def add_group(self, name: str, description: str, usage: str) -> "Commands":
        """Adds a command that has commands of its own.

        Args:
            name: Its name.
            description: What they do; the first sentence goes into the list of commands.
            usage: How its command line reads after its name.

        Returns:
            Its commands.
        """

        def add(parser: ArgumentParser) -> None:
            self._subcommands.add_subcommand(name, parser, help=_first_sentence(description))

        group = Commands(f"{self.program} {name}", description, usage, added_to=add)
        self._groups[name] = group
        return group

    def main(self, args: Sequence[str] | None = None) -> None:
        """Parses a command line and runs its command; without any words, shows the help.

        Args:
            args: The command line's words; by default those the program was started with.
        """
        with guarded_output(self.program):
            self._run(sys.argv[1:] if args is None else args)

    def _run(self, args: Sequence[str]) -> None:
        words, debug = without_debug(args)
        words = [_with_dashes(word) for word in words]
        if not words:
            self.parser.print_help()
        elif words[0] in self._groups:
            self._groups[words[0]]._run([*words[1:], *["--debug"] * debug])
        elif words[0] in self._commands:
            # By its own parser, whose messages name its own options and usage.
            parser, action = self._commands[words[0]]
            options = parser.parse_args(words[1:])
            with errors_in_one_line(f"{self.program} {words[0]}", debug=debug):
                action(options)
        else:
            self.parser.parse_args(words)  # --help, or no command of ours: it says so.


def options_without(options: Namespace, *names: str) -> dict[str, Any]:
    """Returns a command's options but for those named, and for what configured them."""
    return {name: value for name, value in options.as_dict().items() if name not in (*names, "config")}


def _parser(description: str, usage: str, **more: Any) -> ArgumentParser:
    return SuggestingParser(
        description=description,
        usage=usage,
        formatter_class=PlainHelp,
        allow_abbrev=False,
        print_config=None,
        **more,
    )


def _first_sentence(description: str) -> str:
    return description.split(". ")[0].rstrip(".") + "."


def _with_dashes(word: str) -> str:
    """Takes ``--label_rule`` for ``--label-rule``: the training commands spell theirs so."""
    return re.sub(r"^--[a-z_]+", lambda option: option.group().replace("_", "-"), word)
