"""The audits of a report's models: what a report says about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from galaxy_lightning.audit.results import AUDIT, Audit, read_audit
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.summary import Model
from galaxy_lightning.report.tables import MISSING, Row
from galaxy_lightning.runs.names import IMAGE_KEYS, PREDICTIONS

NOTE: Final = (
    "Colour reliance is the probability that moves between classes if the same galaxy has a typical red "
    "colour instead of a typical blue one (the 90% and 10% quantiles of these galaxies), with its shape "
    "unchanged: 0 if the model ignores the colour, 1 if all of it moves. Only models audited on the same "
    "galaxies can be compared. Likely wrong labels contradict the predictions (confident learning)."
)
_SHOWN_CHANGES: Final = {
    "unchanged": "accuracy",
    "grey": "accuracy, grey images",
    "-0.4 mag": "accuracy, 0.4 mag bluer",
    "+0.4 mag": "accuracy, 0.4 mag redder",
}
"""The changes of the colour in the table, and their titles."""


@dataclass(frozen=True)
class ModelAudit:
    """The audit of a model of a report.

    Attributes:
        number: The number of the model.
        audit: The results.
        galaxies: ``[M]`` numbers of the audited galaxies in the report.
    """

    number: int
    audit: Audit
    galaxies: npt.NDArray[np.int64]


def read_audits(galaxies: ReportGalaxies, models: Sequence[Model]) -> tuple[list[ModelAudit], list[str]]:
    """Reads the audits of the first run of each model.

    Args:
        galaxies: The galaxies.
        models: The models.

    Returns:
        The audits, and why others are left out.
    """
    keys = pd.MultiIndex.from_frame(galaxies.identities[IMAGE_KEYS])
    found, problems = [], []
    for number, model in enumerate(models):
        try:
            if (audit := read_audit(model.runs[0].folder, galaxies.identities)) is None:
                continue
            rows = keys.get_indexer(pd.MultiIndex.from_frame(audit.galaxies[IMAGE_KEYS]))
            if audit.summary.get("predictions") != sha256(model.runs[0].folder / PREDICTIONS):
                raise GalaxyError(f"the audit in {model.runs[0].folder} is of another model: run audit again")
        except GalaxyError as error:
            problems.append(f"The page leaves out an audit: {error}.")
            continue
        if any((run.folder / AUDIT).exists() for run in model.runs[1:]):
            problems.append(f"Of {model.name}, the page shows the audit of the first run.")
        found.append(ModelAudit(number, audit, rows.astype(np.int64)))
    return found, problems


def audit_rows(audits: Sequence[ModelAudit], models: int) -> list[Row]:
    """Returns the rows of the table of the audits.

    Args:
        audits: The audits.
        models: Number of models.
    """
    summaries = {each.number: each.audit.summary for each in audits}

    def row(title: str, values: Mapping[int, float | None], form: str = ".3f") -> Row:
        found = [values.get(number) for number in range(models)]
        return Row(title, [MISSING if value is None else format(value, form) for value in found])

    colours = {number: each["colour"] for number, each in summaries.items()}
    reliance = {number: each.get("colour_reliance") for number, each in colours.items()}
    rows = [
        row("audited galaxies", {number: each["galaxies"] for number, each in summaries.items()}, ","),
        row("colour reliance", reliance),
        _interval_row(colours, models),
    ]
    for name, title in _SHOWN_CHANGES.items():
        changes = {number: each.get("changes", {}).get(name, {}) for number, each in colours.items()}
        rows.append(row(title, {number: each.get("accuracy") for number, each in changes.items()}))
    flagged = {number: each["wrong_labels"].get("flagged") for number, each in summaries.items()}
    limits = {number: each["label_limit"].get("accuracy_limit") for number, each in summaries.items()}
    explained = {each.number: len(each.audit.maps) for each in audits}
    rows += [
        row("likely wrong labels", flagged, ","),
        row("estimated limit of the accuracy, from the votes", limits),
        row("galaxies with an attribution map, the most confident errors first", explained, ","),
    ]
    return [each for each in rows if set(each.cells) != {MISSING}]


def audit_notes(audits: Sequence[ModelAudit]) -> list[str]:
    """Returns why parts of audits are missing.

    Args:
        audits: The audits.
    """
    notes = []
    for each in audits:
        summary = each.audit.summary
        of = f" of {summary['model']}" if len(audits) > 1 else ""
        for part, title in (
            ("colour", "Colour"),
            ("label_limit", "Limit of the labels"),
            ("wrong_labels", "Labels"),
        ):
            if reason := summary[part].get("reason"):
                notes.append(f"{title}{of}: {reason}.")
    return list(dict.fromkeys(notes))


def _interval_row(colours: Mapping[int, Mapping[str, Any]], models: int) -> Row:
    """Returns the row of the 95% intervals of the colour reliance."""
    intervals = [colours.get(number, {}).get("interval") or [None, None] for number in range(models)]
    cells = [MISSING if low is None else f"{low:.3f} to {high:.3f}" for low, high in intervals]
    return Row("colour reliance, 95% confidence interval", cells)
