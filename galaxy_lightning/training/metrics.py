"""Metrics of a classifier on each split, over all processes.

torchmetrics computes the confusion matrix; :mod:`galaxy_lightning.evaluation.measures` derives the metrics.
``validate_args=False`` skips torchmetrics' checks of labels and logits in every step.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torchmetrics import CatMetric, MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from galaxy_lightning.evaluation import measures


class ConfusionMatrixMetric(MulticlassConfusionMatrix):
    """A metric that is a function of the confusion matrix.

    Args:
        classes: Number of classes.
        measure: Computes the metric, a number or one per class.
    """

    def __init__(self, classes: int, measure: Callable[[measures.Counts], Any]) -> None:
        super().__init__(classes, validate_args=False)
        self.measure = measure

    def compute(self) -> Tensor:
        """Returns the metric, a scalar or ``[classes]``."""
        counts = super().compute()
        return torch.as_tensor(self.measure(counts.cpu().numpy()), dtype=torch.float32, device=counts.device)


class SplitMetrics(nn.Module):
    """The metrics of one split.

    Args:
        split: Name of the split.
        classes: The class names, in order.

    Attributes:
        overall: ``<split>_accuracy``, and macro averages ``<split>_recall``, ``_precision`` and ``_f1``.
        confusion: Confusion matrix ``[true class, predicted class]``.
        loss: ``<split>_loss``, the mean over the galaxies.
        logits: All logits of the validation or test galaxies, for calibration and accuracy at a coverage.
        labels: Their labels.
        rows: Their rows in the galaxy arrays, as float32, which is exact up to 16 million.
        single_zoom_logits: Their logits with one zoom, if ``logits`` are those of several zooms.
    """

    def __init__(self, split: str, classes: Sequence[str]) -> None:
        super().__init__()
        number = len(classes)
        self.split, self.classes = split, list(classes)
        self.overall = MetricCollection(
            {
                self._name(name): ConfusionMatrixMetric(number, metric)
                for name, metric in measures.OVERALL_METRICS.items()
            }
        )
        self.confusion = MulticlassConfusionMatrix(number, validate_args=False)
        self.loss = MeanMetric(nan_strategy="disable")
        self.logits, self.labels, self.rows, self.single_zoom_logits = (
            CatMetric(nan_strategy="disable") for _ in range(4)
        )
        self.stores_logits = split != "train"

    @property
    def names(self) -> list[str]:
        """Names of the logged metrics of the split, which callbacks can monitor."""
        return [f"{self.split}_loss", *map(self._name, measures.metric_names(self.classes))]

    def update(self, logits: Tensor, labels: Tensor, loss: Tensor, rows: Tensor) -> None:
        """Adds a batch.

        Args:
            logits: ``[B, classes]``.
            labels: ``[B]``.
            loss: Mean loss of the batch, a scalar.
            rows: ``[B]`` rows of the galaxies in the galaxy arrays.
        """
        self.loss.update(loss.expand(len(labels)))  # Weights each galaxy equally.
        for metric in (self.overall, self.confusion):
            metric.update(logits, labels)
        if self.stores_logits:
            self.logits.update(logits)
            self.labels.update(labels)
            self.rows.update(rows)

    def compute_by_class(self) -> dict[str, float]:
        """Returns ``<split>_recall_<class>`` and so on, if defined. Must be called on every rank."""
        counts = self.confusion.compute().cpu().numpy()
        values = measures.classification_metrics(counts, self.classes)
        return {
            self._name(name): value
            for name, value in values.items()
            if name not in measures.OVERALL_METRICS and not np.isnan(value)
        }

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Returns the sums over all ranks so far, by metric. Must be called on every rank."""
        states = {}
        for name, metric in (("confusion", self.confusion), ("loss", self.loss)):
            with metric.sync_context():
                states[name] = {
                    key: value.cpu()
                    for key, value in metric.metric_state.items()
                    if isinstance(value, Tensor)
                }
        return states

    def load_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restores the output of :meth:`state`, the sums over all ranks. Must be called on one rank only."""
        self.loss.load_state_dict({key: value.to(self.loss.device) for key, value in state["loss"].items()})
        counts = {key: value.to(self.confusion.device) for key, value in state["confusion"].items()}
        for metric in (self.confusion, *self.overall.values(copy_state=False)):
            metric.load_state_dict({key: value.clone() for key, value in counts.items()})

    def gather_logits(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Returns ``[N, classes]`` logits and ``[N]`` labels of all ranks. Must be called on every rank."""
        logits, labels = (metric.compute().cpu().numpy() for metric in (self.logits, self.labels))
        # torchmetrics returns the label of a single galaxy as a scalar.
        return logits.astype(np.float64), labels.reshape(-1).astype(np.int64)

    def gather_rows(self) -> npt.NDArray[np.int64]:
        """Returns the ``[N]`` rows of the galaxies of :meth:`gather_logits`. Must be called on every rank."""
        return np.asarray(self.rows.compute().cpu().numpy().reshape(-1), dtype=np.int64)

    def gather_single_zoom_logits(self) -> npt.NDArray[np.float64]:
        """Returns ``[N, classes]`` logits with one zoom, of all ranks. Must be called on every rank."""
        return np.asarray(self.single_zoom_logits.compute().cpu().numpy(), dtype=np.float64)

    def reset(self) -> None:
        """Resets all metrics, including those restored from a checkpoint between two epochs."""
        stored = (self.logits, self.labels, self.rows, self.single_zoom_logits)
        for metric in (self.overall, self.confusion, self.loss, *stored):
            metric.reset()

    def _name(self, metric: str) -> str:
        """Returns the name under which a metric is logged; ``val_recall`` is the macro recall."""
        return f"{self.split}_{metric.removeprefix('macro_')}"
