"""Shows the epochs of a fit: a line for each, and on a terminal a bar while it runs.

This module does not need torch, so that every model shows its epochs in the same form.
"""

import math
import re
import time
from collections.abc import Mapping
from typing import Any, Final, SupportsFloat

from data_prep.common.progress import (
    format_duration,
    join_fields,
    print_progress,
    progress_bar,
    terminal_columns,
)

_BAR: Final = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} batches{postfix}"
_REFRESH_SECONDS: Final = 0.1
_LINE: Final = re.compile(r"epoch +(\d+)(?:/(\d+))?(?:  |$)")


class EpochProgress:
    """Prints a line per epoch on standard error, and shows a bar on a terminal while an epoch runs.

    Consecutive lines are aligned. A line never wraps: in a narrow terminal, it leaves out the images per
    second, then the time left, then the losses.

    Args:
        epochs: The last epoch's number, counted from 1; None if it is unknown.
        validates: Whether the model is validated; if so, all lines have columns for it.
        shown: Whether to show anything.
    """

    def __init__(self, epochs: int | None, *, validates: bool = True, shown: bool = True) -> None:
        self._epochs, self._validates, self._shown = epochs, validates, shown
        self._bar: Any = None
        self._step: tuple[int, str] | None = None
        self._next_refresh = 0.0
        self._seconds: list[float] = []
        self._widths = {"images/s": 4, "left": 4}

    def update(
        self, epoch: int, done: int, batches: float, *, what: str = "", loss: SupportsFloat | None = None
    ) -> None:
        """Shows on the bar how much of an epoch is done.

        Args:
            epoch: The epoch, from 0.
            done: Number of batches that are done.
            batches: Number of batches, which may be infinite.
            what: What is done besides training, such as ``validating``.
            loss: The mean loss of these batches; converted only when the bar is drawn.
        """
        if not self._shown:
            return
        if self._step != (epoch, what):
            self.close()
            self._step = (epoch, what)
            self._bar = progress_bar(
                total=int(batches) if math.isfinite(batches) else None,
                desc=self._name(epoch) + (f", {what}" if what else ""),
                bar_format=_BAR,
                leave=False,
                mininterval=0,
                miniters=1,
            )
        if self._bar.disable or (time.monotonic() < self._next_refresh and done != batches):
            return
        self._next_refresh = time.monotonic() + _REFRESH_SECONDS
        if loss is not None:
            self._bar.set_postfix_str(f"loss {_five_characters(float(loss)).strip()}", refresh=False)
        self._bar.update(done - self._bar.n)

    def finish(
        self,
        row: Mapping[str, float],
        images_per_second: float | None = None,
        seconds_left: float | None = None,
    ) -> None:
        """Replaces the bar by the line of the finished epoch.

        Args:
            row: The epoch's row of ``history.csv``; NaN for what was not measured.
            images_per_second: Training images per second of training; None if unknown.
            seconds_left: The time in seconds after which the fit will be stopped, if that is limited.
        """
        self.close()
        if self._shown:
            self._seconds.append(row["seconds"])
            print_progress(self._line(row, images_per_second, seconds_left))

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
        self._bar = self._step = None

    def _name(self, epoch: int) -> str:
        """Returns the name of an epoch, counted from 1."""
        if self._epochs is None:
            return f"epoch {epoch + 1:>3}"
        return f"epoch {epoch + 1:>{len(str(self._epochs))}}/{self._epochs}"

    def _line(
        self, row: Mapping[str, float], images_per_second: float | None, seconds_left: float | None
    ) -> str:
        """Returns the line of a finished epoch, which fits the terminal."""
        epoch = int(row["epoch"])
        fields = [self._name(epoch), f"loss {_five_characters(row['train_loss'])}"]
        if self._validates:
            fields.append(f"val loss {_five_characters(row['val_loss'])}")
            fields.append(f"val accuracy {_five_characters(row['val_accuracy'])}")
        losses = [1, 2] if self._validates else []
        rate = "-" if images_per_second is None else f"{images_per_second:.0f}"
        fields += [self._column("images/s", rate), self._column("left", self._left(epoch, seconds_left))]
        return join_fields(fields, [len(fields) - 2, len(fields) - 1, *losses], terminal_columns())

    def _left(self, epoch: int, seconds_left: float | None) -> str:
        """Returns the time left, from the mean of the epochs; nothing if it is unknown or nothing is left."""
        times = [] if seconds_left is None else [seconds_left]
        if self._epochs is not None:
            times.append((self._epochs - epoch - 1) * sum(self._seconds) / len(self._seconds))
        is_last = epoch + 1 == self._epochs
        return format_duration(max(0, min(times))) if times and not is_last else ""

    def _column(self, unit: str, number: str) -> str:
        """Returns a number with its unit, aligned with those of earlier lines."""
        width = self._widths[unit] = max(self._widths[unit], len(number))
        return f"{number:>{width}} {unit if number else ' ' * len(unit)}"


def parse_epoch_line(line: str) -> tuple[int, int | None] | None:
    """Returns the epoch, counted from 1, and the number of epochs in a line of :class:`EpochProgress`.

    Args:
        line: A line that a fit has printed.

    Returns:
        The epoch, and the number of epochs if it is known; None if the line is another one.
    """
    found = _LINE.match(line)
    return None if found is None else (int(found[1]), int(found[2]) if found[2] else None)


def _five_characters(value: float) -> str:
    """Returns a number in five characters, if possible; ``-`` for NaN."""
    if math.isnan(value):
        return "    -"
    decimals = 3 if abs(value) < 9.9995 else 2 if abs(value) < 99.995 else 1 if abs(value) < 999.95 else 0
    return f"{value:5.{decimals}f}" if abs(value) < 99999.5 else f"{value:5.0e}"
