"""Writes the results of ``test`` and ``validate``."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from scipy.special import softmax

from data_prep.common.files import new_folder, refuse_existing
from data_prep.common.json_files import write_json
from data_prep.samples.class_names import known_descriptions
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.evaluation.held_out import HeldOutPredictions, split_title
from galaxy_lightning.evaluation.verdict import verdict
from galaxy_lightning.runs.names import EVALUATION_FILES, EVALUATION_PDFS, METRICS
from galaxy_lightning.training.metrics import SplitMetrics
from galaxy_lightning.training.module import GalaxyClassifier

_FILES: Final = (METRICS, *EVALUATION_FILES)


class EvaluationWriter(Callback):
    """Writes the results of ``test`` or ``validate``: metrics, confusion matrix, reliability and coverage.

    Args:
        folder: The folder to make; the folder of an earlier evaluation is replaced as a whole.
        split: ``"test"`` or ``"val"``.
        about: The checkpoint and the arrays, to be saved with the metrics.
        descriptions: Descriptions of the classes by name; any may be missing.

    Attributes:
        report: The results as lines of text; empty before the evaluation.
    """

    report: tuple[str, ...] = ()

    def __init__(
        self,
        folder: Path,
        split: str,
        about: dict[str, Any],
        descriptions: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self.split = split
        self.about = about
        self.descriptions = dict(descriptions)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuses a folder with other files before the evaluation starts."""
        refuse_existing(self.folder, overwrite=True, contents=_FILES, optional=EVALUATION_PDFS)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the results on the test split."""
        self._write(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the results on the validation split."""
        self._write(trainer, pl_module)

    def _write(self, trainer: Trainer, module: LightningModule) -> None:
        prefix = f"{self.split}_"
        metrics = {
            name.removeprefix(prefix): round(float(value), 6)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(prefix)
        }
        assert isinstance(module, GalaxyClassifier)
        data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it without declaring it.
        assert isinstance(data, GalaxyDataModule)
        split_metrics = getattr(module, f"{self.split}_metrics")
        assert isinstance(split_metrics, SplitMetrics)
        (logits, labels), rows = split_metrics.gather_logits(), split_metrics.gather_rows()
        probabilities, calibration = softmax(logits, axis=1), module.inference.calibration
        held_out = HeldOutPredictions(
            module.classes,
            labels,
            probabilities,
            calibration.flag_uncertain(probabilities),
            calibration.target_accuracy,
            self.descriptions,
            data.arrays.catalog["objid"].to_numpy(dtype=np.int64)[rows],
        )
        metrics |= held_out.calibration_metrics
        title = f"{'Test' if self.split == 'test' else 'Validation'} galaxies ({len(labels):,}):"
        self.report = (*held_out.report(), "", title, *verdict(held_out))
        if left_out := len(data.arrays.rows(self.split)) - len(labels):
            limit = f"trainer.limit_{self.split}_batches"
            self.report += (f"Incomplete: {left_out:,} more galaxies are left out by {limit}",)
        if not trainer.is_global_zero:
            return
        with new_folder(self.folder, overwrite=True, contents=_FILES, optional=EVALUATION_PDFS) as folder:
            held_out.write(folder, split_title(self.split, len(labels)), module.network.name)
            known = known_descriptions(module.classes, self.descriptions)
            results = {"split": self.split, "galaxies": len(labels), "left_out": left_out}
            results |= {"class_descriptions": known, "metrics": metrics}
            write_json(folder / METRICS, self.about | results)
