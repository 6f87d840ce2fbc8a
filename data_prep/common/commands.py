"""A command line of several commands, each made from a function.

The functions import what they need only when they run, so that ``--help`` is immediate.
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
        program: How the program is called, ``python -m data_prep`` say.
        description: What it is for.
        commands: By name, each command's function, or a group of commands.
        usage: How the command line reads after the program's name.
        config: Whether each command takes ``--config``, a file of options.
    """

    program: str
    description: str
    commands: Mapping[str, "Callable[..., None] | Commands"]
    usage: str = "COMMAND [options]"
    config: bool = False

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
            self._overview().parse_args(words)  # --help, or no command of ours: it says so.
        else:
            self._overview().print_help()

    def _overview(self) -> ArgumentParser:
        """Makes a parser that lists the commands."""
        parser = SuggestingParser(
            prog=self.program,
            usage=f"{self.program} {self.usage}",
            description=self.description,
            epilog=EXIT_STATUS,
            formatter_class=PlainHelp,
        )
        subcommands = parser.add_subcommands(
            prog=self.program,
            title="commands (add --help to one for its options, --debug to see where an error came from)",
        )
        for name, command in self.commands.items():
            text = command.description if isinstance(command, Commands) else description_of(command)
            subcommands.add_subcommand(name, ArgumentParser(), help=text.partition("\n")[0])
        return parser


def _with_dashes(word: str) -> str:
    """Takes ``--label_rule`` for ``--label-rule``: the training commands spell theirs so."""
    return re.sub(r"^--[a-z_]+", lambda option: option.group().replace("_", "-"), word)
