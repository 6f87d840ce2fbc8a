"""The confusion matrix as a picture while a fit goes on, and the files that ``test`` leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from data_prep.files import new_file, write_json
from galaxy_lightning.figures import Counts, confusion_matrix
from galaxy_lightning.metrics import SplitMetrics
from galaxy_lightning.module import GalaxyClassifier

CONFUSION_CSV: Final = "confusion_matrix.csv"
CONFUSION_PNG: Final = "confusion_matrix.png"
METRICS: Final = "metrics.json"
_OVERALL: Final = {
    "accuracy": "accuracy",
    "recall": "macro recall",
    "precision": "macro precision",
    "f1": "macro F1",
}


class ConfusionMatrixLogger(Callback):
    """Shows TensorBoard the confusion matrices of training and validation after every epoch."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the training split's, as counted while the weights changed."""
        self._show(trainer, pl_module, "train")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the validation split's, but for the sanity check's."""
        if not trainer.sanity_checking:
            self._show(trainer, pl_module, "val")

    def _show(self, trainer: Trainer, module: LightningModule, split: str) -> None:
        counts, classes = _counts(module, split)
        if isinstance(trainer.logger, TensorBoardLogger) and trainer.is_global_zero:
            figure = confusion_matrix(counts, classes, f"{split}, epoch {trainer.current_epoch}")
            trainer.logger.experiment.add_figure(f"{split}/confusion_matrix", figure, trainer.global_step)


class EvaluationWriter(Callback):
    """Writes what ``test`` or ``validate`` found: metrics, and the confusion matrix as PNG and CSV.

    Args:
        folder: Where the files go; made when missing, files of an earlier evaluation are replaced.
        split: ``"test"`` or ``"val"``.
        about: What was evaluated on what; kept with the metrics.

    Attributes:
        report: What was found, as lines of text, once it is known.
    """

    report: tuple[str, ...] = ()

    def __init__(self, folder: Path, split: str, about: dict[str, Any]) -> None:
        self.folder = folder
        self.split = split
        self.about = about

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes what was found on the test split."""
        self._write(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes what was found on the validation split."""
        self._write(trainer, pl_module)

    def _write(self, trainer: Trainer, module: LightningModule) -> None:
        prefix = f"{self.split}/"
        metrics = {
            name.removeprefix(prefix): round(float(value), 6)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(prefix)
        }
        counts, classes = _counts(module, self.split)
        self.report = tuple(_report(metrics, counts, classes, self.split))
        if not trainer.is_global_zero:
            return
        with new_file(self.folder / CONFUSION_CSV) as partial:
            table = pd.DataFrame(counts, index=pd.Index(classes, name="true \\ predicted"), columns=classes)
            table.to_csv(partial)
        with new_file(self.folder / CONFUSION_PNG) as partial:
            title = f"{self.split}, {counts.sum():,} galaxies"
            confusion_matrix(counts, classes, title).savefig(partial, dpi=150)
        write_json(self.folder / METRICS, self.about | {"split": self.split, "metrics": metrics})


def _report(metrics: dict[str, float], counts: Counts, classes: list[str], split: str) -> Iterator[str]:
    """Yields the figures and the confusion matrix as a table."""
    overall = ", ".join(f"{name} {metrics[key]:.3f}" for key, name in _OVERALL.items())
    yield f"{counts.sum():,} {split} galaxies: {overall}"
    yield ""
    yield f"{'true class':>12}{'recall':>11}{'precision':>11}{'F1':>11}   predicted:" + _cells(classes)
    for label, row in zip(classes, counts, strict=True):
        figures = [f"{metrics[f'{key}_{label}']:.3f}" for key in ("recall", "precision", "f1")]
        yield f"{label:>12}{_cells(figures)}             " + _cells([f"{count:,}" for count in row])


def _cells(texts: list[str]) -> str:
    return "".join(f"{text:>11}" for text in texts)


def _counts(module: LightningModule, split: str) -> tuple[Counts, list[str]]:
    """Returns a split's confusion matrix, over all devices, and the class names. Call it on every rank."""
    assert isinstance(module, GalaxyClassifier)
    metrics = getattr(module, f"{split}_metrics")
    assert isinstance(metrics, SplitMetrics)
    return metrics.confusion.compute().cpu().numpy().astype(np.int64), module.classes
