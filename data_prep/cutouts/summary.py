"""Summary of a download."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from data_prep.schema import CUTOUTS_FAILED

_SHOWN: Final = 8
"""Maximum number of reasons in the summary."""


def report(out: Path, counts: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines of the summary.

    Args:
        out: The folder of the cutouts.
        counts: The counts; see :func:`data_prep.cutouts.fetch_cutouts.count`.
    """
    saved, failed = counts["saved"], counts["failed"]
    listed = f"; {failed:,} not available, see {out / CUTOUTS_FAILED}" if failed else ""
    yield f"Saved {saved:,} cutout{'' if saved == 1 else 's'} to {out}{listed}"
    if failed:
        reasons = [f"{reason} ({number:,})" for reason, number in counts["reasons"].items()]
        more = [f"{len(reasons) - _SHOWN:,} other reasons"] if len(reasons) > _SHOWN else []
        yield f"not available: {'; '.join([*reasons[:_SHOWN], *more])}"
    if counts["duplicates"]:
        yield f"note: rows that repeat a galaxy have no cutout of their own: {counts['duplicates']:,}"
    if counts["shared"]:
        yield f"note: galaxies that share the cutout of the same position: {counts['shared']:,}"
