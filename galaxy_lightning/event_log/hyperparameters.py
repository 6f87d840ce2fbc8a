"""The hyperparameters and final metrics of a run, for TensorBoard's page HPARAMS."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from galaxy_lightning.event_log.epochs import ValidationPredictions
from galaxy_lightning.event_log.scalars import CALIBRATION_ERROR, MACRO_RECALL, VAL_ACCURACY, VAL_LOSS
from galaxy_lightning.event_log.writer import EventSink, scalar_summary
from galaxy_lightning.runtime.noise import without_tensorflow

with without_tensorflow():
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

FINAL_METRICS: Final = {
    "final/accuracy": VAL_ACCURACY,
    "final/macro_recall": MACRO_RECALL,
    "final/loss": VAL_LOSS,
    "final/calibration_error": CALIBRATION_ERROR,
}
"""The tags of the final metrics, and of the curves whose last values they are."""

_MAIN: Final = {
    "model": api_pb2.DATA_TYPE_STRING,
    "learning_rate": api_pb2.DATA_TYPE_FLOAT64,
    "batch_size": api_pb2.DATA_TYPE_FLOAT64,
    "epochs": api_pb2.DATA_TYPE_FLOAT64,
    "seed": api_pb2.DATA_TYPE_FLOAT64,
}
"""The hyperparameters that the table shows first."""
_OTHERS: Final = {
    **dict.fromkeys(
        ("backbone", "weights", "optimizer", "schedule", "augment", "targets", "auxiliary", "engine"),
        api_pb2.DATA_TYPE_STRING,
    ),
    **dict.fromkeys(
        (
            "unfrozen",
            "layer_decay",
            "adam_epsilon",
            "weight_decay",
            "mixup",
            "label_smoothing",
            "colour_jitter",
            "target_accuracy",
            "zooms",
            "image_size",
            "bands",
            "momentum",
        ),
        api_pb2.DATA_TYPE_FLOAT64,
    ),
    **dict.fromkeys(("grey", "eight_views"), api_pb2.DATA_TYPE_BOOL),
}
HYPERPARAMETERS: Final = _MAIN | _OTHERS
"""All hyperparameters of the models of this project, and their types.

Each run lists them all, because TensorBoard takes the columns of its table from any one run.
"""


def log_hyperparameters(log: EventSink, hyperparameters: Mapping[str, Any]) -> None:
    """Logs the hyperparameters of a run, at its end.

    Args:
        log: The log of the run.
        hyperparameters: Values by name; those that are unknown, None or not scalar are left out.
    """
    known = {name: _scalar(hyperparameters.get(name)) for name in HYPERPARAMETERS}
    values = {name: value for name, value in known.items() if value is not None}
    log.add_summary(_columns(), 0)
    # Without a trial id, runs are named by their folders, and none is merged with another one.
    log.add_summary(hparams_pb(values, trial_id=""), 0)


def log_result(
    log: EventSink,
    hyperparameters: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    best_epoch: int | None,
    validation: ValidationPredictions | None,
) -> None:
    """Logs the hyperparameters of a finished fit, and the metrics of its best weights.

    Args:
        log: The log of the run.
        hyperparameters: Values by name.
        history: The epochs, as in ``history.csv``.
        best_epoch: The epoch of the best weights, counted from 0 as in ``history.csv``; None if unknown.
        validation: Their predictions for the validation galaxies; None if there are none.
    """
    log_hyperparameters(log, hyperparameters)
    if validation is not None and best_epoch is not None:
        losses = {int(row["epoch"]): row["val_loss"] for row in history}
        loss = losses.get(best_epoch, math.nan)
        log_final_metrics(log, best_epoch + 1, validation.scalars | {VAL_LOSS: loss})


def log_final_metrics(log: EventSink, epoch: int, curves: Mapping[str, float]) -> None:
    """Logs the metrics of the best weights on the validation galaxies.

    Args:
        log: The log of the run.
        epoch: The epoch of the best weights, counted from 1.
        curves: The metrics by the tag of their curve; NaN if unknown.
    """
    values = {tag: curves.get(curve, math.nan) for tag, curve in FINAL_METRICS.items()}
    log.add_summary(
        scalar_summary({tag: value for tag, value in values.items() if not math.isnan(value)}), epoch
    )


def _columns() -> Summary:
    """Returns the columns of the table."""
    # TensorBoard lists the hyperparameters that differ first, and the others in alphabetical order.
    hyperparameters = [
        api_pb2.HParamInfo(name=name, type=kind, differs=name in _MAIN)
        for name, kind in HYPERPARAMETERS.items()
    ]
    metrics = [
        api_pb2.MetricInfo(
            name=api_pb2.MetricName(tag=tag), display_name=tag.removeprefix("final/").replace("_", " ")
        )
        for tag in FINAL_METRICS
    ]
    experiment = api_pb2.Experiment(hparam_infos=hyperparameters, metric_infos=metrics)
    content = plugin_data_pb2.HParamsPluginData(experiment=experiment)
    value = Summary.Value(
        tag=metadata.EXPERIMENT_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return Summary(value=[value])


def _scalar(value: Any) -> str | float | bool | None:
    """Returns a value as the table can show it: a list of names as text; None if it cannot."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or None
    return value if isinstance(value, str | float | int | bool) else None
