"""The curves of a TensorBoard log, by tag, and the charts that show several of them together."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from galaxy_lightning.evaluation.measures import (
    accuracy,
    calibration_error,
    confusion_matrix,
    macro_average,
    precisions,
    recalls,
)
from galaxy_lightning.runtime.noise import without_tensorflow

with without_tensorflow():
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata
    from tensorboard.util.tensor_util import make_tensor_proto

TRAIN_LOSS: Final = "loss/train"
VAL_LOSS: Final = "loss/val"
TRAIN_ACCURACY: Final = "accuracy/train"
VAL_ACCURACY: Final = "accuracy/val"
AUXILIARY_LOSS: Final = "loss/auxiliary"
MACRO_RECALL: Final = "recall/macro"
CALIBRATION_ERROR: Final = "calibration/error"
LEARNING_RATE: Final = "learning_rate"
SPEED: Final = "speed/images_per_second"
MEMORY: Final = "memory/process_mb"
GPU_MEMORY: Final = "memory/gpu_peak_mb"

MAX_WITH_PRECISION: Final = 12
"""Maximum number of classes with a curve of each class's precision, and with recalls beside the macro recall.

TensorBoard shows 12 charts of a group at a time.
"""
_MACRO: Final = "macro"


def validation_scalars(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], classes: Sequence[str]
) -> dict[str, float]:
    """Computes the metrics of the validation galaxies.

    Args:
        labels: ``[N]`` true class numbers.
        probabilities: ``[N, classes]``.
        classes: The class names, in order.

    Returns:
        The metrics that are defined, by tag. With many classes, there is no precision, and the recalls of the
        classes are a group of their own.
    """
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    counts = confusion_matrix(labels, predicted, len(classes))
    by_class = recalls(counts)
    values = {
        VAL_ACCURACY: accuracy(counts),
        MACRO_RECALL: macro_average(by_class),
        CALIBRATION_ERROR: calibration_error(labels, predicted, probabilities),
        **dict(zip(recall_tags(classes), by_class.tolist(), strict=True)),
    }
    if len(classes) <= MAX_WITH_PRECISION:
        tags = (f"precision/{name}" for name in classes)
        values |= dict(zip(tags, precisions(counts).tolist(), strict=True))
    return {tag: value for tag, value in values.items() if not np.isnan(value)}


def recall_tags(classes: Sequence[str]) -> list[str]:
    """Returns the tag of each class's recall.

    TensorBoard groups tags by what precedes the first slash, so that class names may contain slashes.

    Args:
        classes: The class names, in order.
    """
    if len(classes) > MAX_WITH_PRECISION:
        return [f"recall_by_class/{name}" for name in classes]
    # A class may have the name of the mean.
    return [f"recall/{name}" if name != _MACRO else f"recall/class {name}" for name in classes]


def layout_summary() -> Summary:
    """Returns the charts of TensorBoard's page CUSTOM SCALARS, which show several curves together."""
    charts = [
        layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=[pattern]))
        for title, pattern in _charts()
    ]
    layout = layout_pb2.Layout(category=[layout_pb2.Category(title="Training and validation", chart=charts)])
    value = Summary.Value(
        tag=metadata.CONFIG_SUMMARY_TAG,
        metadata=metadata.create_summary_metadata(),
        tensor=make_tensor_proto(layout.SerializeToString(), dtype=np.object_),
    )
    return Summary(value=[value])


def _charts() -> Iterator[tuple[str, str]]:
    """Yields titles and regular expressions of tags, which TensorBoard matches from the start of a tag."""
    yield "loss", r"loss/(train|val)$"
    yield "accuracy", r"accuracy/(train|val)$"
    yield "recall of each class", r"recall(_by_class)?/"
