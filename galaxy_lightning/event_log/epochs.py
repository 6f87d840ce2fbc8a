"""Logs the epochs of a fit for TensorBoard; all models use it, so that they share all tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays, id_column
from data_prep.samples.class_names import class_list
from galaxy_lightning.evaluation.measures import confusion_matrix
from galaxy_lightning.event_log.drawing import drawable_names
from galaxy_lightning.event_log.pictures import MAX_MISTAKES, Mistake, draw_confusion_matrix, draw_gallery
from galaxy_lightning.event_log.scalars import layout_summary, validation_scalars
from galaxy_lightning.event_log.writer import EventSink, image_summary, scalar_summary, text_summary

CONFUSION: Final = "validation/confusion_matrix"
GALLERY: Final = "validation/surest_mistakes"
CLASSES: Final = "classes"
CONFIG: Final = "config"


@dataclass(frozen=True)
class ValidationPredictions:
    """A model's predictions for the validation galaxies.

    Attributes:
        arrays: The galaxy arrays.
        rows: ``[N]`` rows of the galaxies in the arrays.
        probabilities: ``[N, classes]``.
    """

    arrays: GalaxyArrays
    rows: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """``[N]`` true class numbers."""
        return self.arrays.labels[self.rows]

    @cached_property
    def predicted(self) -> npt.NDArray[np.int64]:
        """``[N]`` numbers of the most probable classes."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def are_finite(self) -> bool:
        """Whether all probabilities are numbers; those of a fit that diverges are not."""
        return bool(np.isfinite(self.probabilities).all())

    @property
    def scalars(self) -> dict[str, float]:
        """The metrics, by tag."""
        return validation_scalars(self.labels, self.probabilities, self.arrays.classes)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """The confusion matrix, ``[true class, predicted class]``."""
        return confusion_matrix(self.labels, self.predicted, len(self.arrays.classes))

    def surest_mistakes(self) -> list[Mistake]:
        """Returns the misclassified galaxies with the highest probability of the predicted class."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        confidences = self.probabilities[wrong, self.predicted[wrong]]
        surest = wrong[np.argsort(-confidences, kind="stable")[:MAX_MISTAKES]]
        names = drawable_names(self.arrays.classes, 30)
        ids = self.arrays.catalog[id_column(self.arrays.catalog)]
        return [
            Mistake(
                image=self.arrays.images[self.rows[index]],
                name=str(ids.iloc[self.rows[index]]),
                true=names[self.labels[index]],
                predicted=names[self.predicted[index]],
                probability=float(self.probabilities[index, self.predicted[index]]),
            )
            for index in surest
        ]


def log_start(log: EventSink, arrays: GalaxyArrays) -> None:
    """Logs what does not change during a fit: the classes, and the layout of the charts.

    Args:
        log: The log of the run.
        arrays: The galaxy arrays.
    """
    log.add_summary(layout_summary(), 0)
    log.add_summary(text_summary(CLASSES, class_list(arrays.classes, arrays.class_descriptions)), 0)


def log_epoch(
    log: EventSink,
    epoch: int,
    scalars: Mapping[str, float | None],
    validation: ValidationPredictions | None,
) -> None:
    """Logs an epoch.

    Args:
        log: The log of the run.
        epoch: The epoch, counted from 1, as everywhere the user sees it.
        scalars: Values by tag, besides the metrics of the validation galaxies; None if unknown.
        validation: The predictions for the validation galaxies; None if the epoch was not validated.
    """
    values = {tag: value for tag, value in scalars.items() if value is not None}
    if validation is None or not validation.are_finite:
        log.add_summary(scalar_summary(values), epoch)
        return
    log.add_summary(scalar_summary(values | validation.scalars), epoch)
    classes, number = validation.arrays.classes, len(validation.rows)
    title = f"Epoch {epoch}, {number:,} validation galaxies:\nfraction of the true class"
    matrix = draw_confusion_matrix(validation.counts, classes, title)
    log.add_summary(image_summary(CONFUSION, matrix), epoch)
    wrong = int((validation.predicted != validation.labels).sum())
    title = f"Epoch {epoch}, surest mistakes: {wrong:,} of\n{number:,} validation galaxies are misclassified"
    gallery = draw_gallery(validation.surest_mistakes(), title)
    log.add_summary(image_summary(GALLERY, gallery, jpeg=True), epoch)
