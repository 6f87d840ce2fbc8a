"""Downloads the cutouts of a table: requests what is missing, saves it, and writes the tables at the end."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_prep.common.errors import GalaxyError, Terminated
from data_prep.common.progress import progress_bar
from data_prep.common.threads import unordered
from data_prep.cutouts.answers import (
    AnswerError,
    CutoutImage,
    NoImageError,
    NotFoundError,
    TransientError,
    recognise,
)
from data_prep.cutouts.client import Client
from data_prep.cutouts.columns import PositionColumns
from data_prep.cutouts.cutout_folder import CutoutFolder, States
from data_prep.cutouts.journal import JOURNAL_FILE, Journal
from data_prep.cutouts.plan import Plan, Rows, make_plan
from data_prep.cutouts.services import Service
from data_prep.schema import CUTOUTS_FAILED

MAX_FAILURES: Final = 20
"""Number of cutouts in a row whose requests fail before the command stops."""

_RESUME: Final = "run the same command again to resume"


def fetch_cutouts(
    table: Path,
    out: Path,
    service: Service,
    pixel_scale: str,
    *,
    columns: PositionColumns | None = None,
    ra_hours: bool = False,
    connections: int = 4,
    rate: float = 5.0,
    retry_failed: bool = False,
) -> dict[str, Any]:
    """Downloads the cutouts of the galaxies of a table.

    Args:
        table: A table in any format; see :func:`data_prep.tables.catalogues.open_catalogue`.
        out: The folder to create or complete.
        service: The image service, with its settings.
        pixel_scale: Arcsec per pixel: a number, a column, or ``number*column``.
        columns: The named columns; the others are guessed.
        ra_hours: Whether decimal right ascensions are in hours.
        connections: The maximum number of requests at a time.
        rate: The maximum number of requests per second.
        retry_failed: Whether to request again what the service did not have.

    Returns:
        The counts, by name: see ``count``.

    Raises:
        GalaxyError: The table or an option is invalid, the folder cannot be used, the service cannot be
            reached or refuses all requests, or it has none of the cutouts.
    """
    plan = make_plan(table, columns or PositionColumns(), pixel_scale, ra_hours=ra_hours)
    for note in plan.notes:
        print(f"note: {note}", flush=True)
    number = _as_number(pixel_scale)
    folder = CutoutFolder(
        out, plan, {**service.to_json(), "pixel_scale": pixel_scale if number is None else number}
    )
    # The viewer of the Legacy Surveys fails outside the footprint of a layer.
    unavailable = (500,) if service.survey == "legacy" and service.format == "fits" else ()
    client = Client(rate, service.max_bytes, unavailable=unavailable)
    with folder.opened():
        states = folder.find_existing()
        journal = Journal(out / JOURNAL_FILE, forget=retry_failed)
        download = _Download(plan, folder, service, client, journal, states)
        try:
            failures = download.run(connections)
        except (KeyboardInterrupt, Terminated):
            print(f"\nThe cutouts so far are in {out}: {_RESUME}", file=sys.stderr)
            raise
        finally:
            client.stop()
            journal.close()
        counts = count(plan, states, failures, download.shared)
        folder.write_tables(states, failures, counts)
    if not counts["saved"]:
        first = failures[min(failures)]
        raise GalaxyError(f"no cutout could be obtained: {first}; see {out / CUTOUTS_FAILED}")
    return counts


def count(plan: Plan, states: States, failures: Mapping[int, str], shared: int) -> dict[str, Any]:
    """Returns the numbers of rows of the table by what became of them.

    Args:
        plan: The cutouts.
        states: ``[N]`` the state of each cutout.
        failures: The reason for each cutout that has no file.
        shared: The number of cutouts with the file of another one.
    """
    reasons = Counter(failures.values())
    reasons.update({reason: len(rows) for reason, rows in plan.excluded.items()})
    return {
        "rows": len(plan.ra),
        "saved": int(np.count_nonzero(states)),
        "shared": shared,
        "duplicates": plan.duplicates,
        "failed": sum(reasons.values()),
        "reasons": dict(reasons.most_common()),
    }


class _Download:
    """The download of the cutouts that are missing.

    Args:
        plan: The cutouts.
        folder: Their folder.
        service: The image service.
        client: Requests the images.
        journal: The cutouts that the service does not have.
        states: ``[N]`` the state of each cutout, which is updated.

    Attributes:
        shared: The number of cutouts with the file of another one.
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
        leaders = np.arange(len(plan.rows)) if service.uses_id else plan.find_shared()
        self._leaders = leaders
        followers = np.flatnonzero(leaders != np.arange(len(leaders)))
        self.shared = 0
        self._followers: dict[int, list[int]] = {}
        for follower in followers.tolist():
            self._followers.setdefault(int(leaders[follower]), []).append(follower)
        self._failures: dict[int, str] = dict(journal.failures)
        self._in_a_row = 0

    def run(self, connections: int) -> dict[int, str]:
        """Downloads what is missing.

        Args:
            connections: The maximum number of requests at a time.

        Returns:
            The reason for each cutout that has no file.

        Raises:
            GalaxyError: A file cannot be written, or the service cannot be reached or refuses all requests.
        """
        missing = self._find_missing()
        with (
            progress_bar(total=len(missing), desc="cutouts", unit=" cutouts", smoothing=0.05) as bar,
            unordered(self._fetch, _numbers(missing), connections) as results,
        ):
            for number, result in results:
                self._keep(number, result)
                bar.update()
        for number in np.flatnonzero(self._states).tolist():
            self._failures.pop(number, None)
        for leader, followers in self._followers.items():
            for follower in followers:
                if not self._states[follower]:
                    self._failures[follower] = self._failures[leader]
        self.shared = sum(bool(self._states[each]) for group in self._followers.values() for each in group)
        return self._failures

    def _find_missing(self) -> Rows:
        """Returns the cutouts to request, after linking those that share an existing file."""
        missing = (self._states == 0) & (self._leaders == np.arange(len(self._leaders)))
        missing[[number for number in self._journal.failures if number < len(missing)]] = False
        for leader in self._followers:
            if self._states[leader]:
                self._share(leader)
        return np.flatnonzero(missing)

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
            self._in_a_row = 0
            return
        if not isinstance(result, AnswerError):
            raise result
        reason = str(result)
        self._failures[number] = reason
        if not isinstance(result, TransientError):
            self._journal.add(number, reason)
        # A page that is not found may be the answer outside of a survey, or the address may be wrong.
        is_expected = isinstance(result, NoImageError) and (
            not isinstance(result, NotFoundError) or bool(self._states.any())
        )
        self._in_a_row = 0 if is_expected else self._in_a_row + 1
        if not self._client.has_answered:
            raise GalaxyError(f"the image service cannot be reached: {reason}; {_RESUME}")
        if self._in_a_row >= MAX_FAILURES:
            raise GalaxyError(
                f"{self._in_a_row} cutouts in a row could not be downloaded (the last: {reason}); {_RESUME}"
            )

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


def _as_number(text: str) -> float | int | None:
    """Returns a pixel scale as a JSON number; None if it depends on a column."""
    try:
        return int(text) if text.strip().isdecimal() else float(text)
    except ValueError:
        return None
