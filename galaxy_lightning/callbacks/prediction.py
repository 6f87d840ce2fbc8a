"""Writes predictions as a table with each galaxy's identity: as they come, and whole at the end."""

import contextlib
import csv
import glob
import hashlib
import heapq
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file, new_files
from galaxy_lightning.callbacks.prediction_part import PredictionPart
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.data.datasets import ImageFolderDataset
from galaxy_lightning.evaluation.calibration import entropy
from galaxy_lightning.runs.names import IDENTITY_COLUMNS
from galaxy_lightning.runs.writer import arrays_identity, as_flags, prediction_table
from galaxy_lightning.training.module import GalaxyClassifier

_ROW = "row"
"""The column of a part that says where in the table each of its galaxies belongs."""
_OBJID: Final = re.compile(r"\d{18,19}")
"""An object id of SDSS; images that are all named by one can be joined with a catalogue."""


class PredictionWriter(Callback):
    """Writes one row per galaxy: what identifies it, a calibrated probability per class, the likeliest class.

    Each process appends every batch to a part of its own beside the table (``NAME.partial-0.csv``), so that
    memory does not grow with the number of galaxies, and an interrupted prediction can be resumed. At
    the end the parts become the table, in the galaxies' order, and are removed. Processes that predict
    together share the folder.

    A galaxy whose image cannot be used gets no row; it is listed beside the table instead, in a
    CSV whose name ends in ``_skipped``, and so is what else is in the folder of images.

    Args:
        path: The CSV to write.
        galaxies: What identifies each galaxy, by the row number that its batch carries.
        classes: The class names, in order.
        with_uncertainty: Add how sure the model is: the ``entropy`` in bits, and whether it is ``uncertain``,
            less sure than its calibration asks for; empty where it has no calibration.
        made_of: What the predictions depend on, as JSON has it; what an interruption has left of the same
            is gone on with. None always begins anew.
        images: The folder of images that the galaxies come from, if it is one.

    Attributes:
        written: How many galaxies have a row, once written.
        skipped: The galaxies and other files without one, with a ``reason``, once written.
        uncertain: How many are uncertain, once written.
    """

    def __init__(
        self,
        path: Path,
        galaxies: pd.DataFrame,
        classes: Sequence[str],
        *,
        with_uncertainty: bool = False,
        made_of: Mapping[str, Any] | None = None,
        images: ImageFolderDataset | None = None,
    ) -> None:
        self.path = path
        self.galaxies = galaxies
        self.classes = list(classes)
        self.with_uncertainty = with_uncertainty
        self.made_of = made_of
        self.images = images
        self.written = self.uncertain = 0
        self.skipped = galaxies.iloc[:0]
        self._part: PredictionPart | None = None

    @property
    def skipped_path(self) -> Path:
        """Where the galaxies without a prediction are listed."""
        return self.path.with_name(f"{self.path.stem}_skipped.csv")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begins this process's part, or goes on with it, before the galaxies are loaded."""
        if stage != "predict":
            return
        self.path = trainer.strategy.broadcast(self.path)  # Only the first knows the run folder.
        made_of = None
        whole = isinstance(trainer.limit_predict_batches, float) and trainer.limit_predict_batches == 1
        if self.made_of is not None and whole:  # What is limited, or is but a trial, is no part of the whole.
            made_of = {
                **self.made_of,
                "torch": torch.__version__,
                "processes": trainer.world_size,
                "device": trainer.strategy.root_device.type,
                "precision": str(trainer.precision),
            }
        self._part = PredictionPart(self._part_of(trainer.global_rank), self.path, made_of)
        if self._part.batches:
            data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it, and declares it not.
            assert isinstance(data, GalaxyDataModule)
            data.resume_prediction(self._part.batches)
            if trainer.is_global_zero:
                print(f"Resuming, with {self._part.written:,} galaxies predicted")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: GalaxyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Appends a batch's galaxies."""
        assert isinstance(pl_module, GalaxyClassifier)
        assert self._part is not None
        rows, probabilities = batch.rows.cpu().numpy(), outputs.cpu().numpy()
        if batch.problems:
            usable = [row not in batch.problems for row in rows.tolist()]
            rows, probabilities = rows[usable], probabilities[usable]
        table = prediction_table(self.galaxies.iloc[rows], probabilities, self.classes)
        uncertain = pl_module.inference.calibration.flag_uncertain(probabilities)
        if self.with_uncertainty:
            table = table.assign(entropy=entropy(probabilities).round(6), uncertain=as_flags(uncertain))
        table.insert(0, _ROW, rows)
        last = batch_idx + 1 >= trainer.num_predict_batches[dataloader_idx]
        count = 0 if uncertain is None else int(uncertain.sum())
        self._part.append(table, batch.problems, uncertain=count, last=last)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Makes the table of what all devices have predicted."""
        part = self._part
        assert part is not None
        part.end()
        counted: list[Any] = [(part.written, part.uncertain, part.problems)]
        if trainer.world_size > 1:
            counted = [None] * trainer.world_size
            torch.distributed.all_gather_object(counted, (part.written, part.uncertain, part.problems))
        self.written, self.uncertain = (sum(each[place] for each in counted) for place in (0, 1))
        if trainer.is_global_zero:
            self._finish(
                {row: why for *_, problems in counted for row, why in problems.items()}, len(counted)
            )
        part.release()
        self._part = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves what there is in the part, and says so."""
        if self._part is not None:
            self._part.leave()
            self._part = None

    def _finish(self, problems: dict[int, str], processes: int) -> None:
        rows = sorted(problems)
        bad = self.galaxies.iloc[rows].assign(reason=[problems[row] for row in rows])
        others = self._others()
        self.skipped = pd.concat([bad, others]).sort_values("path") if len(others) else bad
        if not self.written:
            self.path.unlink(missing_ok=True)  # An older one: the list is not of its galaxies.
            with new_file(self.skipped_path) as skipped:
                self.skipped.to_csv(skipped, index=False, errors="backslashreplace")
        else:
            with new_files(self.path, self.skipped_path) as (table, skipped):
                _merge([self._part_of(rank) for rank in range(processes)], table)
                if len(self.skipped):
                    self.skipped.to_csv(skipped, index=False, errors="backslashreplace")
        # Those too that an interruption of more processes has left.
        for part in self.path.parent.glob(f"{glob.escape(self.path.stem)}.partial-*.*"):
            if self._is_part(part.name):
                part.unlink(missing_ok=True)
        if not self.written:
            first = bad.iloc[0]
            raise GalaxyError(
                f"not one of the {len(bad):,} images can be used (listed in {self.skipped_path}); the first, "
                f"{first['path']}: {first['reason']}"
            )

    def _others(self) -> pd.DataFrame:
        """Returns what else is in the folder of images, but for what this command writes there itself."""
        if self.images is None:
            return self.galaxies.iloc[:0]
        folder, ours = self.path.parent.resolve(), (self.path.name, self.skipped_path.name)
        others = {
            path: reason
            for path, reason in self.images.skipped.items()
            if not (path.name in ours or self._is_part(path.name))
            or (self.images.folder / path).parent.resolve() != folder
        }
        if not others:
            return self.galaxies.iloc[:0]
        return _named(list(others), str(self.galaxies.columns[0])).assign(reason=list(others.values()))

    def _is_part(self, name: str) -> bool:
        rest = name.removeprefix(self.path.stem)
        return rest != name and re.fullmatch(r"\.partial-\d+\.(csv|json)", rest) is not None

    def _part_of(self, rank: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.partial-{rank}.csv")


def galaxies_to_predict(data: GalaxyDataModule) -> tuple[pd.DataFrame, Path, dict[str, Any]]:
    """Says which galaxies are predicted.

    Args:
        data: The galaxy arrays, or the folder of images.

    Returns:
        What identifies each galaxy, by its row; the folder that they come from; and what tells it from any
        other, as JSON has it. Of a folder of images that is the files' names.
    """
    if data.images_folder is None:
        arrays = data.arrays
        return arrays.catalog[[*IDENTITY_COLUMNS, "path"]], arrays.folder, arrays_identity(arrays)
    paths = data.image_folder.paths
    galaxies = _named(paths, "objid" if all(_OBJID.fullmatch(path.stem) for path in paths) else "id")
    listed = hashlib.sha256("\n".join(galaxies["path"]).encode(errors="backslashreplace")).hexdigest()
    about = {"path": str(data.images_folder.resolve()), "images": len(galaxies), "sha256": listed}
    return galaxies, data.images_folder, about


def _named(paths: Sequence[Path], column: str) -> pd.DataFrame:
    """Returns what identifies image files: their names without suffix, in ``column``, and ``path``."""
    # A return in a name would end a line of the table.
    names = [str(path).replace("\r", "\\r") for path in paths]
    return pd.DataFrame({column: [Path(name).stem for name in names], "path": names})


def _merge(parts: Sequence[Path], out: Path) -> None:
    """Writes the rows of all parts in the galaxies' order, a few in memory at a time."""
    with contextlib.ExitStack() as stack:
        tables = [csv.reader(stack.enter_context(part.open(newline="", encoding="utf-8"))) for part in parts]
        # A part is empty where all of its images were unusable.
        headers = [header for table in tables if (header := next(table, None))]
        file = stack.enter_context(out.open("w", newline="", encoding="utf-8"))
        writer = csv.writer(file, lineterminator=os.linesep)
        writer.writerow(headers[0][1:])
        writer.writerows(row[1:] for row in heapq.merge(*tables, key=lambda row: int(row[0])))
