"""Downloads the cutouts that are missing, and stops if the service does not work."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from data_prep.common.threads import unordered
from data_prep.cutouts.answers import AnswerError, CutoutImage, NoImageError, WrongAnswerError, recognise
from data_prep.cutouts.client import Client
from data_prep.cutouts.cutout_folder import CutoutFolder, States
from data_prep.cutouts.journal import Journal
from data_prep.cutouts.plan import Plan, Rows
from data_prep.cutouts.services import Service

MAX_FAILURES: Final = 20
"""Number of cutouts in a row whose requests fail before the command stops."""
RESUME: Final = "run the same command again to resume"


class FailuresInARowError(GalaxyError):
    """The requests of ``MAX_FAILURES`` cutouts in a row have failed."""


class Download:
    """The download of the cutouts that are missing.

    A wrong answer, such as an error of the server outside of a survey, may be one that every request gets at
    the moment. It is permanent only if another cutout is received later.

    Args:
        plan: The cutouts.
        folder: Their folder.
        service: The image service.
        client: Requests the images.
        journal: The cutouts that could not be downloaded.
        states: ``[N]`` the state of each cutout, which is updated.
    """

    def __init__(
        self,
        plan: Plan,
        folder: CutoutFolder,
        service: Service,
        client: Client,
        journal: Journal,
        states: States,
    ) -> None:
        self._plan, self._folder, self._service = plan, folder, service
        self._client, self._journal, self._states = client, journal, states
        numbers = np.arange(len(plan.rows))
        self._leaders = numbers if service.uses_id else plan.find_shared()
        self._followers: dict[int, list[int]] = {}
        for follower in np.flatnonzero(self._leaders != numbers).tolist():
            self._followers.setdefault(int(self._leaders[follower]), []).append(follower)
        self._unconfirmed: dict[int, str] = {}
        self._in_a_row = 0

    def run(self, connections: int) -> None:
        """Downloads what is missing.

        Args:
            connections: The maximum number of requests at a time.

        Raises:
            FailuresInARowError: The service does not work.
            GalaxyError: A file cannot be written, or the service cannot be reached or refuses requests.
        """
        for leader in self._followers:
            if self._states[leader]:
                self._share(leader)
        missing = self._find_missing()
        try:
            with (
                progress_bar(total=len(missing), desc="cutouts", unit=" cutouts", smoothing=0.05) as bar,
                unordered(self._fetch, _numbers(missing), connections) as results,
            ):
                for number, result in results:
                    self._keep(number, result)
                    bar.update()
        finally:
            self._record_unconfirmed(are_permanent=False)

    def find_failures(self) -> dict[int, str]:
        """Returns the reason for each cutout that could not be downloaded."""
        known = self._journal.temporary | self._journal.permanent
        failures = {number: reason for number, reason in known.items() if not self._states[number]}
        for leader, followers in self._followers.items():
            if leader in failures:
                failures |= {each: failures[leader] for each in followers if not self._states[each]}
        return failures

    def count_shared(self) -> int:
        """Returns the number of cutouts with the file of another one."""
        return sum(bool(self._states[each]) for group in self._followers.values() for each in group)

    def _find_missing(self) -> Rows:
        """Returns the cutouts to request; those whose last request failed are the last ones."""
        missing = (self._states == 0) & (self._leaders == np.arange(len(self._leaders)))
        missing[list(self._journal.permanent)] = False
        has_failed = np.zeros(len(missing), dtype=np.bool_)
        has_failed[list(self._journal.temporary)] = True
        # In a random order, galaxies outside of a survey do not come one after another.
        untried = np.random.default_rng(0).permutation(np.flatnonzero(missing & ~has_failed))
        return np.concatenate([untried, np.flatnonzero(missing & has_failed)])

    def _fetch(self, number: int) -> CutoutImage:
        """Requests a cutout; runs in a thread."""
        plan, row = self._plan, self._plan.rows[number]
        url = self._service.url(
            float(plan.ra[row]), float(plan.dec[row]), float(plan.scale[row]), plan.name(number)
        )
        return self._client.fetch(url, lambda content: recognise(content, self._service))

    def _keep(self, number: int, result: CutoutImage | Exception) -> None:
        """Saves a cutout or records why there is none; stops if nothing works."""
        if isinstance(result, CutoutImage):
            self._states[number] = self._folder.save(number, result)
            self._share(number)
            self._record_unconfirmed(are_permanent=True)
            self._in_a_row = 0
            return
        if not isinstance(result, AnswerError):
            raise result
        reason = str(result)
        self._in_a_row += 1
        if isinstance(result, WrongAnswerError):
            self._unconfirmed[number] = reason
        else:
            is_permanent = isinstance(result, NoImageError)
            self._journal.add(number, reason, is_permanent=is_permanent)
            if is_permanent:
                self._in_a_row = 0
        if not self._client.has_answered:
            raise GalaxyError(f"the image service cannot be reached: {reason}; {RESUME}")
        if self._in_a_row >= MAX_FAILURES:
            raise FailuresInARowError(
                f"{self._in_a_row} cutouts in a row could not be downloaded (the last: {reason}); "
                f"{np.count_nonzero(self._states):,} are saved; {RESUME}"
            )

    def _record_unconfirmed(self, *, are_permanent: bool) -> None:
        """Records the wrong answers since the last image."""
        for number, reason in self._unconfirmed.items():
            self._journal.add(number, reason, is_permanent=are_permanent)
        self._unconfirmed.clear()

    def _share(self, leader: int) -> None:
        """Gives the file of a cutout to those with the same position and pixel scale."""
        state = int(self._states[leader])
        for follower in self._followers.get(leader, ()):
            if not self._states[follower]:
                self._folder.share(follower, leader, state)
                self._states[follower] = state


def _numbers(missing: Rows) -> Iterator[int]:
    """Yields numbers one at a time, so that there is no list of a million integers."""
    for number in missing:
        yield int(number)
