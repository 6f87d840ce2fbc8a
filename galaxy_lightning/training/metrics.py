"""What is measured of a classifier on each split, all of it by torchmetrics.

Recall is what astronomers call completeness, precision purity. Labels and logits come from our own
data and networks, so torchmetrics need not check them in every step (``validate_args``).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn
from torchmetrics import CatMetric, ClasswiseWrapper, MeanMetric, Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

_PER_CLASS: Final = {"recall": MulticlassRecall, "precision": MulticlassPrecision, "f1": MulticlassF1Score}


class SplitMetrics(nn.Module):
    """Everything that is measured on one split.

    Attributes:
        overall: ``<split>_accuracy``, and macro ``<split>_recall``, ``_precision`` and ``_f1``.
        per_class: ``<split>_recall_<class>``, ``_precision_<class>`` and ``_f1_<class>``.
        confusion: Counts ``[true class, predicted class]``.
        loss: ``<split>_loss``, the mean over the galaxies.
        logits: All logits, kept of validation and test galaxies for what no running count can tell:
            the calibration, and the accuracy of the surest.
        labels: Their labels.
    """

    def __init__(self, split: str, classes: Sequence[str]) -> None:
        super().__init__()
        number, names = len(classes), list(classes)
        self.split, self.classes = split, names
        macro = {
            name: metric(number, average="macro", validate_args=False) for name, metric in _PER_CLASS.items()
        }
        self.overall = MetricCollection(
            {"accuracy": MulticlassAccuracy(number, average="micro", validate_args=False), **macro},
            prefix=f"{split}_",
        )
        self.per_class = MetricCollection(
            {
                name: ClasswiseWrapper(
                    metric(number, average=None, validate_args=False), labels=names, prefix=f"{name}_"
                )
                for name, metric in _PER_CLASS.items()
            },
            prefix=f"{split}_",
            compute_groups=False,  # Groups look for shared state in the metrics, not inside their wrappers.
        )
        self.confusion = MulticlassConfusionMatrix(number, validate_args=False)
        self.loss = MeanMetric(nan_strategy="disable")
        self.logits, self.labels = CatMetric(nan_strategy="disable"), CatMetric(nan_strategy="disable")
        self.keeps = split != "train"

    @property
    def names(self) -> list[str]:
        """Names of what is logged of the split, which a callback may monitor."""
        split, classes = self.split, self.classes
        overall = [f"{split}_{name}" for name in ("loss", "accuracy", *_PER_CLASS)]
        return overall + [f"{split}_{name}_{label}" for name in _PER_CLASS for label in classes]

    def count(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Counts a batch.

        Args:
            logits: ``[B, classes]``.
            labels: ``[B]``.
            loss: Their mean loss, a scalar.
        """
        self.loss.update(loss.expand(len(labels)))  # Each galaxy counts the same.
        for metric in (self.overall, self.per_class, self.confusion):
            metric.update(logits, labels)
        if self.keeps:
            self.logits.update(logits)
            self.labels.update(labels)

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Returns what all ranks have counted so far, by metric. Call it on every rank."""
        for metrics in (self.overall, self.per_class):
            metrics.items(keep_base=True, copy_state=False)  # Those that share their counts have them all.
        counted = {}
        for name, metric in self._counting():
            with metric.sync_context():
                counted[name] = {
                    key: value.cpu()
                    for key, value in metric.metric_state.items()
                    if isinstance(value, Tensor)
                }
        return counted

    def go_on_from(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Takes over what :meth:`state` has returned, the counts of all ranks. Call it on one rank alone."""
        for name, metric in self._counting():
            metric.load_state_dict({key: value.to(metric.device) for key, value in state[name].items()})

    def _counting(self) -> list[tuple[str, Metric]]:
        """Returns the metrics of running counts, by their names."""
        return [
            (name, metric)
            for name, metric in self.named_modules()
            if isinstance(metric, Metric) and not isinstance(metric, CatMetric) and metric.metric_state
        ]

    def answers(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Returns ``[N, classes]`` logits and ``[N]`` labels of all devices. Call it on every rank."""
        logits, labels = (metric.compute().cpu().numpy() for metric in (self.logits, self.labels))
        # torchmetrics makes a scalar of the label of a single galaxy.
        return logits.astype(np.float64), labels.reshape(-1).astype(np.int64)

    def begin(self) -> None:
        """Forgets what was counted, also before a checkpoint that was made between two epochs."""
        for metric in (self.overall, self.per_class, self.confusion, self.loss, self.logits, self.labels):
            metric.reset()
