"""What is measured of a classifier on each split, in all processes together.

The confusion matrix is torchmetrics'; the figures that follow from it are those of
:mod:`galaxy_lightning.evaluation.measures`. Labels and logits come from our own data and networks, so
torchmetrics need not check them in every step (``validate_args``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torchmetrics import CatMetric, MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from galaxy_lightning.evaluation import measures


class FromCounts(MulticlassConfusionMatrix):
    """A figure that follows from the confusion matrix.

    Args:
        classes: How many classes there are.
        measure: Computes the figure, a number or one per class.
    """

    def __init__(self, classes: int, measure: Callable[[measures.Counts], Any]) -> None:
        super().__init__(classes, validate_args=False)
        self.measure = measure

    def compute(self) -> Tensor:
        """Returns the figure, a scalar or ``[classes]``."""
        counts = super().compute()
        return torch.as_tensor(self.measure(counts.cpu().numpy()), dtype=torch.float32, device=counts.device)


class SplitMetrics(nn.Module):
    """Everything that is measured on one split.

    Attributes:
        overall: ``<split>_accuracy``, and macro ``<split>_recall``, ``_precision`` and ``_f1``.
        confusion: Counts ``[true class, predicted class]``.
        loss: ``<split>_loss``, the mean over the galaxies.
        logits: All logits, kept of validation and test galaxies for what no running count can tell:
            the calibration, and the accuracy of the surest.
        labels: Their labels.
        single_zoom: Their logits at a single zoom, where the answers have more: those are calibrated too.
    """

    def __init__(self, split: str, classes: Sequence[str]) -> None:
        super().__init__()
        number = len(classes)
        self.split, self.classes = split, list(classes)
        macro = {
            name: FromCounts(number, partial(_macro, measure))
            for name, measure in measures.CLASS_METRICS.items()
        }
        self.overall = MetricCollection(
            {"accuracy": FromCounts(number, measures.accuracy), **macro}, prefix=f"{split}_"
        )
        self.confusion = MulticlassConfusionMatrix(number, validate_args=False)
        self.loss = MeanMetric(nan_strategy="disable")
        self.logits, self.labels, self.single_zoom = (CatMetric(nan_strategy="disable") for _ in range(3))
        self.keeps = split != "train"

    @property
    def names(self) -> list[str]:
        """Names of what is logged of the split, which a callback may monitor."""
        overall = [f"{self.split}_{name}" for name in ("loss", "accuracy", *measures.CLASS_METRICS)]
        return overall + [
            self._name(name, label) for name in measures.CLASS_METRICS for label in self.classes
        ]

    def count(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Counts a batch.

        Args:
            logits: ``[B, classes]``.
            labels: ``[B]``.
            loss: Their mean loss, a scalar.
        """
        self.loss.update(loss.expand(len(labels)))  # Each galaxy counts the same.
        for metric in (self.overall, self.confusion):
            metric.update(logits, labels)
        if self.keeps:
            self.logits.update(logits)
            self.labels.update(labels)

    def per_class(self) -> dict[str, float]:
        """Returns ``<split>_recall_<class>`` and so on, where defined. Call it on every rank."""
        counts = self.confusion.compute().cpu().numpy()
        values = {
            self._name(name, label): float(value)
            for name, measure in measures.CLASS_METRICS.items()
            for label, value in zip(self.classes, measure(counts), strict=True)
        }
        return {name: value for name, value in values.items() if not np.isnan(value)}

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Returns what all ranks have counted so far, by metric. Call it on every rank."""
        counted = {}
        for name, metric in (("confusion", self.confusion), ("loss", self.loss)):
            with metric.sync_context():
                counted[name] = {
                    key: value.cpu()
                    for key, value in metric.metric_state.items()
                    if isinstance(value, Tensor)
                }
        return counted

    def load_state(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Takes over what :meth:`state` has returned, the counts of all ranks. Call it on one rank alone."""
        self.loss.load_state_dict({key: value.to(self.loss.device) for key, value in state["loss"].items()})
        counts = {key: value.to(self.confusion.device) for key, value in state["confusion"].items()}
        for metric in (self.confusion, *self.overall.values(copy_state=False)):
            metric.load_state_dict({key: value.clone() for key, value in counts.items()})

    def answers(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Returns ``[N, classes]`` logits and ``[N]`` labels of all devices. Call it on every rank."""
        logits, labels = (metric.compute().cpu().numpy() for metric in (self.logits, self.labels))
        # torchmetrics makes a scalar of the label of a single galaxy.
        return logits.astype(np.float64), labels.reshape(-1).astype(np.int64)

    def single_zoom_logits(self) -> npt.NDArray[np.float64]:
        """Returns ``[N, classes]`` logits at a single zoom, of all devices. Call it on every rank."""
        return np.asarray(self.single_zoom.compute().cpu().numpy(), dtype=np.float64)

    def begin(self) -> None:
        """Forgets what was counted, also before a checkpoint that was made between two epochs."""
        kept = (self.logits, self.labels, self.single_zoom)
        for metric in (self.overall, self.confusion, self.loss, *kept):
            metric.reset()

    def _name(self, figure: str, label: str) -> str:
        return f"{self.split}_{figure}_{label}"


def _macro(measure: Callable[[measures.Counts], npt.NDArray[np.float64]], counts: measures.Counts) -> float:
    return measures.macro_average(measure(counts))
