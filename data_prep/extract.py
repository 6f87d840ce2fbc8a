"""Drawing a labelled sample of galaxies: mapping, votes and images in one join."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from data_prep.errors import GalaxyError
from data_prep.files import json_text, new_files, refuse_existing
from data_prep.labels import UNLABELLED, LabelRule, label_galaxies
from data_prep.schema import CLASSES, IMAGES_FOLDER, MAPPING_FILE, TABLE2_COLUMNS, TABLE2_FILE
from data_prep.tables import read_mapping, read_table2


def extract(
    raw: Path,
    out: Path,
    *,
    n: int | Literal["all"] = 2000,
    label_rule: LabelRule = "threshold",
    threshold: float = 0.65,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Draws ``n`` labelled galaxies with an image at random, and writes them as a CSV.

    Args:
        raw: Folder in the raw Galaxy Zoo layout: mapping, Table 2 and images.
        out: The CSV to write; what was drawn and left out goes beside it, with suffix ``.json``.
        n: How many galaxies, or ``"all"``.
        label_rule: How votes become a class; see :func:`data_prep.labels.label_galaxies`.
        threshold: The debiased vote fraction of the ``threshold`` rule.
        seed: Seed of the draw: the same seed gives the same file.
        overwrite: Replace an older sample of that name.

    Returns:
        The summary that is written beside the CSV: settings, counts, rows left out by reason.

    Raises:
        GalaxyError: Something is missing from ``raw``, ``out`` exists, or fewer than ``n``
            galaxies fit.
    """
    if out.suffix != ".csv":
        raise GalaxyError(f"{out}: the sample is written as CSV, with a summary beside it: name it .csv")
    for path in (out, summary_path(out)):
        refuse_existing(path, overwrite=overwrite)
    missing = [name for name in (MAPPING_FILE, TABLE2_FILE, IMAGES_FOLDER) if not (raw / name).exists()]
    if missing:
        raise GalaxyError(
            f"{raw} is no raw Galaxy Zoo folder, it lacks: {', '.join(missing)}. "
            "Get the real galaxies with: python -m data_prep download --out RAW; or simulated ones: "
            "python -m data_prep simulate --out RAW"
        )
    with tqdm(total=3, desc="reading the tables", unit=" tables", delay=1) as bar:
        mapping = read_mapping(raw / MAPPING_FILE)
        bar.update()
        votes = read_table2(raw / TABLE2_FILE)
        bar.update()
        images = image_names(raw / IMAGES_FOLDER)
        bar.update()
    votes["label"] = label_galaxies(votes, label_rule, threshold)
    joined, left_out = join_galaxies(mapping, votes, images)

    wanted = len(joined) if n == "all" else n
    if not 1 <= wanted <= len(joined):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count) or "none"
        asked = n if n == "all" else f"{n:,}"
        remedy = "ask for fewer, or for all with --n all" if len(joined) else "there is nothing to draw from"
        raise GalaxyError(
            f"{asked} galaxies were asked for, and {raw} holds {len(joined):,} that fit "
            f"(left out: {reasons}): {remedy}"
        )
    drawn = np.random.default_rng(seed).permutation(len(joined))[:wanted]
    sample = joined.iloc[drawn]
    columns = ["objid", "asset_id", "label", *(name for name in TABLE2_COLUMNS if name != "OBJID")]
    sample = sample.assign(path=IMAGES_FOLDER + "/" + sample["file"])[[*columns, "path"]]
    summary = {
        "label_rule": label_rule,
        "threshold": threshold if label_rule == "threshold" else None,
        "seed": seed,
        "galaxies": len(sample),
        "classes": {name: int((sample["label"] == name).sum()) for name in CLASSES},
        "that_fit": len(joined),
        "left_out": left_out,
    }
    with new_files(out, summary_path(out)) as (table, about):
        sample.to_csv(table, index=False)
        about.write_text(json_text(summary), encoding="utf-8")
    return summary


def join_galaxies(
    mapping: pd.DataFrame, votes: pd.DataFrame, images: Collection[str]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Joins which image shows which galaxy, the galaxies' votes, and the images that there are.

    Args:
        mapping: ``objid`` and ``asset_id``.
        votes: Table 2 with a ``label``, ``UNLABELLED`` where the votes are missing.
        images: Names of the image files.

    Returns:
        The galaxies that have all three, once each, with their ``file``; and how many rows were
        left out, by reason.
    """
    left_out: dict[str, int] = {}

    def keep(rows: pd.DataFrame, fits: "pd.Series[bool]", reason: str) -> pd.DataFrame:
        left_out[reason] = int(len(rows) - fits.sum())
        return rows[fits]

    votes = keep(votes, ~votes["OBJID"].duplicated(), "objid repeated in Table 2")
    joined = mapping.merge(votes, how="left", left_on="objid", right_on="OBJID", indicator="found")
    joined = keep(joined, joined["found"] == "both", "objid not in Table 2")
    joined = keep(joined, joined["label"] != UNLABELLED, "no vote")
    joined = joined.assign(file=joined["asset_id"].astype(str) + ".jpg")
    joined = keep(joined, joined["file"].isin(images), "no image")
    return keep(joined, ~joined["objid"].duplicated(), "objid repeated in the mapping"), left_out


def summary_path(sample: Path) -> Path:
    """Returns where the summary of a sample lies: beside it, with suffix ``.json``."""
    return sample.with_suffix(".json")


def image_names(folder: Path) -> set[str]:
    """Returns the names of a folder's files, read in one pass: asking for each costs far more."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if not entry.name.startswith("._")}
