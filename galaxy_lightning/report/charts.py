"""The figures of a report, as SVG for the page and as figures for the files beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from galaxy_lightning.audit.figures import (
    MAX_CLASSES,
    class_colours,
    plot_colour_response,
    plot_recall_curves,
)
from galaxy_lightning.evaluation.figures import plot_coverage_curve, plot_reliability_diagram
from galaxy_lightning.evaluation.learning_curves import plot_learning_curves
from galaxy_lightning.evaluation.measures import accuracy_at_coverage, calibration_error, reliability_bins
from galaxy_lightning.report.audits import ModelAudit
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.summary import Model
from galaxy_lightning.report.svg import DRAWING, figure_to_svg

_CURVES: Final = {
    "loss": "Loss by epoch, training dashed and validation solid. The loss includes regularisation terms, so "
    "only models with the same regularisation are comparable.",
    "accuracy": "Accuracy by epoch, training dashed and validation solid. The training accuracy is measured "
    "during training, with the model's dropout and augmentation.",
}


@dataclass(frozen=True)
class Chart:
    """A figure of a report.

    Attributes:
        name: The name of its file, without suffix.
        caption: What it shows.
        figure: The figure.
    """

    name: str
    caption: str
    figure: Figure

    def svg(self, variables: Mapping[str, str]) -> str:
        """Returns the figure as SVG, whose colours are those of the page.

        Args:
            variables: The page's variable for each colour of the figure.
        """
        return figure_to_svg(self.figure, self.name, self.caption, variables)


@dataclass(frozen=True)
class Charts:
    """The figures of a report, besides the confusion matrices.

    Attributes:
        confidence: Reliability and coverage.
        training: The learning curves; none if no model has a training history.
        audits: The figures of the audits, by the number of the model.
    """

    confidence: list[Chart]
    training: list[Chart]
    audits: dict[int, list[Chart]]


def draw_charts(report: Report) -> Charts:
    """Draws the figures of a report.

    Args:
        report: The content.
    """
    with mpl.rc_context(DRAWING):
        arguments = report.galaxies, report.models, report.colours
        audits = {each.number: list(_audit(each, report)) for each in report.audits}
        return Charts(list(_confidence(*arguments)), list(_curves(*arguments)), audits)


def class_variables(classes: Sequence[str]) -> dict[str, str]:
    """Returns the page's variable for each colour of a class."""
    colours = list(class_colours(classes).values())[:MAX_CLASSES]
    return {colour: f"var(--class-{number})" for number, colour in enumerate(colours)}


def _audit(audited: ModelAudit, report: Report) -> Iterator[Chart]:
    """Yields the figures of an audit."""
    audit, classes, name = audited.audit, report.galaxies.classes, report.models[audited.number].name
    if "changes" in audit.summary["colour"]:
        yield Chart(
            f"colour_{audited.number}",
            "Accuracy, and recall of each class, if only the colour of the images changes: bluer to the "
            "left, redder to the right, and grey.",
            plot_colour_response(audit.summary["colour"], classes, name),
        )
    if len(audit.recall):
        yield Chart(
            f"recall_{audited.number}",
            "Recall of each class, with 95% intervals, in bins of what the images show.",
            plot_recall_curves(audit.recall, classes, name),
        )


def _confidence(
    galaxies: ReportGalaxies, models: Sequence[Model], colours: Mapping[str, str]
) -> Iterator[Chart]:
    """Yields the reliability diagram and the coverage curves of the first run of each model."""
    labels, first = galaxies.labels, {model.name: model.runs[0] for model in models}
    values = {name: (labels, run.predicted, run.probabilities) for name, run in first.items()}
    which = " (first run of each model)" if any(len(model.runs) > 1 for model in models) else ""
    yield Chart(
        "reliability",
        f"Reliability{which}: accuracy of the {galaxies.kind} galaxies by the model's confidence. A model is "
        "overconfident below the diagonal.",
        plot_reliability_diagram(
            {name: reliability_bins(*each) for name, each in values.items()},
            {name: calibration_error(*each) for name, each in values.items()},
            colours=colours,
        ),
    )
    curves = {name: accuracy_at_coverage(*each)[:2] for name, each in values.items()}
    yield Chart(
        "coverage",
        f"Coverage{which}: accuracy of the most confident {galaxies.kind} galaxies, against their fraction.",
        plot_coverage_curve(curves, len(labels), colours=colours),
    )


def _curves(galaxies: ReportGalaxies, models: Sequence[Model], colours: Mapping[str, str]) -> Iterator[Chart]:
    """Yields the learning curves of all fits."""
    trained = [model for model in models if model.fits]
    if not trained:
        return
    histories = {model.name: [fit.history for fit in model.fits] for model in trained}
    best = {model.name: [fit.best_epoch for fit in model.fits] for model in trained}
    floor = _most_common(galaxies)
    for metric, caption in _CURVES.items():
        baselines = floor if metric == "accuracy" else None
        yield Chart(metric, caption, plot_learning_curves(histories, metric, best, baselines, colours))


def _most_common(galaxies: ReportGalaxies) -> dict[str, float] | None:
    """Returns the share of the most common training class among the validation galaxies, with its label."""
    if galaxies.arrays is None:
        return None
    labels = galaxies.arrays.labels
    train, validation = (labels[galaxies.arrays.rows(split)] for split in ("train", "val"))
    common = np.bincount(train).argmax()
    return {"most common class": float((validation == common).mean())} if len(validation) else None
