"""Shows the fits of a cross-validation: a bar for the one that runs, and a line for each finished fold."""

import contextlib
import re
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.processes import run_module
from data_prep.common.progress import (
    format_duration,
    join_fields,
    print_progress,
    progress_bar,
    terminal_columns,
)
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
        self._seconds: list[float] = []
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
        *,
        seconds_left: float | None = None,
    ) -> None:
        """Prints the line of a fold.

        Args:
            number: The fold, from 0.
            accuracy: Its accuracy.
            calibration_error: Its calibration error.
            seconds: The duration of its fit in seconds; None if it was trained before.
            seconds_left: The time left in seconds; by default the other folds take as long as those before,
                one after the other.
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
            self._seconds.append(seconds)
            if seconds_left is None:
                seconds_left = len(self._missing) * sum(self._seconds) / len(self._seconds)
            # The epochs of fits that still run may be finished, but not what follows them.
            left = format_duration(seconds_left) if self._missing and seconds_left >= 0.5 else ""
            self._width = max(self._width, len(left))
            fields += [f"{format_duration(seconds):>5}", f"{left:>{self._width}} left" if left else ""]
        print_progress(join_fields(fields, [*range(len(fields) - 1, 1, -1)], terminal_columns()))


def run_fit(
    args: Sequence[str],
    title: str,
    folder: Path,
    *,
    epochs: int | None,
    shown: bool = True,
    inherited: Sequence[int] = (),
) -> float:
    """Runs a fit in a separate process, and shows its epochs as a bar.

    Its warnings are shown; everything that it prints is saved in ``LOG``.

    Args:
        args: The options of ``fit``.
        title: The name of the fit, for the bar and an error.
        folder: The folder of its runs.
        epochs: The number of epochs, if it is known.
        shown: Whether to show the bar.
        inherited: Open file descriptors that the process inherits.

    Returns:
        The duration in seconds.

    Raises:
        GalaxyError: The fit failed.
    """
    log, start = folder / LOG, time.monotonic()
    with explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(_EpochBar(title, epochs, shown)) as bar:
        try:
            words = ["galaxy_lightning", "fit", *args]
            run_module(words, handle_line=bar.handle, log=log, inherited=inherited)
        except GalaxyError as error:
            raise GalaxyError(failed_fit(title, error, log)) from error
    return time.monotonic() - start


def failed_fit(title: str, error: GalaxyError, log: Path) -> str:
    """Returns the message about a fit that has failed.

    Args:
        title: The name of the fit.
        error: The reason.
        log: The file with all that it printed.
    """
    return f"{title}: the fit {error} (all that it printed: {log})"


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
