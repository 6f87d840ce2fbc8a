"""Makes the reference of the commands from their own parsers, with the groups of options of ``--help``."""

import argparse
import contextlib
import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

_TITLES: Final = {"positional arguments": "Arguments", "options": "Options"}
"""Headings of argparse, as they are shown."""


@dataclass
class Group:
    """A group of options.

    Attributes:
        title: Its heading in the help.
        options: How each option is written, and its meaning.
    """

    title: str
    options: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Command:
    """A command, or a program.

    Attributes:
        name: The words after the name of the program, such as ``fit keras``.
        usage: The usage line.
        description: What it does, with examples on lines of their own.
        epilog: The text after the options; may be empty.
        groups: The groups of options that its help shows.
    """

    name: str
    usage: str
    description: str
    epilog: str
    groups: Sequence[Group]


def programs() -> Mapping[str, tuple[str, Sequence[str]]]:
    """Returns the module of each program, and the names of its commands, by the name of its package."""
    from baselines.cli import COMMANDS as BASELINES
    from data_prep.cli import COMMANDS as DATA_PREP
    from data_prep.common.commands import Commands
    from galaxy_lightning.cli.descriptions import DESCRIPTIONS

    def names(commands: Commands) -> Iterator[str]:
        for name, command in commands.commands.items():
            yield name
            if isinstance(command, Commands):
                yield from (f"{name} {inner}" for inner in names(command))

    return {
        "galaxy_lightning": ("galaxy_lightning.cli.main", list(DESCRIPTIONS)),
        "data_prep": ("data_prep.cli", list(names(DATA_PREP))),
        "baselines": ("baselines.cli", list(names(BASELINES))),
    }


def read_command(main: Callable[[Sequence[str]], None], name: str) -> Command:
    """Reads the help of a command.

    Args:
        main: The program.
        name: The words of the command; empty for the program itself.

    Raises:
        ValueError: The command has no help.
    """
    parsers: list[Any] = []
    record = mock.patch.object(
        argparse.ArgumentParser, "print_help", lambda parser, *_: parsers.append(parser)
    )
    with record, contextlib.suppress(SystemExit):
        main([*name.split(), "--help"])
    if not parsers:
        raise ValueError(f"the command {name!r} has no help")
    parser, groups = parsers[0], list[Group]()
    parser.formatter_class = _recorder(parser.formatter_class, groups)
    parser.format_help()
    usage = parser.format_usage().removeprefix("usage: ")
    return Command(
        name,
        re.sub(r"\s+", " ", usage).strip(),
        parser.description or "",
        parser.epilog or "",
        [group for group in groups if group.options],
    )


def _recorder(formatter: Any, groups: list[Group]) -> Any:
    """Makes a formatter that records the groups of options which another one shows.

    The methods of ``argparse`` formatters are private, but ``PlainHelp`` relies on them too.
    """

    class Recorder(formatter):  # type: ignore[misc]
        def start_section(self, heading: str | None) -> None:
            super().start_section(heading)
            shown = self._current_section.heading or ""
            groups.append(Group(_TITLES.get(shown, shown)))

        def add_argument(self, action: argparse.Action) -> None:
            super().add_argument(action)
            is_help = isinstance(action, argparse._HelpAction) or "--help" in action.option_strings
            if not groups or is_help or action.help == argparse.SUPPRESS:
                return
            if isinstance(action, argparse._SubParsersAction):
                return
            # jsonargparse separates "[=flags]" by a space and a backspace.
            written = self._format_action_invocation(action).replace(" \b", "")
            forms = [form for form in written.split(", --") if not re.match(r"\S+\+( |$)", form)]
            groups[-1].options.append((", --".join(forms), self._expand_help(action)))

    return Recorder


def commands_page(package: str) -> str:
    """Makes the page of a program in Markdown.

    Args:
        package: The name of its package.
    """
    module, names = programs()[package]
    main = importlib.import_module(module).main
    overview = read_command(main, "")
    lines = [f"# python -m {package}", "", *_describe(overview.description), ""]
    short = f"`galaxy-{package.removeprefix('galaxy_').removesuffix('_prep')}`"
    lines += [f"{short} is short for `python -m {package}`.", ""]
    if package == "galaxy_lightning":
        lines += ["Options may be written with dashes or underscores.", ""]
    lines += [_text(overview.epilog), ""]
    for name in names:
        lines += _command_section(read_command(main, name))
    return "\n".join(lines)


def _command_section(command: Command) -> list[str]:
    """Returns the lines of the section of a command."""
    lines = [f"## {command.name}", "", *_describe(command.description), ""]
    lines += ["Usage:", "", "```text", _wrap_usage(command.usage), "```", ""]
    for group in command.groups:
        lines += [f"**{group.title}**", ""]
        for written, meaning in group.options:
            lines += [f"`{written}`", f":   {_text(meaning)}", ""]
    if command.epilog and not command.epilog.startswith("Exit status"):
        lines += [_text(command.epilog), ""]
    return lines


def _describe(description: str) -> list[str]:
    """Returns a description as paragraphs, and its examples as blocks of code."""
    lines: list[str] = []
    for line in description.splitlines():
        is_command, in_block = line.startswith("python -m "), lines[-1:] == ["```"]
        if is_command and in_block:
            lines[-1:] = [line, "```"]
        elif is_command:
            lines += ["", "```", line, "```"]
        else:
            lines += ["", _text(line)]
    return lines[1:]


def _wrap_usage(usage: str) -> str:
    """Breaks a long usage line between options."""
    lines = [""]
    for word in re.findall(r"\[[^\[\]]*(?:\[[^\]]*\][^\[\]]*)*\]\S*|\S+", usage):
        if lines[-1] and len(lines[-1]) + len(word) > 78:
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def _text(text: str) -> str:
    """Escapes the characters of a text that Markdown would interpret."""
    text = re.sub(r"\s+", " ", text).strip()
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|]|(?<!\w)_|_(?!\w))", r"\\\1", text)
