"""Writes predictions to a table, batch by batch, with the identifiers of each galaxy."""

import csv
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from data_prep.arrays.positions import identify_images
from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file, new_files
from galaxy_lightning.callbacks.part_tables import ROW, merged_rows
from galaxy_lightning.callbacks.prediction_columns import COUNTS, IS_UNCERTAIN, PredictionColumns, count_flags
from galaxy_lightning.callbacks.prediction_parts import PredictionParts, find_parts, is_part
from galaxy_lightning.callbacks.same_inputs import describe_inputs, require_same_inputs
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.data.image_folders import ImageFolderDataset, list_skipped
from galaxy_lightning.data.seen_galaxies import SEEN, SeenFlags
from galaxy_lightning.evaluation.novelty import NOVELTY
from galaxy_lightning.runs.writer import arrays_identity
from galaxy_lightning.runtime.gathering import Gathering
from galaxy_lightning.tables.output import TableOutput
from galaxy_lightning.training.ensemble import Ensemble
from galaxy_lightning.training.module import GalaxyClassifier
from galaxy_lightning.training.network_outputs import NetworkOutputs


class PredictionWriter(Callback):
    """Writes a row per galaxy: its identifiers, a calibrated probability per class, and the predicted class.

    Each process appends its batches to its own part next to the table (``NAME.partial-0.csv``), so that
    memory does not grow with the number of galaxies, and an interrupted prediction can be resumed. At the
    end, the parts are merged into the table in the order of the galaxies, and removed. All processes must
    have access to the folder of the table.

    Galaxies whose image is unusable are not in the table but in a CSV file next to it, whose name ends in
    ``_skipped``, together with other files in the folder of images.

    Args:
        path: The CSV file to write.
        galaxies: The identifiers of each galaxy, indexed by the row numbers in the batches.
        classes: The class names, in order.
        seen: For each network, the galaxies that it has seen. With them, the table has all columns of
            :class:`~.prediction_columns.PredictionColumns`; without, probabilities and predicted classes.
        made_of: What the predictions depend on, as JSON types. Unfinished work with the same value is
            resumed; None never resumes.
        images: The folder of images that the galaxies come from, if any.
        output: How the merged rows become the table; None if they are the table, as CSV.

    Attributes:
        written: Number of rows with a prediction in the table, after the prediction.
        empty: Number of rows of a catalogue without one, after the prediction.
        skipped: Galaxies and other files that are not in the table, with the ``reason``, after the
            prediction.
        counts: Numbers of rows with a prediction by the names in :data:`~.prediction_columns.COUNTS`, after
            the prediction.
        left_out: Number of galaxies that ``trainer.limit_predict_batches`` leaves out, after the prediction.
    """

    def __init__(
        self,
        path: Path,
        galaxies: pd.DataFrame,
        classes: Sequence[str],
        *,
        seen: Sequence[SeenFlags] = (),
        made_of: Mapping[str, Any] | None = None,
        images: ImageFolderDataset | None = None,
        output: TableOutput | None = None,
    ) -> None:
        self.path, self.output = path, output
        self.galaxies = galaxies
        self.columns = PredictionColumns(galaxies, list(classes), seen)
        self.made_of = made_of
        self.images = images
        self.written, self.empty, self.counts = 0, 0, dict.fromkeys(COUNTS, 0)
        self.skipped, self.left_out = galaxies.iloc[:0], 0
        self._parts: PredictionParts | None = None

    @property
    def skipped_path(self) -> Path:
        """Path of the list of galaxies without a prediction."""
        return self.path.with_name(f"{self.path.stem}_skipped.csv")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Starts the part of this process, before the galaxies are loaded."""
        if stage != "predict":
            return
        self.path = trainer.strategy.broadcast(self.path)  # Only the first process knows the run folder.
        made_of = None
        limit = trainer.limit_predict_batches
        self._is_limited = not (isinstance(limit, float) and limit == 1)
        if self.made_of is not None and not self._is_limited:  # A limited prediction is not resumed.
            made_of = {
                **self.made_of,
                "torch": torch.__version__,
                "device": trainer.strategy.root_device.type,
                "precision": str(trainer.precision),
            }
        data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it without declaring it.
        assert isinstance(data, GalaxyDataModule)
        batches, self._gathering = data.count_predicted_batches(), Gathering()
        require_same_inputs(self._gathering.gather(describe_inputs(self.made_of, batches)))
        self._parts = PredictionParts(self.path, made_of, batches, self._gathering)
        data.predict_batches(self._parts.own.todo)
        if self._parts.resumed:
            print(f"Resuming after {self._parts.resumed:,} galaxies")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: GalaxyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Appends the galaxies of a batch to the part."""
        assert isinstance(pl_module, GalaxyClassifier | Ensemble)
        assert self._parts is not None
        rows = batch.rows.cpu().numpy()
        usable = np.array([row not in batch.problems for row in rows.tolist()])
        outputs = NetworkOutputs(*(values[:, usable] for values in outputs))
        rows, images = rows[usable], batch.images.cpu().numpy()[usable]
        about = pl_module if isinstance(pl_module, Ensemble) else pl_module.inference
        table, counts = self.columns.make(outputs, rows, images, about.calibration)
        table.insert(0, ROW, rows)
        last = batch_idx + 1 >= trainer.num_predict_batches[dataloader_idx]
        self._parts.own.append(table, batch.problems, counts, last=last)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Merges the parts of all processes into the table.

        A process whose share is empty predicts nothing, so that Lightning ends no epoch there.
        """
        parts = self._parts
        if parts is None:
            return
        results = self._gathering.gather(parts.close())
        written, counts, unusable = zip(*results, strict=True)
        self.written = sum(written)
        self.counts = {name: sum(each[name] for each in counts) for name in COUNTS}
        problems = {row: reason for each in unusable for row, reason in each.items()}
        self.left_out = len(self.galaxies) - self.written - len(problems) if self._is_limited else 0
        if trainer.is_global_zero:
            self._write_table(parts.paths, problems)
        parts.release()
        self._parts = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Closes the parts, and prints how to resume."""
        if self._parts is not None:
            self._parts.close_unfinished()
            self._parts = None

    def _write_table(self, parts: Sequence[Path], problems: dict[int, str]) -> None:
        self.skipped = list_skipped(self.galaxies, problems, self.images, self._is_output)
        if not self.written:
            with new_file(self.skipped_path) as skipped:
                self.skipped.to_csv(skipped, index=False, errors="backslashreplace")
                self.path.unlink(missing_ok=True)  # An older table does not belong to the new list.
        else:
            with new_files(self.path, self.skipped_path) as (table, skipped):
                self._write_rows(parts, table)
                if len(self.skipped):
                    self.skipped.to_csv(skipped, index=False, errors="backslashreplace")
        for part in find_parts(self.path):
            part.unlink(missing_ok=True)
        if not self.written:
            row, reason = min(problems.items())
            raise GalaxyError(
                f"none of the {len(problems):,} images is usable (listed in {self.skipped_path}); the first "
                f"is {self.galaxies['path'].iloc[row]}: {reason}"
            )

    def _write_rows(self, parts: Sequence[Path], table: Path) -> None:
        """Writes the table from the parts, which are kept: an interrupted conversion starts from them."""
        if self.output is None:
            self._merge(parts, table)
            return
        merged = table.with_name(f"{table.stem}-merged.csv")
        try:
            self._merge(parts, merged)
            left_out = self.output.write(merged, table)
            if (rows := self.output.rows) is not None:
                flags = pd.read_csv(merged, usecols=[IS_UNCERTAIN, SEEN, NOVELTY]).iloc[rows[rows >= 0]]
                self.written, self.empty, self.counts = len(flags), int((rows < 0).sum()), count_flags(flags)
        finally:
            merged.unlink(missing_ok=True)
        if left_out is not None:
            self.skipped = pd.concat([self.skipped, left_out]).sort_values("path")

    def _merge(self, parts: Sequence[Path], table: Path) -> None:
        """Merges the rows of all parts in the order of the galaxies."""
        rows = -1  # Without the header.
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator=os.linesep)
            for row in merged_rows(parts):
                writer.writerow(row[1:])
                rows += 1
        if rows != self.written:  # A file system may show a process an older state of another one's part.
            raise GalaxyError(
                f"{self.path} would have {rows:,} rows instead of {self.written:,}: run the command again"
            )

    def _is_output(self, path: Path) -> bool:
        """Returns whether this command writes a file."""
        is_named = path.name in (self.path.name, self.skipped_path.name) or is_part(path.name, self.path)
        return is_named and path.parent.resolve() == self.path.parent.resolve()


def galaxies_to_predict(data: GalaxyDataModule) -> tuple[pd.DataFrame, Path, dict[str, Any]]:
    """Returns the galaxies to predict, and where they come from.

    Args:
        data: The data module, with galaxy arrays or a folder of images.

    Returns:
        The identifiers of each galaxy, by row, and its position if known; the folder of the galaxies; and
        what identifies the folder's content, as JSON types: the SHA-256 of the arrays, or that of the names
        of the image files.
    """
    if data.images_folder is None:
        return identify_images(data.arrays), data.arrays.folder, arrays_identity(data.arrays)
    galaxies = data.image_folder.identifiers
    digest = hashlib.sha256("\n".join(galaxies["path"]).encode(errors="backslashreplace")).hexdigest()
    about = {"path": str(data.images_folder.resolve()), "images": len(galaxies), "sha256": digest}
    about["settings"] = data.image_folder.settings.to_json()
    return galaxies, data.images_folder, about
