"""The confusion matrix as a picture while a fit goes on, and the files that ``test`` leaves."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from data_prep.files import new_file, write_json
from galaxy_lightning.figures import confusion_matrix
from galaxy_lightning.metrics import SplitMetrics
from galaxy_lightning.module import GalaxyClassifier

CONFUSION_CSV: Final = "confusion_matrix.csv"
CONFUSION_PNG: Final = "confusion_matrix.png"
METRICS: Final = "metrics.json"


class ConfusionMatrixLogger(Callback):
    """Shows TensorBoard the validation split's confusion matrix after every epoch."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the matrix, but for the sanity check's."""
        if trainer.sanity_checking:
            return
        counts, classes = _counts(pl_module, "val")
        if isinstance(trainer.logger, TensorBoardLogger) and trainer.is_global_zero:
            figure = confusion_matrix(counts, classes, f"validation, epoch {trainer.current_epoch}")
            trainer.logger.experiment.add_figure("confusion_matrix/val", figure, trainer.global_step)


class EvaluationWriter(Callback):
    """Writes what ``test`` or ``validate`` found: metrics, and the confusion matrix as PNG and CSV.

    Args:
        folder: Where the files go; made when missing, files of an earlier evaluation are replaced.
        split: ``"test"`` or ``"val"``.
        about: What was evaluated on what; kept with the metrics.
    """

    def __init__(self, folder: Path, split: str, about: dict[str, Any]) -> None:
        self.folder = folder
        self.split = split
        self.about = about

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the confusion matrix of the test split."""
        self._write_confusion(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the confusion matrix of the validation split."""
        self._write_confusion(trainer, pl_module)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the metrics of the test split."""
        self._write_metrics(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the metrics of the validation split."""
        self._write_metrics(trainer)

    def _write_confusion(self, trainer: Trainer, module: LightningModule) -> None:
        counts, classes = _counts(module, self.split)
        if not trainer.is_global_zero:
            return
        with new_file(self.folder / CONFUSION_CSV) as partial:
            table = pd.DataFrame(counts, index=pd.Index(classes, name="true \\ predicted"), columns=classes)
            table.to_csv(partial)
        with new_file(self.folder / CONFUSION_PNG) as partial:
            confusion_matrix(counts, classes, f"{self.split}, {counts.sum():,} galaxies").savefig(
                partial, dpi=150
            )

    def _write_metrics(self, trainer: Trainer) -> None:
        metrics = {name: round(float(value), 6) for name, value in trainer.callback_metrics.items()}
        if trainer.is_global_zero:
            write_json(self.folder / METRICS, self.about | {"metrics": metrics})


def _counts(module: LightningModule, split: str) -> "tuple[np.ndarray[Any, np.dtype[np.int64]], list[str]]":
    """Returns a split's confusion matrix, over all devices, and the class names. Call it on every rank."""
    assert isinstance(module, GalaxyClassifier)
    metrics = getattr(module, f"{split}_metrics")
    assert isinstance(metrics, SplitMetrics)
    return metrics.confusion.compute().cpu().numpy().astype(np.int64), module.classes
