"""Writes a sample: the labelled galaxies, a summary, and the rows and files that were left out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_files, refuse_existing
from data_prep.common.json_files import json_text


def summary_path(sample: Path) -> Path:
    """Returns the path of a sample's summary: the sample's path with the suffix ``.json``."""
    return sample.with_suffix(".json")


def excluded_path(sample: Path) -> Path:
    """Returns the path of the list of what is not in a sample."""
    return sample.with_name(f"{sample.stem}_excluded.csv")


def refuse_existing_sample(out: Path, *, overwrite: bool) -> None:
    """Checks the name of a sample, and that nothing is replaced unless allowed.

    Raises:
        GalaxyError: The name does not end in ``.csv``, or a file exists and ``overwrite`` is false.
    """
    if out.suffix != ".csv":
        raise GalaxyError(f"{out}: the sample is a CSV file: use a name that ends in .csv")
    for path in (out, summary_path(out), excluded_path(out)):
        refuse_existing(path, overwrite=overwrite)


def draw_sample(
    eligible: pd.DataFrame,
    n: int | Literal["all"],
    seed: int,
    source: Path,
    excluded: Mapping[str, int],
    notes: list[str],
) -> pd.DataFrame:
    """Draws ``n`` galaxies at random.

    Args:
        eligible: The eligible galaxies.
        n: The number of galaxies, or ``"all"``.
        seed: The seed of the draw: the same seed gives the same galaxies in the same order.
        source: Where the galaxies come from, for the message.
        excluded: The number of exclusions by reason, for the message.
        notes: Hints for the message.

    Raises:
        GalaxyError: There are no eligible galaxies, or fewer than ``n``.
    """
    size = len(eligible) if n == "all" else n
    if not 1 <= size <= len(eligible):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in excluded.items()) or "none"
        if len(eligible):
            problem = f"{n:,} galaxies requested, but {len(eligible):,} are eligible"
            remedy = f"choose --n from 1 to {len(eligible):,}, or --n all"
        else:
            problem, remedy = "no galaxies are eligible", "check the tables and images"
        raise GalaxyError(f"{source}: {problem} (excluded: {reasons}): {'; '.join([remedy, *notes])}")
    # A random stream separate from that of the split, which preprocess draws with the same seed.
    return eligible.iloc[np.random.default_rng([seed, 2]).permutation(len(eligible))[:size]]


def write_sample(
    out: Path, sample: pd.DataFrame, summary: dict[str, Any], excluded: pd.DataFrame | None = None
) -> None:
    """Writes a sample with its summary, and the list of exclusions if there are any.

    Args:
        out: The CSV to write.
        sample: One row per image.
        summary: The content of the summary.
        excluded: The excluded rows and files, with their ``reason``.
    """
    lists = [] if excluded is None or excluded.empty else [excluded]
    with new_files(out, summary_path(out), *[excluded_path(out)] * len(lists)) as files:
        sample.to_csv(files[0], index=False)
        files[1].write_text(json_text(summary), encoding="utf-8")
        for file, table in zip(files[2:], lists, strict=True):
            table.to_csv(file, index=False, errors="backslashreplace")
    if not lists:
        excluded_path(out).unlink(missing_ok=True)  # An older list does not belong to the new sample.
