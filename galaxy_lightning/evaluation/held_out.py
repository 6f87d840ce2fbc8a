"""A model's predictions for held-out galaxies: metrics, report and figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from data_prep.common.files import new_file
from data_prep.samples.class_names import describe_classes
from galaxy_lightning.evaluation.class_table import class_table
from galaxy_lightning.evaluation.confusion_figures import plot_confusion_matrix
from galaxy_lightning.evaluation.figure_files import save_figure
from galaxy_lightning.evaluation.figures import plot_coverage_curve, plot_reliability_diagram
from galaxy_lightning.evaluation.measures import (
    accuracy_at_coverage,
    calibration_error,
    classification_metrics,
    confusion_matrix,
    reliability_bins,
)
from galaxy_lightning.evaluation.significance import bootstrap_interval
from galaxy_lightning.runs.names import CONFUSION, CONFUSION_CSV, COVERAGE, RELIABILITY


@dataclass(frozen=True)
class HeldOutPredictions:
    """A model's predictions for held-out galaxies.

    Attributes:
        classes: The class names, in order.
        labels: ``[N]`` true class numbers.
        probabilities: ``[N, classes]``, calibrated.
        uncertain: ``[N]`` whether a galaxy is flagged as uncertain; None if the model is not calibrated.
        target_accuracy: Target accuracy of the galaxies that are not flagged as uncertain.
        descriptions: Descriptions of the classes by name; any may be missing.
        galaxies: ``[N]`` object id of each image; None if every image counts as a galaxy of its own.
    """

    classes: list[str]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    uncertain: npt.NDArray[np.bool_] | None
    target_accuracy: float
    descriptions: Mapping[str, str] = field(default_factory=dict)
    galaxies: npt.NDArray[np.int64] | None = None

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """``[N]`` numbers of the most probable classes."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """``[N]`` whether the predicted class is the true class."""
        return np.asarray(self.predicted == self.labels)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """The confusion matrix, ``[true class, predicted class]``."""
        return confusion_matrix(self.labels, self.predicted, len(self.classes))

    @cached_property
    def accuracy_interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy for other galaxies; NaN if it is not defined."""
        galaxies = np.arange(len(self.labels)) if self.galaxies is None else self.galaxies
        return bootstrap_interval(self.correct.astype(np.float64), galaxies)

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics that are defined, by name."""
        return _rounded(classification_metrics(self.counts, self.classes) | self.calibration_metrics)

    @property
    def calibration_metrics(self) -> dict[str, float]:
        """Expected calibration error; coverage and accuracy of the galaxies that are not uncertain."""
        error = calibration_error(self.labels, self.predicted, self.probabilities)
        metrics = {"calibration_error": error}
        if self.uncertain is not None:
            metrics["coverage"] = float((~self.uncertain).mean())
            if not self.uncertain.all():
                metrics["accuracy_covered"] = float(self.correct[~self.uncertain].mean())
        return _rounded(metrics)

    def report(self) -> Iterator[str]:
        """Yields the lines of a report: the descriptions of the classes, and a table of their metrics."""
        if described := list(describe_classes(self.classes, self.descriptions)):
            yield from (*described, "")
        yield from class_table(self.counts, self.classes, CONFUSION_CSV)

    def write(self, folder: Path, title: str, name: str = "model") -> None:
        """Writes ``EVALUATION_FILES`` and ``EVALUATION_PDFS``: the confusion matrix and all figures.

        Args:
            folder: The folder; existing files are replaced.
            title: Title of the figures.
            name: Name of the model.
        """
        with new_file(folder / CONFUSION_CSV) as partial:
            index = pd.Index(self.classes, name="true \\ predicted")
            pd.DataFrame(self.counts, index=index, columns=self.classes).to_csv(partial)
        for stem, figure in self.figures(title, name):
            save_figure(figure, folder / stem)

    def figures(self, title: str, name: str) -> Iterator[tuple[str, Figure]]:
        """Yields the confusion matrix, the reliability diagram and the coverage curve, by file name.

        Args:
            title: Title of the figures.
            name: Name of the model.
        """
        titled = f"{name}: {title}"
        yield CONFUSION, plot_confusion_matrix(self.counts, self.classes, titled, self.descriptions)
        predictions = self.labels, self.predicted, self.probabilities
        metrics = self.calibration_metrics
        error = metrics["calibration_error"]
        yield (
            RELIABILITY,
            plot_reliability_diagram({name: reliability_bins(*predictions)}, {name: error}, title),
        )
        chosen = {}
        if "accuracy_covered" in metrics:
            chosen[name] = (metrics["coverage"], metrics["accuracy_covered"])
        coverages, accuracies, _ = accuracy_at_coverage(*predictions)
        yield (
            COVERAGE,
            plot_coverage_curve(
                {name: (coverages, accuracies)},
                len(self.labels),
                chosen,
                None if self.uncertain is None else self.target_accuracy,
                title,
            ),
        )


def split_title(split: str, galaxies: int) -> str:
    """Returns the title of figures of a split, such as ``validation, 150 galaxies``.

    Args:
        split: ``"val"`` or ``"test"``.
        galaxies: Number of its galaxies.
    """
    name = "validation" if split == "val" else split
    return f"{name}, {galaxies:,} {'galaxy' if galaxies == 1 else 'galaxies'}"


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items() if not np.isnan(value)}
