"""A live line about fits that run at once: how many are finished and running, and the time left."""

import time
from collections.abc import Callable, Collection
from typing import Any

from data_prep.common.progress import format_duration, progress_bar
from galaxy_lightning.runs.epoch_progress import parse_epoch_line


class LiveLine:
    """Shows fits that run at once in one line on standard error, only on a terminal.

    Args:
        total: The number of fits.
        missing: The fits to train.
        shown: Whether to show the line.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        total: int,
        missing: Collection[int],
        *,
        shown: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._missing, self._clock = total, set(missing), clock
        self._start = clock()
        self._done = 0.0
        self._running: dict[int, float] = {}
        self._before: dict[int, float] = {}
        self._bar: Any = progress_bar(
            total=total, bar_format="{desc}", leave=False, delay=0, mininterval=0, shown=shown
        )
        self.refresh()

    @property
    def running(self) -> int:
        """The number of fits that are running."""
        return len(self._running)

    def start(self, number: int) -> None:
        """Shows that a fit is running.

        Args:
            number: The fit.
        """
        self._running[number] = 0.0
        self.refresh()

    def handle(self, number: int, line: str) -> bool:
        """Reads the share of its epochs that a fit has finished from a line that it has printed.

        Args:
            number: The fit.
            line: The line.

        Returns:
            Whether the line is that of an epoch, so that it need not be shown.
        """
        epoch = parse_epoch_line(line)
        if epoch is None:
            return False
        done, epochs = epoch
        if epochs:
            self._before.setdefault(number, (done - 1) / epochs)  # A resumed fit does not begin with epoch 1.
            self._running[number] = min(done / epochs, 1.0)
        self.refresh()
        return True

    def finish(self, number: int, *, complete: bool) -> None:
        """Shows that a fit has ended.

        Args:
            number: The fit.
            complete: Whether it is complete.
        """
        if self._running.pop(number, None) is not None:
            self._done += 1 - self._before.pop(number, 0)
        if complete:
            self._missing.discard(number)
        self.refresh()

    def seconds_left(self) -> float | None:
        """Estimates the time left from the epochs that are finished; None before there are any."""
        begun = sum(self._running.values())
        work = self._done + begun - sum(self._before.values())
        return (self._clock() - self._start) * (len(self._missing) - begun) / work if work else None

    def refresh(self) -> None:
        """Shows the line as it is now."""
        if self._bar.disable:
            return
        left = self.seconds_left()
        text = (
            f"{self._total - len(self._missing)} of {self._total} fits finished, {len(self._running)} running"
        )
        self._bar.set_description_str(text + (f", {format_duration(left)} left" if left else ""))

    def close(self) -> None:
        """Removes the line."""
        self._bar.close()
