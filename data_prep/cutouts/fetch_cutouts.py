"""Makes a folder of the cutouts of a table: downloads what is missing, and writes the tables at the end."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from data_prep.common.errors import GalaxyError, Terminated
from data_prep.cutouts.client import Client
from data_prep.cutouts.columns import PositionColumns
from data_prep.cutouts.cutout_folder import SUFFIXES, CutoutFolder, States
from data_prep.cutouts.download import RESUME, Download, FailuresInARowError
from data_prep.cutouts.journal import JOURNAL_FILE, Journal
from data_prep.cutouts.plan import Plan, make_plan
from data_prep.cutouts.services import Service
from data_prep.schema import CUTOUTS_FAILED

MAX_CONNECTIONS: Final = 64
RATES: Final = (0.001, 1000.0)
"""The smallest and the largest rate, in requests per second."""


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
        retry_failed: Whether to request again the cutouts that were listed as not available.

    Returns:
        The counts, by name: see ``count``.

    Raises:
        GalaxyError: The table or an option is invalid, the folder cannot be used, the service cannot be
            reached, refuses requests or fails, or it has none of the cutouts.
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise GalaxyError(f"--rate {rate:g}: choose {RATES[0]:g} to {RATES[1]:g} requests per second")
    if not 1 <= connections <= MAX_CONNECTIONS:
        raise GalaxyError(f"--connections {connections}: choose 1 to {MAX_CONNECTIONS}")
    plan = make_plan(table, columns or PositionColumns(), pixel_scale, ra_hours=ra_hours)
    for note in plan.notes:
        print(f"note: {note}", flush=True)
    folder = CutoutFolder(out, plan, service.to_json())
    # The viewer of the Legacy Surveys fails outside the footprint of a layer.
    unavailable = (500,) if service.survey == "legacy" and service.format == "fits" else ()
    client = Client(rate, service.max_bytes, unavailable=unavailable)
    failure: FailuresInARowError | None = None
    with folder.opened():
        states = folder.find_existing()
        journal = Journal(out / JOURNAL_FILE, len(plan.rows), forget=retry_failed)
        download = Download(plan, folder, service, client, journal, states)
        try:
            download.run(connections)
        except FailuresInARowError as error:
            failure = error
        except (KeyboardInterrupt, Terminated):
            print(f"\nThe cutouts so far are in {out}: {RESUME}", file=sys.stderr)
            raise
        finally:
            client.stop()
            journal.close()
        failures = download.find_failures()
        counts = count(plan, states, failures, download.count_shared())
        folder.write_tables(states, failures, counts)
    if failure is not None:
        raise failure
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
        "fits": int(np.count_nonzero(states == SUFFIXES.index(".fits"))),
        "shared": shared,
        "duplicates": plan.duplicates,
        "failed": sum(reasons.values()),
        "reasons": dict(reasons.most_common()),
    }
