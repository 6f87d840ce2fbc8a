"""Builds a command-line program from functions, one per command.

The functions import other modules only when they run, so that ``--help`` is fast.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jsonargparse import ArgumentParser

from data_prep.common.errors import EXIT_STATUS, errors_in_one_line, without_debug
from data_prep.common.options import CommandParser, description_of
from data_prep.common.output import guarded_output
from data_prep.common.plain_help import PlainHelp
from data_prep.common.suggestions import SuggestingParser


@dataclass(frozen=True)
class Commands:
    """The commands of one program.

    Attributes:
        program: The name of the program, such as ``python -m data_prep``.
        description: The description of the program in its help.
        commands: The function of each command, or a group of commands, by name.
        usage: The usage line after the name of the program.
        config: Whether each command accepts ``--config``, a YAML file of options.
    """

    program: str
    description: str
    commands: Mapping[str, "Callable[..., None] | Commands"]
    usage: str = "COMMAND [options]"
    config: bool = False

    def main(self, args: Sequence[str] | None = None) -> None:
        """Parses a command line and runs its command; prints the help if there are no arguments.

        Args:
            args: The arguments of the command line; by default those of the process.
        """
        with guarded_output(self.program):
            self._run(sys.argv[1:] if args is None else args)

    def _run(self, args: Sequence[str]) -> None:
        words, debug = without_debug(args)
        words = [_with_dashes(word) for word in words]
        command = self.commands.get(words[0]) if words else None
        if isinstance(command, Commands):
            command._run([*words[1:], *["--debug"] * debug])
        elif command:
            program = f"{self.program} {words[0]}"
            parser = CommandParser(program, command)
            if self.config:
                text = "YAML file of options; later options override it"
                parser.add_argument("--config", action="config", help=text)
            options = parser.parse_args(words[1:]).as_dict()
            options.pop("config", None)
            with errors_in_one_line(program, debug=debug):
                command(**options)
        elif words:
            self._overview().parse_args(words)  # Prints the help, or the error for an unknown command.
        else:
            self._overview().print_help()

    def _overview(self) -> ArgumentParser:
        """Returns a parser whose help lists the commands."""
        parser = SuggestingParser(
            prog=self.program,
            usage=f"{self.program} {self.usage}",
            description=self.description,
            epilog=EXIT_STATUS,
            formatter_class=PlainHelp,
        )
        subcommands = parser.add_subcommands(
            prog=self.program,
            title="commands (add --help to a command for its options, --debug for the traceback of an error)",
        )
        for name, command in self.commands.items():
            text = command.description if isinstance(command, Commands) else description_of(command)
            subcommands.add_subcommand(name, ArgumentParser(), help=text.partition("\n")[0])
        return parser


def _with_dashes(word: str) -> str:
    """Replaces underscores in an option by dashes, since the training commands use underscores."""
    return re.sub(r"^--[a-z_]+", lambda option: option.group().replace("_", "-"), word)
