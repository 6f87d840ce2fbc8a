"""What a report says, whatever its form: the galaxies, the models and their results."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from galaxy_lightning.evaluation.colours import model_colours
from galaxy_lightning.report import tables
from galaxy_lightning.report.audits import NOTE, ModelAudit, audit_notes, audit_rows
from galaxy_lightning.report.findings import main_findings
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.summary import Model, summarise


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        galaxies: The galaxies.
        models: The models, in decreasing order of accuracy.
        failures: Why models are missing.
        audits: The audits of the models, if there are any.
        audit_problems: Why audits are left out.
    """

    galaxies: ReportGalaxies
    models: Sequence[Model]
    failures: Sequence[str] = field(default=())
    audits: Sequence[ModelAudit] = field(default=())
    audit_problems: Sequence[str] = field(default=())

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The results, which ``metrics.json`` holds."""
        return summarise(self.galaxies, self.models) | {"failures": list(self.failures)}

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of each model."""
        return model_colours([model.name for model in self.models])

    @property
    def title(self) -> str:
        """The title."""
        if len(self.models) > 1:
            return "Comparison of galaxy classifiers"
        (model,) = self.models
        return f"{'Cross-validation' if model.number_of_folds else 'Report'} of {model.name}"

    @cached_property
    def findings(self) -> list[str]:
        """The two main findings."""
        return main_findings(self.summary, self.galaxies)

    @property
    def about(self) -> str:
        """What the galaxies are, in a few sentences."""
        galaxies, number = self.galaxies, len(self.galaxies.labels)
        if folds := self.models[0].number_of_folds:
            text = (
                f"Cross-validation with {folds} folds: each of the {number:,} galaxies is classified by a "
                "model that was not trained on it."
            )
        else:
            same = ", the same for all models and" if len(self.models) > 1 else ","
            text = f"{galaxies.describe_number()}{same} held out from training."
        if galaxies.arrays is not None:
            side = galaxies.arrays.image_size
            text += f" Images of {side} x {side} pixels from {galaxies.arrays.folder}."
        if galaxies.are_simulated:
            text += " The galaxies and their votes are simulated."
        return f"{text} Labels: {galaxies.label_source}." if galaxies.label_source else text

    @property
    def texts(self) -> dict[str, Any]:
        """The texts and tables, which all forms of a report share."""
        is_large = len(self.galaxies.classes) > tables.MAX_IN_ONE_TABLE
        differing, shared = tables.settings_tables(self.summary)
        return {
            "title": self.title,
            "findings": self.findings,
            "about": self.about,
            "note": " ".join(filter(None, [self.galaxies.note, *self.audit_problems])),
            "kind": self.galaxies.kind,
            "max_in_one_table": tables.MAX_IN_ONE_TABLE,
            "summary": self.summary,
            "rows": tables.results_table(self.summary),
            "class_rows": tables.class_rows(self.summary) if is_large else [],
            "classes": tables.classes_table(self.summary),
            "results_note": self._results_note,
            "tests": tables.tests_table(self.summary),
            "tests_note": self._tests_note,
            "several": self._has_several_runs,
            "audit_rows": audit_rows(self.audits, len(self.models)),
            "audit_note": " ".join([NOTE, *audit_notes(self.audits)]),
            "differing": differing,
            "shared": shared,
        }

    @property
    def _has_several_runs(self) -> bool:
        return any(len(model.runs) > 1 for model in self.models)

    @property
    def _results_note(self) -> str:
        """How to read the table of the results."""
        sentences = ["The best value of each row is bold."] if len(self.models) > 1 else []
        if self._has_several_runs:
            sentences.append("Mean ± standard deviation over runs with different seeds.")
        sentences.append(
            "The 95% confidence interval (bootstrap over galaxies) estimates how the mean accuracy would "
            "vary with other galaxies. Recall is also called completeness, precision purity. The expected "
            "calibration error uses 15 bins."
        )
        if not tables.same_devices(self.summary):
            sentences.append(
                "The training times are not comparable, since the models were trained on different devices "
                "or numbers of threads, or with different numbers of fits at once."
            )
        if tables.were_at_once(self.summary):
            sentences.append(
                "Models were trained while others ran on the same machine (fits at once): their training "
                "times are not those of a fit that runs alone."
            )
        sentences.append(
            "The training time includes validation; the training speed does not. The peak memory includes "
            "that of libraries."
        )
        return " ".join(sentences)

    @property
    def _tests_note(self) -> str:
        """How to read the table of the tests."""
        several = (
            "Every run of one model is tested against every run of the other; p is twice the median p-value, "
            "which is valid for any dependence between the runs. "
        )
        return (
            f"McNemar's exact test on the same galaxies. {several if self._has_several_runs else ''}A "
            "difference is significant if p < 0.05 after Holm's correction for the number of pairs. The "
            "test compares these trained networks on these galaxies; it does not predict the results of "
            "other seeds."
        )
