"""Decides which columns of a table hold the ids, labels, paths, positions and the split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.samples.cell_values import TableColumns
from data_prep.samples.labelling import LabelRules
from data_prep.samples.presets import preset_names
from data_prep.samples.rules import read_rules
from data_prep.tables.catalogues import Catalogue
from data_prep.tables.column_guesses import Guess, find_named, guess_columns, list_names

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
    chosen = find_named(names, vars(named), catalogue.path)
    if rules is not None and "label" in chosen:
        raise GalaxyError("--label-column and --rules exclude each other: leave out one of them")
    guesses = guess_columns([name for name in names if name not in chosen.values()])
    if rules is not None:
        guesses["label"] = Guess("label", None)
        if usual := _usual_id(names, rules):
            guesses["id"] = Guess("id", usual)
    guessed = {
        role: guess.column
        for role, guess in guesses.items()
        if role not in chosen and guess.column is not None
    }
    if "ra" in chosen:
        guessed = {role: name for role, name in guessed.items() if role not in ("ra", "dec")}
    found = chosen | guessed
    if rules is None and "label" not in found:
        raise GalaxyError(_describe_missing_labels(catalogue, guesses["label"]))
    # Without its ids, images of one galaxy could be in different splits, so a path does not replace them.
    if "id" not in found and ("path" not in found or guesses["id"].candidates):
        raise GalaxyError(_describe_missing_ids(catalogue, guesses["id"]))
    if rules is None:
        _refuse_labels_of_another_role(catalogue, found)
    unsure = [role for role, guess in guesses.items() if guess.candidates and role not in found]
    lines = [guesses[role].describe(_OPTIONS[role]) for role in (*guessed, *unsure)]
    return NamedColumns(**found), set(guessed), lines


def refuse_other_catalogue(catalogue: Catalogue, rules: LabelRules) -> None:
    """Raises an error if a table lacks columns that rules need; it names the presets that fit the table."""
    try:
        columns = pd.DataFrame(columns=[name for name in catalogue.names if name])
        TableColumns(columns, rules.source).refuse_missing(rules.label_columns)
    except GalaxyError as error:
        fitting = _fitting_presets(catalogue)
        fits = f"; --rules {' or '.join(fitting)} fits its columns" if fitting else ""
        raise GalaxyError(f"{catalogue.path}: {error}{fits}") from None


def _usual_id(names: list[str], rules: LabelRules) -> str | None:
    """Returns the first of the usual id columns of the rules' catalogue that a table has."""
    present: Mapping[str, str] = {name.casefold(): name for name in names}
    return next((present[name.casefold()] for name in rules.id_columns if name.casefold() in present), None)


def _refuse_labels_of_another_role(catalogue: Catalogue, columns: Mapping[str, str]) -> None:
    """Raises an error if the column of the labels is also another one, such as the ids."""
    for role, name in columns.items():
        if role != "label" and name == columns["label"]:
            raise GalaxyError(
                f"{catalogue.path}: {_OPTIONS['label']} and {_OPTIONS[role]} name the same column, {name}: "
                "name the column of the classes"
            )


def _describe_missing_ids(catalogue: Catalogue, guess: Guess) -> str:
    """Returns the message for a table whose galaxies are unknown."""
    if guess.candidates:
        return f"{catalogue.path}: {guess.describe(_OPTIONS['id'])}"
    return (
        f"{catalogue.path}: no column is named like an id (objid, id, name, ...): name it with --id-column, "
        f"or the column of the image files with --path-column; its columns are: {list_names(catalogue.names)}"
    )


def _describe_missing_labels(catalogue: Catalogue, guess: Guess) -> str:
    """Returns the message for a table whose labels are unknown; it names the presets that fit its columns."""
    if guess.candidates:
        return f"{catalogue.path}: {guess.describe(_OPTIONS['label'])}"
    fitting = _fitting_presets(catalogue)
    rules = f"--rules {' or '.join(fitting)} (fits its columns)" if fitting else "--rules"
    return (
        f"{catalogue.path}: no column is named like a label (label, class, type, ...): name it with "
        f"--label-column, or label by votes with {rules}; its columns are: {list_names(catalogue.names)}"
    )


def _fitting_presets(catalogue: Catalogue) -> list[str]:
    """Returns the names of the presets whose columns a table has."""
    present = {name.casefold() for name in catalogue.names}
    return [
        name
        for name in preset_names()
        if all(column.casefold() in present for column in read_rules(name).label_columns)
    ]
