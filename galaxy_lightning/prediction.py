"""Writes predictions as a table with each galaxy's identity, whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer

from data_prep.errors import GalaxyError
from data_prep.files import new_file
from galaxy_lightning.batches import GalaxyBatch
from galaxy_lightning.calibration import Calibration, entropy
from galaxy_lightning.module import GalaxyClassifier
from galaxy_lightning.run_folder import write_predictions


class PredictionWriter(Callback):
    """Writes one row per galaxy: what identifies it, a calibrated probability per class, the likeliest class.

    A galaxy whose image cannot be used gets no row; it is listed beside the table instead, in a
    CSV whose name ends in ``_skipped``.

    Args:
        path: The CSV to write.
        galaxies: What identifies each galaxy, by the row number that its batch carries.
        classes: The class names, in order.
        doubts: Add how sure the model is: the ``entropy`` in bits, and whether it is ``uncertain``,
            less sure than its calibration asks for.

    Attributes:
        written: How many galaxies have a row, once written.
        skipped: The galaxies without one, with a ``reason``, once written.
        uncertain: How many are uncertain, once written.
    """

    def __init__(
        self, path: Path, galaxies: pd.DataFrame, classes: Sequence[str], *, doubts: bool = False
    ) -> None:
        self.path = path
        self.galaxies = galaxies
        self.classes = list(classes)
        self.doubts = doubts
        self.written = self.uncertain = 0
        self.skipped = galaxies.iloc[:0]
        self._probabilities: dict[int, Any] = {}
        self._problems: dict[int, str] = {}

    @property
    def skipped_path(self) -> Path:
        """Where the galaxies without a prediction are listed."""
        return self.path.with_name(f"{self.path.stem}_skipped.csv")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forgets an earlier prediction."""
        self._probabilities, self._problems = {}, {}

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: GalaxyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keeps a batch's probabilities."""
        self._probabilities.update(zip(batch.rows.tolist(), outputs.cpu().numpy(), strict=True))
        self._problems.update(batch.problems)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the table, from what all devices have predicted."""
        if trainer.world_size > 1:
            parts: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, (self._probabilities, self._problems))
            for probabilities, problems in parts:
                self._probabilities |= probabilities
                self._problems |= problems
        if trainer.is_global_zero:
            assert isinstance(pl_module, GalaxyClassifier)
            self._write(pl_module.calibration)

    def _write(self, calibration: Calibration) -> None:
        rows = sorted(self._probabilities.keys() - self._problems.keys())
        bad = sorted(self._problems)
        self.written = len(rows)
        self.skipped = self.galaxies.iloc[bad].assign(reason=[self._problems[row] for row in bad])
        self.skipped_path.unlink(missing_ok=True)
        if bad:
            with new_file(self.skipped_path) as partial:
                self.skipped.to_csv(partial, index=False, errors="backslashreplace")
        if not rows:
            first = self.skipped.iloc[0]
            raise GalaxyError(
                f"not one of the {len(bad):,} images can be used (listed in {self.skipped_path}); the first, "
                f"{first['path']}: {first['reason']}"
            )
        probabilities = np.stack([self._probabilities[row] for row in rows])
        more = {}
        if self.doubts:
            uncertain = calibration.uncertain(probabilities)
            self.uncertain = int(uncertain.sum())
            more = {"entropy": entropy(probabilities).round(6), "uncertain": uncertain}
        write_predictions(self.path, self.galaxies.iloc[rows], probabilities, self.classes, more)
