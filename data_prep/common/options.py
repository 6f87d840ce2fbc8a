"""Turns the parameters of a function into the options of a command.

A type hint may be ``Annotated`` with up to three settings of the option, in this order: the function that
converts its text (``type``), the name of its value in the help (``metavar``), and for a list the number of
values, ``"*"`` or ``"+"`` (``nargs``).
"""

import inspect
from argparse import Action
from collections.abc import Callable, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from data_prep.common.paths import user_path
from data_prep.common.plain_help import PlainHelp
from data_prep.common.suggestions import SuggestingParser

RawFolder = Annotated[Path, user_path, "RAW"]
ArraysFolder = Annotated[Path, user_path, "ARRAYS"]
ImagesFolder = Annotated[Path, user_path, "FOLDER"]
FilePath = Annotated[Path, user_path, "FILE"]
Bands = Annotated[Sequence[str], str, "BAND", "*"]
Columns = Annotated[Sequence[str], str, "COLUMN", "*"]
Parameters = Annotated[Sequence[str], str, "NAME=VALUE", "*"]
Scale = Annotated[str, str, "SCALE"]
Template = Annotated[str, str, "TEMPLATE"]


class CommandParser(SuggestingParser):
    """Parser of a command: the parameters of a function are its options, the docstring is its help.

    Keyword-only parameters become options, the others positional arguments.

    Args:
        program: The name of the command, such as ``python -m data_prep check``.
        function: The function, with type hints and a Google docstring.
    """

    def __init__(self, program: str, function: Callable[..., None]) -> None:
        self._hints = get_type_hints(function, include_extras=True)
        self._required: list[str] = []
        super().__init__(
            prog=program,
            description=description_of(function),
            formatter_class=PlainHelp,
            allow_abbrev=False,
            print_config=None,
        )
        self.add_function_arguments(function, as_group=False, as_positional=True)
        self.usage = " ".join([program, *self._required, "[options]"])

    def add_argument(self, *names: str, **settings: Any) -> Action:
        """Adds an argument with dashes in its name, as a flag if boolean, and with ``Annotated`` settings."""
        hint = self._hints.get(names[0].lstrip("-"))
        if hint and names[0].startswith("--"):
            names = (names[0].replace("_", "-"),)
        if hint is bool:
            del settings["type"]
            settings["action"] = "store_true"
        elif annotations := _annotations(hint):
            settings.pop("action", None)  # Set by jsonargparse from the Python type.
            settings |= zip(("type", "metavar", "nargs"), annotations, strict=False)
        if isinstance(settings.get("default"), tuple):
            settings["default"] = list(settings["default"])  # jsonargparse replaces its elements in place.
        action: Action = super().add_argument(*names, **settings)
        if action.required:
            self._required += [*action.option_strings, str(action.metavar or action.dest.upper())]
        return action


def _annotations(hint: Any) -> tuple[Any, ...]:
    """Returns the settings in a type hint, also in an optional one (``FilePath | None``)."""
    hints = [part for part in get_args(hint) if part is not NoneType] if get_origin(hint) is Union else [hint]
    settings: tuple[Any, ...] = getattr(hints[0], "__metadata__", ()) if len(hints) == 1 else ()
    return settings


def description_of(function: Callable[..., None]) -> str:
    """Returns the docstring of a function up to its ``Args``, each paragraph on one line."""
    text = (inspect.getdoc(function) or "").partition("Args:\n")[0]
    return "\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
