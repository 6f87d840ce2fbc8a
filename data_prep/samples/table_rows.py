"""Reads the galaxies of a table: ids, labels, votes, positions and split."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.samples.labelling import LabelRules
from data_prep.samples.table_columns import NamedColumns, refuse_other_catalogue
from data_prep.schema import VOTE_COUNT
from data_prep.splits.given import parse_split
from data_prep.tables.catalogue_ids import parse_ids
from data_prep.tables.catalogue_positions import read_positions
from data_prep.tables.catalogues import Catalogue

NO_ID: Final = "id missing"
NO_LABEL: Final = "no label"
_RESERVED: Final = ("objid", "id", "asset_id", "label", "ra", "dec", "split", "path", "quarter_turns")


@dataclass
class TableRows:
    """The galaxies of a table.

    Attributes:
        rows: One row per row of the table, with the columns ``objid`` (0 if missing), ``name`` (the id as
            text, if there is one), ``label`` (empty if none), ``reason`` (why the row cannot be used; empty
            if it can), and as far as known ``id`` (if the ids are not integers), ``file`` (the path in the
            table), ``ra`` and ``dec`` in degrees, ``split`` and the kept columns.
        votes: The columns of the votes: ``vote_<class>`` and ``n_votes``.
        kept: The columns of the table that the sample keeps.
        notes: Messages for the user.
    """

    rows: pd.DataFrame
    votes: list[str]
    kept: list[str]
    notes: list[str]


def read_rows(
    catalogue: Catalogue,
    columns: NamedColumns,
    guessed: set[str],
    rules: LabelRules | None,
    keep: Sequence[str],
) -> TableRows:
    """Reads the galaxies of a table and labels them.

    Args:
        catalogue: The table.
        columns: The columns by their meaning.
        guessed: The meanings of the columns that were guessed; if these are unreadable, they are left out.
        rules: The rules that assign the labels; None if a column holds them.
        keep: Further columns that the sample keeps, besides those that the rules read.

    Raises:
        GalaxyError: A column is missing or a cell is invalid.
    """
    if rules is not None:
        refuse_other_catalogue(catalogue, rules)
    text_columns = rules.text_columns if rules else ()
    # The votes are optional, so that rules also serve tables with only the columns of the labels.
    present = {name.casefold() for name in catalogue.names}
    optional = set(rules.columns) - set(rules.label_columns) if rules else set()
    absent = {name for name in optional if name.casefold() not in present}
    numbers = [name for name in (rules.columns if rules else ()) if name not in (*text_columns, *absent)]
    identity = [name for name in (columns.id, columns.label, columns.path, columns.split) if name]
    further = [name for name in keep if name not in (*numbers, *text_columns)]
    table = catalogue.read(
        text=list(dict.fromkeys([*identity, *text_columns, *further])),
        numbers=numbers,
    )
    rows = pd.DataFrame(index=table.index)
    notes = catalogue.notes
    rows["reason"] = ""
    _add_ids(rows, table, catalogue, columns)
    votes: list[str] = []
    if rules is None:
        assert columns.label is not None
        rows["label"] = table[columns.label].fillna("").astype(str)
        rows.loc[(rows["label"] == "") & (rows["reason"] == ""), "reason"] = NO_LABEL
    else:
        try:
            labelled = rules.apply(table[[name for name in rules.columns if name in table]])
        except GalaxyError as error:
            raise GalaxyError(f"{catalogue.path}: {error}") from None
        rows["label"] = labelled.labels
        rows["reason"] = np.where(rows["reason"] == "", labelled.reasons, rows["reason"])
        notes += labelled.notes
        if labelled.votes is not None:
            has_count = labelled.votes[VOTE_COUNT].notna().any()
            votes = [str(name) for name in labelled.votes if name != VOTE_COUNT or has_count]
            rows[votes] = labelled.votes[votes]
    _add_positions(rows, catalogue, columns, guessed, notes)
    _add_split(rows, table, catalogue, columns, guessed, notes)
    kept = []
    for name in [*(rules.columns if rules else ()), *further]:
        if name.casefold() in (*_RESERVED, *(vote.casefold() for vote in votes)):
            if name in further:
                notes.append(f"the column {name} is not kept, since samples have a column of that name")
        elif name in table:
            rows[name] = table[name]
            kept.append(name)
    return TableRows(rows, votes, kept, notes)


def _add_ids(rows: pd.DataFrame, table: pd.DataFrame, catalogue: Catalogue, columns: NamedColumns) -> None:
    """Adds the columns of the ids and paths."""
    if columns.path is not None:
        rows["file"] = table[columns.path]
    if columns.id is None:
        return
    ids = parse_ids(table[columns.id], catalogue.path, columns.id, catalogue.place)
    rows["objid"] = ids.objid
    if ids.text is not None:
        rows["id"] = ids.text
    rows["name"] = pd.Series(ids.names, dtype=object).mask(ids.missing)
    rows.loc[ids.missing, "reason"] = NO_ID


def _add_positions(
    rows: pd.DataFrame, catalogue: Catalogue, columns: NamedColumns, guessed: set[str], notes: list[str]
) -> None:
    """Adds the positions in degrees; guessed columns that are unreadable are left out."""
    if columns.ra is None or columns.dec is None:
        return
    try:
        positions = read_positions(catalogue, columns.ra, columns.dec)
    except GalaxyError as error:
        if "ra" not in guessed:
            raise
        notes.append(f"no positions: {error}")
        return
    rows["ra"], rows["dec"] = positions["ra"], positions["dec"]


def _add_split(
    rows: pd.DataFrame,
    table: pd.DataFrame,
    catalogue: Catalogue,
    columns: NamedColumns,
    guessed: set[str],
    notes: list[str],
) -> None:
    """Adds the given split of the usable rows; a guessed column that is none is left out."""
    if columns.split is None:
        return
    usable = rows["reason"] == ""
    try:
        split = parse_split(table.loc[usable, columns.split], catalogue.where(columns.split))
        rows["split"] = split.reindex(rows.index)
    except GalaxyError as error:
        if "split" not in guessed:
            raise
        notes.append(f"the column {columns.split} is not used as the split: {error}")
