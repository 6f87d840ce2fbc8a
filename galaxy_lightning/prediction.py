"""Writes predictions as a table with each galaxy's identity: as they come, and whole at the end."""

import contextlib
import csv
import glob
import heapq
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer

from data_prep.errors import GalaxyError
from data_prep.files import new_file, writing
from galaxy_lightning.batches import GalaxyBatch
from galaxy_lightning.calibration import entropy
from galaxy_lightning.module import GalaxyClassifier
from galaxy_lightning.run_folder import prediction_table

_ROW = "row"
"""The column of a part that says where in the table each of its galaxies belongs."""


class PredictionWriter(Callback):
    """Writes one row per galaxy: what identifies it, a calibrated probability per class, the likeliest class.

    Each process appends every batch to a part of its own beside the table (``NAME.partial-0.csv``), so that
    memory does not grow with the number of galaxies and what an interruption leaves can be looked at. At
    the end the parts become the table, in the galaxies' order, and are removed. Processes that predict
    together share the folder.

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
        self._problems: dict[int, str] = {}
        self._part: TextIO | None = None

    @property
    def skipped_path(self) -> Path:
        """Where the galaxies without a prediction are listed."""
        return self.path.with_name(f"{self.path.stem}_skipped.csv")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins this process's part, and forgets an earlier prediction."""
        self.written = self.uncertain = 0
        self._problems = {}
        self.path = trainer.strategy.broadcast(self.path)  # Only the first knows the run folder.
        part = self._part_of(trainer.global_rank)
        with writing(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            # A file name that is no valid UTF-8 is written with its odd bytes escaped.
            self._part = part.open("w", newline="", encoding="utf-8", errors="backslashreplace")

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
            self._problems.update(batch.problems)
            usable = [row not in batch.problems for row in rows.tolist()]
            rows, probabilities = rows[usable], probabilities[usable]
        if not len(rows):
            return
        table = prediction_table(self.galaxies.iloc[rows], probabilities, self.classes)
        if self.doubts:
            uncertain = pl_module.calibration.uncertain(probabilities)
            self.uncertain += int(uncertain.sum())
            table = table.assign(entropy=entropy(probabilities).round(6), uncertain=uncertain)
        table.insert(0, _ROW, rows)
        with writing(Path(self._part.name)):
            table.to_csv(self._part, index=False, header=self.written == 0)
            self._part.flush()
        self.written += len(rows)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Makes the table of what all devices have predicted."""
        self._close()
        counted: list[Any] = [(self.written, self.uncertain, self._problems)]
        if trainer.world_size > 1:
            counted = [None] * trainer.world_size
            torch.distributed.all_gather_object(counted, (self.written, self.uncertain, self._problems))
        self.written, self.uncertain = (sum(each[place] for each in counted) for place in (0, 1))
        if trainer.is_global_zero:
            self._finish(
                {row: why for *_, problems in counted for row, why in problems.items()}, len(counted)
            )

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves what there is in the part, and says so."""
        if self._part is None:
            return
        part = Path(self._part.name)
        self._close()
        if self.written:
            print(f"\nWhat had been predicted is in {part}", file=sys.stderr)
        else:
            part.unlink(missing_ok=True)

    def _finish(self, problems: dict[int, str], processes: int) -> None:
        bad = sorted(problems)
        self.skipped = self.galaxies.iloc[bad].assign(reason=[problems[row] for row in bad])
        self.skipped_path.unlink(missing_ok=True)
        if bad:
            with new_file(self.skipped_path) as partial:
                self.skipped.to_csv(partial, index=False, errors="backslashreplace")
        parts = [self._part_of(rank) for rank in range(processes)]
        if self.written:
            with new_file(self.path) as partial:
                _merge(parts, partial)
        # Those too that an interruption of more processes has left.
        for part in self.path.parent.glob(f"{glob.escape(self.path.stem)}.partial-*.csv"):
            part.unlink(missing_ok=True)
        if not self.written:
            first = self.skipped.iloc[0]
            raise GalaxyError(
                f"not one of the {len(bad):,} images can be used (listed in {self.skipped_path}); the first, "
                f"{first['path']}: {first['reason']}"
            )

    def _part_of(self, rank: int) -> Path:
        return self.path.with_name(f"{self.path.stem}.partial-{rank}.csv")

    def _close(self) -> None:
        if self._part is not None:
            with writing(Path(self._part.name)):
                self._part.close()
            self._part = None


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
