"""Shows the fits of a cross-validation: a bar for the one that runs, and a line for each finished fold."""

import contextlib
import re
from collections.abc import Collection, Sequence
from typing import Any, Final

from data_prep.common.errors import GalaxyError
from data_prep.common.processes import run_module
from data_prep.common.progress import (
    format_duration,
    join_fields,
    print_progress,
    progress_bar,
    terminal_columns,
)
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.epoch_progress import parse_epoch_line

LOG: Final = "fit.log"
"""The file with all that a fit prints, in the folder of its runs."""

_BAR: Final = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs{postfix}"


class FoldProgress:
    """Prints a line for each fold, with its results, its duration and the time left.

    Args:
        folds: The number of folds.
        missing: The numbers of the folds to train, from 0.
    """

    def __init__(self, folds: int, missing: Collection[int]) -> None:
        self._folds, self._missing = folds, set(missing)
        self._width = 0

    def title(self, number: int) -> str:
        """Returns the name of a fold, counted from 1: ``fold 2/5``.

        Args:
            number: The fold, from 0.
        """
        return f"fold {number + 1:>{len(str(self._folds))}}/{self._folds}"

    def finish(
        self,
        number: int,
        accuracy: float,
        calibration_error: float,
        seconds: float | None,
        seconds_left: float | None,
    ) -> None:
        """Prints the line of a fold.

        Args:
            number: The fold, from 0.
            accuracy: Its accuracy.
            calibration_error: Its calibration error.
            seconds: The duration of its fit in seconds; None if it was trained before.
            seconds_left: The time left in seconds; None if it is not known.
        """
        self._missing.discard(number)
        fields = [
            self.title(number),
            f"accuracy {accuracy:.3f}",
            f"calibration error {calibration_error:.3f}",
        ]
        if seconds is None:
            fields.append("trained before")
        else:
            # The epochs of fits that still run may be finished, but not what follows them.
            left = (
                format_duration(seconds_left)
                if self._missing and seconds_left and seconds_left >= 0.5
                else ""
            )
            self._width = max(self._width, len(left))
            fields += [f"{format_duration(seconds):>5}", f"{left:>{self._width}} left" if left else ""]
        print_progress(join_fields(fields, [*range(len(fields) - 1, 1, -1)], terminal_columns()))


def run_fit(job: Job, *, epochs: int | None, shown: bool = True, inherited: Sequence[int] = ()) -> None:
    """Runs a fit in a separate process, and shows its epochs as a bar.

    Its warnings are shown; everything that it prints is saved in its log.

    Args:
        job: The fit.
        epochs: The number of epochs, if it is known.
        shown: Whether to show the bar.
        inherited: Open file descriptors that the process inherits.

    Raises:
        GalaxyError: The fit failed.
    """
    with contextlib.closing(_EpochBar(job.title, epochs, shown)) as bar:
        run_module(job.command, handle_line=bar.handle, log=job.log, inherited=inherited)


def failed_fit(job: Job, error: GalaxyError) -> str:
    """Returns the message about a fit that has failed.

    Args:
        job: The fit.
        error: The reason.
    """
    printed = f" (all that it printed: {job.log})" if job.log.is_file() else ""
    return f"{job.title}: {error}{printed}"


class _EpochBar:
    """A bar with the epochs of a fit that prints its lines into a pipe.

    Args:
        title: The name of the fit.
        epochs: The number of epochs, if it is known.
        shown: Whether to show the bar.
    """

    def __init__(self, title: str, epochs: int | None, shown: bool) -> None:
        self._bar: Any = progress_bar(
            total=epochs, desc=title, bar_format=_BAR, leave=False, delay=0, mininterval=0, shown=shown
        )

    def handle(self, line: str) -> None:
        """Advances the bar if the line is that of an epoch; otherwise prints the line.

        An error is not printed: the command that trains the fit reports it at its end.
        """
        if epoch := parse_epoch_line(line):
            done, self._bar.total = epoch
            fields = [" ".join(field.split()) for field in re.split("  +(?=[a-z])", line)]
            # The most important one: a narrow terminal has no room for all.
            measured = [field for field in fields if re.match("loss|val accuracy", field)]
            self._bar.set_postfix_str(measured[-1] if measured else "", refresh=False)
            self._bar.update(done - self._bar.n)
        elif not line.startswith(f"{PROGRAM} fit: error: "):
            print_progress(line)

    def close(self) -> None:
        """Removes the bar."""
        self._bar.close()
