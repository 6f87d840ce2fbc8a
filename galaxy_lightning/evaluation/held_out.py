"""What a model's answers for galaxies that it has not seen say of it, and the pictures of that."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.files import new_file
from galaxy_lightning.evaluation.figures import confusion_matrix, coverage_curve, reliability_diagram
from galaxy_lightning.evaluation.measures import (
    accuracy_at_coverage,
    calibration_error,
    confusion_counts,
    f1_scores,
    figures,
    precisions,
    recalls,
    reliability,
)

CONFUSION_CSV: Final = "confusion_matrix.csv"
CONFUSION_PNG: Final = "confusion_matrix.png"
RELIABILITY_PNG: Final = "reliability.png"
COVERAGE_PNG: Final = "coverage.png"
PICTURES: Final = (CONFUSION_CSV, CONFUSION_PNG, RELIABILITY_PNG, COVERAGE_PNG)


@dataclass(frozen=True)
class HeldOut:
    """A model's answers for held-out galaxies.

    Attributes:
        classes: The class names, in order.
        labels: ``[N]`` true class numbers.
        probabilities: ``[N, classes]``, calibrated.
        uncertain: ``[N]`` which answers the model itself calls uncertain; None where it is not calibrated.
        target_accuracy: The share of right answers that was asked of the others.
    """

    classes: list[str]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    uncertain: npt.NDArray[np.bool_] | None
    target_accuracy: float

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """``[N]`` numbers of the likeliest classes."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """``[N]`` which answers are right."""
        return np.asarray(self.predicted == self.labels)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """The confusion matrix, ``[true class, predicted class]``."""
        return confusion_counts(self.labels, self.predicted, len(self.classes))

    @property
    def metrics(self) -> dict[str, float]:
        """All figures, by name; what is not defined is left out."""
        return _rounded(figures(self.counts, self.classes) | self.trust)

    @property
    def trust(self) -> dict[str, float]:
        """The expected calibration error; coverage and accuracy of what is not called uncertain."""
        error = calibration_error(self.labels, self.predicted, self.probabilities)
        found = {"calibration_error": error}
        if self.uncertain is not None:
            found["coverage"] = float((~self.uncertain).mean())
            if not self.uncertain.all():
                found["accuracy_covered"] = float(self.right[~self.uncertain].mean())
        return _rounded(found)

    def report(self) -> Iterator[str]:
        """Yields each class's figures and the confusion matrix as a table, and how far to trust it."""
        longest = max(len(name) for name in self.classes)
        first, width = max(12, longest), max(11, longest + 2)
        heads = _cells(["recall", "precision", "F1"])
        yield f"{'true class':>{first}}{heads}   predicted:{_cells(self.classes, width)}"
        counts = self.counts
        for name, *values, row in zip(
            self.classes, recalls(counts), precisions(counts), f1_scores(counts), counts, strict=True
        ):
            shown = ["-" if np.isnan(figure) else f"{figure:.3f}" for figure in values]
            yield f"{name:>{first}}{_cells(shown)}{'':13}{_cells([f'{count:,}' for count in row], width)}"
        yield ""
        yield self.trust_summary

    @property
    def trust_summary(self) -> str:
        """How far the probabilities are to be trusted, in words."""
        found = self.trust
        if "accuracy_covered" in found:
            sure = (
                f"{found['coverage']:.0%} classified confidently; accuracy on these: "
                f"{found['accuracy_covered']:.1%} (target: {self.target_accuracy:.3g})"
            )
        elif "coverage" in found:
            sure = f"all flagged as uncertain (target accuracy on the others: {self.target_accuracy:.3g})"
        else:
            sure = "not calibrated, so none is flagged as uncertain"
        return f"calibration error {found['calibration_error']:.3f}; {sure}"

    def write(self, folder: Path, title: str) -> None:
        """Writes ``PICTURES``: the confusion matrix, the reliability diagram, accuracy against coverage.

        Args:
            folder: Where they go; older ones are replaced.
            title: What the galaxies are.
        """
        with new_file(folder / CONFUSION_CSV) as partial:
            index = pd.Index(self.classes, name="true \\ predicted")
            pd.DataFrame(self.counts, index=index, columns=self.classes).to_csv(partial)
        coverages, accuracies, _ = accuracy_at_coverage(self.labels, self.predicted, self.probabilities)
        found = self.trust
        chosen = (found["coverage"], found["accuracy_covered"]) if "accuracy_covered" in found else None
        pictures = {
            CONFUSION_PNG: confusion_matrix(self.counts, self.classes, title),
            RELIABILITY_PNG: reliability_diagram(
                *reliability(self.labels, self.predicted, self.probabilities)
            ),
            COVERAGE_PNG: coverage_curve(coverages, accuracies, chosen, self.target_accuracy),
        }
        for name, figure in pictures.items():
            with new_file(folder / name) as partial:
                figure.savefig(partial, dpi=150)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items() if not np.isnan(value)}


def _cells(texts: list[str], width: int = 11) -> str:
    return "".join(f"{text:>{width}}" for text in texts)
