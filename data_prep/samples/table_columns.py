"""Decides which columns of a table hold the ids, labels, paths, positions and the split."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from data_prep.common.errors import GalaxyError
from data_prep.samples.labelling import LabelRules
from data_prep.samples.presets import preset_names
from data_prep.samples.rules import read_rules
from data_prep.sources.catalogues import Catalogue
from data_prep.sources.column_guesses import Guess, find_column, guess_columns

_OPTIONS: Final = {role: f"--{role}-column" for role in ("id", "label", "path", "ra", "dec", "split")}


@dataclass(frozen=True)
class NamedColumns:
    """The columns of a table by their meaning, None if there is none.

    Attributes:
        id: The galaxy's identifier: a 64-bit integer, or any text.
        label: The class.
        path: The image file.
        ra: Right ascension, in degrees or sexagesimal hours.
        dec: Declination, in degrees, decimal or sexagesimal.
        split: The split: train, val or test.
    """

    id: str | None = None
    label: str | None = None
    path: str | None = None
    ra: str | None = None
    dec: str | None = None
    split: str | None = None


def choose_columns(
    catalogue: Catalogue, named: NamedColumns, rules: LabelRules | None
) -> tuple[NamedColumns, set[str], list[str]]:
    """Finds the named columns, and guesses the others from their names.

    Args:
        catalogue: The table.
        named: The columns that the user has named.
        rules: The rules that assign the labels; None if a column holds them.

    Returns:
        The columns; the names of those that are guessed, by meaning; and a line about each guess.

    Raises:
        GalaxyError: A named column is missing; there are no labels; or the galaxies have neither an id nor a
            path.
    """
    names = catalogue.names
    chosen = {
        role: names[find_column(names, name, catalogue.path)]
        for role, name in vars(named).items()
        if name is not None
    }
    if rules is not None and "label" in chosen:
        raise GalaxyError("--label-column and --rules exclude each other: name the one that gives the labels")
    if ("ra" in chosen) != ("dec" in chosen):
        raise GalaxyError("--ra-column and --dec-column need each other: name both")
    guesses = guess_columns(names)
    if rules is not None:
        guesses["label"] = Guess("label", None)
        if usual := _usual_id(names, rules):
            guesses["id"] = Guess("id", usual)
    guessed = {
        role: guess.column
        for role, guess in guesses.items()
        if role not in chosen and guess.column is not None and guess.column not in chosen.values()
    }
    if "ra" in chosen:
        guessed.pop("ra", None), guessed.pop("dec", None)
    if rules is None and "label" not in chosen | guessed:
        raise GalaxyError(_describe_missing_labels(catalogue, guesses["label"]))
    if not {"id", "path"} & (chosen | guessed).keys():
        raise GalaxyError(
            f"{catalogue.path}: {guesses['id'].describe(_OPTIONS['id'])}, or the images with --path-column"
        )
    lines = [guesses[role].describe(_OPTIONS[role]) for role in guessed]
    return replace(NamedColumns(), **chosen, **guessed), set(guessed), lines


def _usual_id(names: list[str], rules: LabelRules) -> str | None:
    """Returns the first of the usual id columns of the rules' catalogue that a table has."""
    present: Mapping[str, str] = {name.casefold(): name for name in names}
    return next((present[name.casefold()] for name in rules.id_columns if name.casefold() in present), None)


def _describe_missing_labels(catalogue: Catalogue, guess: Guess) -> str:
    """Returns the message for a table whose labels are unknown; it names the presets that fit its columns."""
    if guess.candidates:
        return f"{catalogue.path}: {guess.describe(_OPTIONS['label'])}"
    present = {name.casefold() for name in catalogue.names}
    fitting = [
        name
        for name in preset_names()
        if all(column.casefold() in present for column in read_rules(name).label_columns)
    ]
    rules = f"--rules {' or '.join(fitting)} fits its columns" if fitting else "--rules labels by votes"
    return f"{catalogue.path} has no column that is named like a label: name it with --label-column; {rules}"
