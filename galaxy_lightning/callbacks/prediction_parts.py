"""The parts of a table of predictions: those of an interrupted prediction, and a new one per process."""

import contextlib
import glob
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from data_prep.common.errors import GalaxyError
from galaxy_lightning.callbacks.prediction_columns import COUNTS, add_counts
from galaxy_lightning.callbacks.prediction_part import PredictionPart
from galaxy_lightning.data.batch_ranges import BatchRanges, missing_batches, overlap, share_of_process
from galaxy_lightning.runtime.gathering import Gathering

_MANY: Final = 32
"""Number of older parts that are merged into one, since the system limits the number of open files."""


class PredictionParts:
    """The parts of a table, which are files next to it (``NAME.partial-0.csv``).

    The first process finds and locks the parts of an interrupted prediction, by any number of processes. Each
    process then writes a part of its own, with its share of the missing batches.

    If there are many parts after many interruptions, the first process merges them into a new one, and then
    removes them. It may be killed in between. Therefore, of two parts that share batches, the newer one
    counts, and the other is removed.

    Args:
        table: The path of the complete table.
        made_of: What the predictions depend on, as JSON types; see :class:`~.prediction_part.PredictionPart`.
        batches: The number of all batches.
        gathering: Connects the processes.

    Attributes:
        resumed: On the first process, the number of galaxies in the parts of the interrupted prediction; 0 on
            the others.
        own: The part of this process.
        paths: The CSV files of the parts of all processes and, on the first process, of the interrupted
            prediction.

    Raises:
        GalaxyError: A part cannot be written, another process is writing it, or the new part already exists.
    """

    def __init__(
        self, table: Path, made_of: Mapping[str, Any] | None, batches: int, gathering: Gathering
    ) -> None:
        rank, processes = gathering.rank, gathering.processes
        self._table, self._is_first = table, rank == 0
        self._older: list[PredictionPart] = []
        self._next = 0
        with contextlib.ExitStack() as stack:
            stack.callback(self._release_older)
            done = self._open_older(made_of) if self._is_first else []
            number, done = gathering.gather((self._next, done))[0]
            todo = share_of_process(missing_batches(done, batches), processes, rank)
            self.own = _new_part(table, number + rank, made_of, todo)
            stack.pop_all()
        self.resumed = sum(part.written for part in self._older)
        own_paths = [part_path(table, number + each) for each in range(processes)]
        self.paths = [part.path for part in self._older] + own_paths

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
        self.own.close_unfinished()
        # A part without a progress file is of no use; that of another process may still be there.
        parts = [path for path in find_part_tables(self._table) if path.with_suffix(".json").exists()]
        if parts and self._is_first:
            names = ", ".join(map(str, parts))
            print(
                f"\nThe predictions so far are in {names}: run the same command again to resume",
                file=sys.stderr,
            )
        self._release_older()

    def _open_older(self, made_of: Mapping[str, Any] | None) -> BatchRanges:
        """Opens the parts that can be resumed, and removes the others; returns the batches that are done."""
        numbers = sorted({_number(path)[0] for path in find_parts(self._table)}, reverse=True)
        self._next = max(numbers, default=-1) + 1
        done: list[tuple[int, int]] = []
        for number in numbers:
            part = PredictionPart(part_path(self._table, number), self._table, made_of)
            if not part.done:
                part.close_unfinished()
            elif overlap(part.done, done):
                part.discard()
            else:
                part.close()
                self._older.append(part)
                done += part.done
                if len(self._older) >= _MANY:
                    self._merge_older(made_of)
        return done

    def _merge_older(self, made_of: Mapping[str, Any] | None) -> None:
        """Merges the open parts into one."""
        merged = _new_part(self._table, self._next, made_of)
        self._next += 1
        with contextlib.ExitStack() as stack:
            stack.callback(merged.close_unfinished)
            merged.absorb(self._older)
            merged.close()
            stack.pop_all()
        older, self._older = self._older, [merged]
        for part in older:
            part.discard()

    def _release_older(self) -> None:
        for part in self._older:
            part.release()


def _new_part(
    table: Path, number: int, made_of: Mapping[str, Any] | None, todo: BatchRanges = ()
) -> PredictionPart:
    """Makes a part that must not exist yet: a file system may show a process an older state of the folder."""
    part = PredictionPart(part_path(table, number), table, made_of, todo)
    if part.done or part.written:
        part.close_unfinished()
        raise GalaxyError(
            f"{part.path} holds predictions that process 0 did not see at the start: run the command again"
        )
    return part


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
