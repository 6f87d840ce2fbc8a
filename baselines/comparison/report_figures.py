"""Draws the figures of a comparison's report: confusion matrices, learning curves, misclassified galaxies."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from baselines.comparison.summary import Model
from data_prep.arrays.format import GalaxyArrays, id_column
from galaxy_lightning.evaluation.confusion_figures import (
    MAX_SIDE_BY_SIDE,
    plot_confusion_matrices,
    plot_confusion_matrix,
)
from galaxy_lightning.evaluation.figure_text import class_names
from galaxy_lightning.evaluation.figures import plot_gallery
from galaxy_lightning.evaluation.learning_curves import plot_learning_curves

MAX_MISCLASSIFIED: Final = 9
"""Maximum number of misclassified galaxies to show per model."""


def draw_figures(
    arrays: GalaxyArrays, models: Sequence[Model], summary: dict[str, Any]
) -> list[tuple[str, str, Figure]]:
    """Draws the figures of a report.

    Args:
        arrays: The galaxy arrays.
        models: The models.
        summary: The results; see :func:`~baselines.comparison.summary.summarise`.

    Returns:
        The file name (without suffix), caption and figure of each.
    """
    histories = {
        model.name: [run.history for run in model.runs]
        for model in models
        if any(len(run.history) for run in model.runs)
    }
    common = np.bincount(arrays.labels[arrays.rows("train")]).argmax()
    floor = float((arrays.labels[arrays.rows("val")] == common).mean())
    best_epochs = {
        model.name: [run.about.get("best_epoch") for run in model.runs]
        for model in models
        if model.name in histories
    }
    confusions = {
        model["name"]: np.sum([run["confusion"] for run in model["runs"]], axis=0)
        for model in summary["models"]
    }
    figures = _confusion_figures(confusions, summary)
    if histories:
        figures += [
            (
                "loss",
                "Loss by epoch; thin lines show runs, thick lines their mean. The loss includes "
                "regularisation terms, so only models with the same regularisation are comparable.",
                plot_learning_curves(histories, "loss", best_epochs),
            ),
            (
                "accuracy",
                "Accuracy by epoch; thin lines show runs, thick lines their mean. The training accuracy is "
                "measured during training, with the model's dropout and augmentation.",
                plot_learning_curves(histories, "accuracy", best_epochs, {"most common class": floor}),
            ),
        ]
    for number, model in enumerate(models):
        images, captions, count = _most_confident_errors(arrays, model)
        if count == 0 or not np.ptp(model.runs[0].probabilities, axis=0).any():
            continue  # All galaxies are classified correctly, or all have the same probabilities.
        shown = f"the {len(images)} most confident of {count}" if count > len(images) else f"all {count}"
        caption = f"Test galaxies misclassified by {model.name} (first run): {shown}."
        figures.append((f"misclassified_{number}", caption, plot_gallery(images, captions, model.name)))
    return figures


def _confusion_figures(
    confusions: dict[str, npt.NDArray[np.int64]], summary: dict[str, Any]
) -> list[tuple[str, str, Figure]]:
    """Draws the confusion matrices of all models, in one figure if they are small enough."""
    classes = summary["classes"]
    if len(classes) > MAX_SIDE_BY_SIDE:
        return [
            (
                f"confusion_{number}",
                f"Confusion matrix of {name} on the test galaxies: share of the true class, over all runs.",
                plot_confusion_matrix(counts, classes, name),
            )
            for number, (name, counts) in enumerate(confusions.items())
        ]
    caption = (
        "Confusion matrices of the test galaxies: share of the true class, and number of galaxies summed "
        "over runs."
    )
    meanings = [f"{name}: {description}" for name, description in summary["class_descriptions"].items()]
    if meanings:
        caption += f" Classes: {'; '.join(meanings)}."
    return [("confusion", caption, plot_confusion_matrices(confusions, classes))]


def _most_confident_errors(arrays: GalaxyArrays, model: Model) -> tuple[Any, list[str], int]:
    """Returns the most confident errors of a model's first run.

    Args:
        arrays: The galaxy arrays.
        model: The model.

    Returns:
        The images, their captions, and the number of all errors.
    """
    run, rows = model.runs[0], arrays.rows("test")
    labels, classes = arrays.labels[rows], class_names(arrays.classes, 44)
    ids = arrays.catalog[id_column(arrays.catalog)]
    wrong = np.flatnonzero(run.predicted != labels)
    confidences = run.probabilities[wrong, run.predicted[wrong]]
    chosen = wrong[np.argsort(-confidences, kind="stable")][:MAX_MISCLASSIFIED]
    captions = [
        f"{ids.iloc[rows[galaxy]]}\ntrue {classes[labels[galaxy]]}\n"
        f"predicted {classes[run.predicted[galaxy]]} ({run.probabilities[galaxy, run.predicted[galaxy]]:.2f})"
        for galaxy in chosen
    ]
    return arrays.images[rows[chosen]], captions, len(wrong)
