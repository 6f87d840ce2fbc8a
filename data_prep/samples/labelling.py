"""Label rules, and how they are applied to the table of a catalogue."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.samples.cell_values import TableColumns
from data_prep.samples.conditions import Condition, Expression
from data_prep.schema import VOTE_COUNT, VOTE_PREFIX

UNLABELLED: Final = ""
"""The label of a galaxy without one."""
NO_VOTE: Final = "no vote"
"""Why a galaxy is unlabelled: it lacks a value that rules on votes need."""
NO_VALUE: Final = "no value"
"""Why a galaxy is unlabelled: it lacks a value that other rules need, such as its type."""
NO_RULE: Final = "no rule matches"
"""Why a galaxy is unlabelled: no rule matches, and the rules have no ``otherwise``."""
_FRACTION: Final = "it must be between 0 and 1, or empty if unknown"
_COUNT: Final = "it must be 0 or more, or empty if unknown"
_ROUNDING: Final = 1e-6
"""By how much a vote fraction may exceed 0 to 1, since debiased fractions are results of a computation."""


@dataclass(frozen=True)
class Rule:
    """One rule: the label of the galaxies that satisfy all its conditions.

    Attributes:
        name: For messages: ``rule 2 (spiral)``.
        label: The class; ``UNLABELLED`` for a rule that excludes galaxies.
        reason: Why a rule excludes its galaxies; empty for a rule with a label.
        conditions: The conditions; a rule without any matches every galaxy.
    """

    name: str
    label: str
    reason: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class VoteRules:
    """How votes become soft targets.

    Attributes:
        count: The column with the number of votes; None if the catalogue has none.
        fractions: The vote fraction of each class, as a sum of products of columns.
        threshold: If given, the target of a class is the probability that its true fraction reaches this
            value; otherwise, it is the fraction itself.
        rest: The class that gets the remaining probability; if None, the targets are divided by their sum.

    :func:`galaxy_lightning.data.vote_targets.vote_targets` computes the targets.
    """

    count: str | None
    fractions: Mapping[str, Expression]
    threshold: float | None
    rest: str | None

    def to_json(self) -> dict[str, Any]:
        """Returns what ``dataset.json`` states of the votes: ``threshold`` and ``rest``."""
        return {"threshold": self.threshold, "rest": self.rest}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, each once."""
        fractions = (name for expression in self.fractions.values() for name in expression.columns)
        return tuple(dict.fromkeys([*fractions, *([self.count] if self.count else [])]))


@dataclass(frozen=True)
class Labelled:
    """The labels and votes of a table of ``N`` galaxies.

    Attributes:
        labels: ``[N]`` class names, ``UNLABELLED`` for a galaxy without a label.
        reasons: ``[N]`` why each galaxy is unlabelled; empty for a galaxy with a label.
        matches: The number of galaxies of each rule, by its name, and of ``otherwise``.
        votes: ``[N]`` rows with the columns ``vote_<class>`` (fractions from 0 to 1, which need not sum to
            1) and ``n_votes``, NaN where unknown; None if the rules have no votes or the table lacks their
            columns.
        notes: Notes for the user, one line each.
    """

    labels: npt.NDArray[np.str_]
    reasons: npt.NDArray[np.str_]
    matches: dict[str, int]
    votes: pd.DataFrame | None
    notes: list[str]

    @property
    def unlabelled(self) -> dict[str, int]:
        """The number of unlabelled galaxies by reason."""
        counts = pd.Series(self.reasons[self.reasons != ""]).value_counts(sort=False)
        return {str(reason): int(count) for reason, count in counts.items()}


@dataclass(frozen=True)
class LabelRules:
    """Label rules; :func:`data_prep.samples.rules.read_rules` reads them from a file.

    Attributes:
        name: The preset's name, or that of the file without its suffix.
        source: The file, for messages.
        description: One line.
        classes: The classes in order, each with a description of one line (empty if the file has none).
        id_columns: Usual names of the column that names a galaxy; the first one in a table is the one to use.
        parameters: The values of the parameters.
        needs: The columns without which a galaxy is unlabelled.
        rules: The rules; the first that matches gives the label.
        otherwise: The label of galaxies that match no rule; None if they are unlabelled.
        votes: How votes become soft targets; None if the rules have no votes.
        content: The content of the file, with the present values of the parameters.
    """

    name: str
    source: str
    description: str
    classes: Mapping[str, str]
    id_columns: tuple[str, ...]
    parameters: Mapping[str, float]
    needs: tuple[str, ...]
    rules: tuple[Rule, ...]
    otherwise: str | None
    votes: VoteRules | None
    content: Mapping[str, Any]

    @property
    def no_value(self) -> str:
        """Why a galaxy that lacks a needed value is unlabelled."""
        return NO_VALUE if self.votes is None else NO_VOTE

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that a table must have: those of the rules, and those needed."""
        read = [condition.expression.columns for rule in self.rules for condition in rule.conditions]
        return tuple(dict.fromkeys([name for columns in read for name in columns] + list(self.needs)))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that the rules read, as written in the file: for the labels and for the votes."""
        return tuple(dict.fromkeys([*self.label_columns, *(self.votes.columns if self.votes else ())]))

    def describe(self) -> str:
        """Returns what the rules are, in one line: the description and the values of the parameters."""
        values = ", ".join(f"{name} {value:g}" for name, value in self.parameters.items())
        return f"{self.description} ({values})" if values else self.description

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that conditions compare with text."""
        conditions = [condition for rule in self.rules for condition in rule.conditions]
        with_text = [condition for condition in conditions if condition.compares_text]
        return tuple(dict.fromkeys(condition.expression.columns[0] for condition in with_text))

    def to_json(self) -> dict[str, Any]:
        """Returns the content as JSON, for provenance; written as YAML, it is a file of the same rules."""
        return copy.deepcopy(dict(self.content))

    def apply(self, table: pd.DataFrame) -> Labelled:
        """Labels the galaxies of a table; see :func:`label_table`.

        Raises:
            GalaxyError: As for ``label_table``, or no rule matches any of the galaxies.
        """
        labelled = label_table(self, table)
        if len(table) and not any(labelled.matches[rule.name] for rule in self.rules):
            known = int(np.count_nonzero(labelled.reasons != self.no_value))
            if not known:
                raise GalaxyError(
                    f"{self.source}: none of the {len(table):,} galaxies has a value in each of the columns "
                    f"{', '.join(self.needs or self.label_columns)}: use other rules or another table"
                )
            raise GalaxyError(
                f"{self.source}: no rule matches any of the {known:,} galaxies with "
                f"{'values' if self.votes is None else 'votes'}: check the columns and the conditions"
            )
        return labelled


def label_table(rules: LabelRules, table: pd.DataFrame) -> Labelled:
    """Labels the galaxies of a table, without requiring that any rule matches.

    A galaxy that lacks a needed value, or all values that the rules read, is unlabelled. In other columns, a
    missing value satisfies no condition; it is never read as 0.

    Args:
        rules: The rules.
        table: ``N`` rows with the columns ``rules.label_columns``, in any case of their names; numbers with
            NaN where missing, or text.

    Returns:
        The labels and votes.

    Raises:
        GalaxyError: A column is missing, a cell has the wrong type, or a vote fraction is outside 0 to 1.
    """
    columns = TableColumns(table, rules.source, rules.id_columns)
    columns.refuse_missing(rules.label_columns)
    known = np.ones(len(table), dtype=bool)
    for name in rules.needs:
        known &= columns.is_known(name)
    if rules.label_columns:
        known &= np.any([columns.is_known(name) for name in rules.label_columns], axis=0)

    outcomes = [(UNLABELLED, rules.no_value), *((rule.label, rule.reason) for rule in rules.rules)]
    outcomes.append((UNLABELLED, NO_RULE) if rules.otherwise is None else (rules.otherwise, ""))
    outcome = np.where(known, len(outcomes) - 1, 0)
    remaining = known.copy()
    matches: dict[str, int] = {}
    notes: list[str] = []
    for number, rule in enumerate(rules.rules, start=1):
        found = known.copy()
        for condition in rule.conditions:
            found &= condition.evaluate(columns)
        new = found & remaining
        outcome[new] = number
        remaining &= ~found
        matches[rule.name] = int(np.count_nonzero(new))
        if rule.label != UNLABELLED and known.any() and not matches[rule.name]:
            earlier = " that earlier rules leave" if found.any() else ""
            notes.append(f"{rule.name} matches no galaxy{earlier}")
    if rules.otherwise is not None:
        matches["otherwise"] = int(np.count_nonzero(remaining))

    votes, vote_notes = _read_votes(rules, columns)
    labels, reasons = (np.array(texts)[outcome] for texts in zip(*outcomes, strict=True))
    return Labelled(labels, reasons, matches, votes, [*notes, *vote_notes])


def _read_votes(rules: LabelRules, columns: TableColumns) -> tuple[pd.DataFrame | None, list[str]]:
    """Returns the columns ``vote_<class>`` and ``n_votes``, and notes for the user."""
    if rules.votes is None:
        return None, []
    if missing := columns.missing_from(rules.votes.columns):
        return None, [f"no vote fractions: the table lacks {', '.join(missing)}"]
    votes: dict[str, npt.NDArray[np.float64]] = {}
    notes = []
    for label, expression in rules.votes.fractions.items():
        for name in expression.columns:
            cells = columns.numbers(name)
            invalid = (cells < -_ROUNDING) | (cells > 1 + _ROUNDING)
            columns.refuse(invalid, name, f"is not a vote fraction: {_FRACTION}")
        fraction = expression.evaluate(columns)
        above = int(np.count_nonzero(fraction > 1 + _ROUNDING))
        if above:
            notes.append(f"galaxies whose vote fractions of {label} sum to more than 1, set to 1: {above:,}")
        votes[f"{VOTE_PREFIX}{label}"] = np.clip(fraction, 0.0, 1.0)
    if rules.votes.count is None:
        votes[VOTE_COUNT] = np.full(columns.rows, np.nan)
    else:
        count = columns.numbers(rules.votes.count)
        columns.refuse(count < 0, rules.votes.count, f"is not a number of votes: {_COUNT}")
        votes[VOTE_COUNT] = count
    return pd.DataFrame(votes), notes
