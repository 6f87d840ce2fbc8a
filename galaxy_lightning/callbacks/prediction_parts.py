"""The parts of a table of predictions: those of an interrupted prediction, and a new one per process."""

import contextlib
import glob
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from galaxy_lightning.callbacks.prediction_columns import COUNTS, add_counts
from galaxy_lightning.callbacks.prediction_part import PredictionPart
from galaxy_lightning.data.batch_ranges import missing_batches, share_of_process


class PredictionParts:
    """The parts of a table, which are files next to it (``NAME.partial-0.csv``).

    The first process finds and locks the parts of an interrupted prediction, by any number of processes. Each
    process then writes a part of its own, with its share of the missing batches.

    Args:
        table: The path of the complete table.
        made_of: What the predictions depend on, as JSON types; see :class:`~.prediction_part.PredictionPart`.
        batches: The number of all batches.
        trainer: The trainer, which connects the processes.

    Attributes:
        resumed: On the first process, the number of galaxies in the parts of the interrupted prediction; 0 on
            the others.
        own: The part of this process.

    Raises:
        GalaxyError: A part cannot be written, or another process is writing it.
    """

    def __init__(
        self, table: Path, made_of: Mapping[str, Any] | None, batches: int, trainer: Trainer
    ) -> None:
        self._table, self._is_first = table, trainer.is_global_zero
        self._older: list[PredictionPart] = []
        with contextlib.ExitStack() as stack:
            stack.callback(self._release_older)
            number = self._open_older(made_of) if self._is_first else 0
            done = [each for part in self._older for each in part.done]
            number, done = trainer.strategy.broadcast((number, done))
            rank = trainer.global_rank
            todo = share_of_process(missing_batches(done, batches), trainer.world_size, rank)
            self.own = PredictionPart(part_path(table, number + rank), table, made_of, todo)
            stack.pop_all()
        self.resumed = sum(part.written for part in self._older)

    def close(self) -> tuple[int, dict[str, int], dict[int, str]]:
        """Closes the parts, but keeps their locks.

        Returns:
            Of the part of this process and, on the first process, of the older parts: the number of galaxies,
            their numbers by the names in :data:`~.prediction_columns.COUNTS`, and why the image of a galaxy
            is unusable, by row.
        """
        self.own.close()
        parts = [*self._older, self.own]
        counts = dict.fromkeys(COUNTS, 0)
        for part in parts:
            add_counts(counts, part.counts)
        problems = {row: reason for part in parts for row, reason in part.problems.items()}
        return sum(part.written for part in parts), counts, problems

    def release(self) -> None:
        """Releases the locks."""
        self.own.release()
        self._release_older()

    def close_unfinished(self) -> None:
        """Closes unfinished parts; the first process prints how to resume."""
        remains = self.own.close_unfinished() or self._older
        if remains and self._is_first:
            parts = ", ".join(map(str, find_part_tables(self._table)))
            print(
                f"\nThe predictions so far are in {parts}: run the same command again to resume",
                file=sys.stderr,
            )
        self._release_older()

    def _open_older(self, made_of: Mapping[str, Any] | None) -> int:
        """Opens the parts that can be resumed, and removes the others; returns the next number."""
        numbers = sorted({_number(path)[0] for path in find_parts(self._table)})
        for number in numbers:
            part = PredictionPart(part_path(self._table, number), self._table, made_of)
            if part.done:
                part.close()
                self._older.append(part)
            else:
                part.close_unfinished()
        return max(numbers, default=-1) + 1

    def _release_older(self) -> None:
        for part in self._older:
            part.release()


def part_path(table: Path, number: int) -> Path:
    """Returns the path of a part.

    Args:
        table: The path of the complete table.
        number: The number of the part.
    """
    return table.with_name(f"{table.stem}.partial-{number}.csv")


def find_parts(table: Path) -> list[Path]:
    """Returns the files of all parts of a table, with their progress files, by number.

    Args:
        table: The path of the complete table.
    """
    found = table.parent.glob(f"{glob.escape(table.stem)}.partial-*")
    return sorted((path for path in found if is_part(path.name, table)), key=_number)


def find_part_tables(table: Path) -> list[Path]:
    """Returns the parts of a table by number, without their progress files.

    Args:
        table: The path of the complete table.
    """
    return [path for path in find_parts(table) if path.suffix == ".csv"]


def is_part(name: str, table: Path) -> bool:
    """Returns whether a file name is that of a part of a table, or of its progress file.

    Args:
        name: The name.
        table: The path of the complete table.
    """
    return re.fullmatch(rf"{re.escape(table.stem)}\.partial-\d+\.(csv|json)", name) is not None


def _number(part: Path) -> tuple[int, str]:
    return int(part.stem.rpartition("-")[2]), part.suffix
