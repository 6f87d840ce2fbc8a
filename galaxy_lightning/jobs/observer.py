"""What the user sees of fits that run at once."""

import re
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import print_progress
from galaxy_lightning.jobs.job import Job
from galaxy_lightning.jobs.live_line import LiveLine

_ERROR: Final = re.compile(r"python -m \w+ fit\b.*?: error: ")
"""The beginning of the last line of a fit that has failed."""


class Observer(Protocol):
    """Is told what happens to the fits, each with its position from 0."""

    def start(self, number: int) -> None:
        """A fit is started."""

    def handle(self, number: int, line: str) -> None:
        """A fit has printed a line on standard error."""

    def finish(self, number: int, seconds: float | None, error: GalaxyError | None) -> None:
        """A fit has ended: its duration, or None if its run was complete before; and why it failed."""


class LiveObserver:
    """Shows the live line, the warnings of the fits, and what ``report`` prints about a finished fit.

    Args:
        jobs: The fits.
        line: The live line.
        report: Is called with the position and the duration of a fit that is complete.
        announce: Is called with the position of a fit that is started.

    Attributes:
        errors: Why fits have failed, by their position.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        line: LiveLine,
        report: Callable[[int, float | None], None],
        announce: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.errors: dict[int, GalaxyError] = {}
        self._jobs, self._line = jobs, line
        self._report, self._announce = report, announce

    def start(self, number: int) -> None:
        """Shows that a fit is started."""
        self._announce(number)
        self._line.start(number)

    def handle(self, number: int, line: str) -> None:
        """Shows a line that a fit has printed, unless it is that of an epoch, or of its error."""
        if not (self._line.handle(number, line) or _ERROR.match(line)):
            print_progress(f"{self._jobs[number]}: {line}")

    def finish(self, number: int, seconds: float | None, error: GalaxyError | None) -> None:
        """Shows that a fit has ended."""
        self._line.finish(number, complete=error is None)
        if error is None:
            self._report(number, seconds)
            return
        self.errors[number] = error
        if self._line.running:
            print_progress(f"{self._jobs[number]} has failed; the fits that are running are finished")
