"""Drawing a labelled sample of galaxies: mapping, votes and images in one join."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_files, refuse_existing
from data_prep.common.json_files import json_text
from data_prep.common.progress import progress_bar
from data_prep.samples.labels import UNLABELLED, LabelRule, label_galaxies, suggest_other_rule
from data_prep.schema import CLASSES, IMAGES_FOLDER, MAPPING_FILE, TABLE2_COLUMNS, TABLE2_FILE, VOTE_THRESHOLD
from data_prep.sources.galaxy_zoo import read_mapping, read_table2
from data_prep.sources.image_folder import ImageFolder, find_images
from data_prep.sources.objids import refuse_unmatched_roundings
from data_prep.sources.positions import compare_positions


def extract(
    raw: Path,
    out: Path,
    *,
    n: int | Literal["all"] = 2000,
    label_rule: LabelRule = "threshold",
    threshold: float = VOTE_THRESHOLD,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Draws ``n`` labelled galaxies with an image at random, and writes them as a CSV.

    Args:
        raw: Folder in the raw Galaxy Zoo layout: mapping, Table 2 and images.
        out: The CSV to write; what was drawn and left out goes beside it, with suffix ``.json``.
        n: How many galaxies, or ``"all"``.
        label_rule: How votes become a class; see :func:`data_prep.samples.labels.label_galaxies`.
        threshold: The debiased vote fraction of the ``threshold`` rule.
        seed: Seed of the draw: the same seed gives the same file.
        overwrite: Replace an older sample of that name.

    Returns:
        The summary that is written beside the CSV: settings, counts, what was left out by reason, and notes
        on what the user should know.

    Raises:
        GalaxyError: Something is missing from ``raw``, ``out`` exists, or fewer than ``n``
            galaxies fit.
    """
    if out.suffix != ".csv":
        raise GalaxyError(f"{out}: the sample is written as CSV, with a summary beside it: name it .csv")
    for path in (out, summary_path(out)):
        refuse_existing(path, overwrite=overwrite)
    mapping_path, votes_path, images = find_parts(raw)
    with progress_bar(total=2, desc="reading the tables", unit=" tables") as bar:
        mapping = read_mapping(mapping_path)
        bar.update()
        votes = read_table2(votes_path)
        bar.update()
    refuse_unmatched_roundings(
        mapping["objid"].to_numpy(), votes["OBJID"].to_numpy(), mapping_path, votes_path
    )
    votes["label"] = label_galaxies(votes, label_rule, threshold)
    joined, left_out, notes = join_galaxies(mapping, votes, images, label_rule)

    wanted = len(joined) if n == "all" else n
    if not 1 <= wanted <= len(joined):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items()) or "none"
        asked = n if n == "all" else f"{n:,}"
        remedy = "ask for fewer, or for all with --n all" if len(joined) else "there is nothing to draw from"
        raise GalaxyError(
            f"{asked} galaxies were asked for, and {raw} holds {len(joined):,} that fit "
            f"(left out: {reasons}): {'; '.join([remedy, *notes])}"
        )
    # A stream apart from the split's, which preprocess draws from the same seed.
    drawn = np.random.default_rng([seed, 2]).permutation(len(joined))[:wanted]
    sample = joined.iloc[drawn]
    columns = ["objid", "asset_id", "label", *(name for name in TABLE2_COLUMNS if name != "OBJID")]
    paths = [f"{images.place}/{file}" if images.place else file for file in sample["file"]]
    sample = sample.assign(path=paths)[[*columns, "path"]]
    summary = {
        "label_rule": label_rule,
        "threshold": threshold if label_rule == "threshold" else None,
        "seed": seed,
        "galaxies": len(sample),
        "classes": {name: int((sample["label"] == name).sum()) for name in CLASSES},
        "that_fit": len(joined),
        "left_out": left_out,
        "notes": notes,
    }
    with new_files(out, summary_path(out)) as (table, about):
        sample.to_csv(table, index=False)
        about.write_text(json_text(summary), encoding="utf-8")
    return summary


def find_parts(raw: Path) -> tuple[Path, Path, ImageFolder]:
    """Finds the mapping, Table 2 and the images of a raw survey; a table may be gzipped.

    Raises:
        GalaxyError: One is missing.
    """
    if raw.exists() and not raw.is_dir():
        raise GalaxyError(f"{raw} is not a folder: name the folder of the raw survey")
    tables = {
        name: next((path for path in (raw / name, raw / f"{name}.gz") if path.exists()), None)
        for name in (MAPPING_FILE, TABLE2_FILE)
    }
    mapping, votes = tables.values()
    images = find_images(raw) if raw.exists() else None
    if images and not images.names and not (raw / IMAGES_FOLDER).exists():
        images = None
    if mapping and votes and images:
        return mapping, votes, images
    missing = [name for name, part in ((IMAGES_FOLDER, images), *tables.items()) if not part]
    others = sorted(path.name for path in raw.glob("*.csv*") if path not in (mapping, votes))
    unused = f" (labels are made from its votes, not from {', '.join(others[:3])})" if others else ""
    raise GalaxyError(
        f"{raw} is not a raw Galaxy Zoo folder; missing: {', '.join(missing)}{'' if votes else unused}. "
        "Get the real galaxies with: python -m data_prep download --out RAW; or simulated ones: "
        "python -m data_prep simulate --out RAW"
    )


def join_galaxies(
    mapping: pd.DataFrame, votes: pd.DataFrame, images: ImageFolder, label_rule: LabelRule
) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """Joins which image shows which galaxy, the galaxies' votes, and the images that there are.

    Args:
        mapping: ``objid`` and ``asset_id``; perhaps ``ra`` and ``dec``, which must be Table 2's.
        votes: Table 2 with a ``label``, ``UNLABELLED`` where the votes are missing.
        images: The image files.
        label_rule: The rule of the labels.

    Returns:
        The galaxies that have all three, once each, with their ``file``; how much was left out, by reason;
        and what the user should know.

    Raises:
        GalaxyError: The positions that the two tables give of the same galaxies disagree.
    """
    left_out: dict[str, int] = {}

    def keep(rows: pd.DataFrame, fits: "pd.Series[bool]", reason: str) -> pd.DataFrame:
        left_out[reason] = int(len(rows) - fits.sum())
        return rows[fits]

    files, notes = images.find_files(mapping)
    left_out["images not in the mapping"] = len(images.names) - files.nunique()
    left_out |= images.left_out
    mapping = keep(mapping.assign(file=files), mapping["objid"] > 0, "objid of the mapping not positive")
    mapping = keep(mapping, ~_has_shared_asset_id(mapping), "asset id of several galaxies")
    votes = keep(votes, votes["OBJID"] > 0, "objid of Table 2 not positive")
    votes = keep(votes, ~votes["OBJID"].duplicated(), "objid repeated in Table 2")
    left_out["objid of Table 2 not in the mapping"] = int((~votes["OBJID"].isin(mapping["objid"])).sum())
    joined = mapping.merge(votes, how="left", left_on="objid", right_on="OBJID", indicator="found")
    joined = keep(joined, joined["found"] == "both", "objid not in Table 2")
    if 2 * len(joined) < len(mapping) and len(votes):
        notes.append(
            f"only {len(joined):,} of the {len(mapping):,} objids of the mapping are in Table 2 (the first "
            f"are {mapping['objid'].iloc[0]} and {votes['OBJID'].iloc[0]}): use tables of one data release, "
            "SDSS DR7 for Galaxy Zoo, whose ids were not rounded by a program such as Excel"
        )
    if "ra" in joined:
        agree, note = compare_positions(joined)
        joined = keep(joined, agree, "position differs from Table 2")
        notes += note
    if suggestion := suggest_other_rule(joined, label_rule):
        notes.append(suggestion)
    joined = keep(joined, joined["label"] != UNLABELLED, "no vote")
    joined = keep(joined, joined["file"].notna(), "no image")
    joined = keep(joined, ~joined["objid"].duplicated(), "objid repeated in the mapping")
    return joined, {reason: count for reason, count in left_out.items() if count}, [*images.notes, *notes]


def summary_path(sample: Path) -> Path:
    """Returns where the summary of a sample lies: beside it, with suffix ``.json``."""
    return sample.with_suffix(".json")


def _has_shared_asset_id(mapping: pd.DataFrame) -> "pd.Series[bool]":
    """Returns which rows have an asset id that rows of another galaxy have too."""
    pairs = mapping[["objid", "asset_id"]].drop_duplicates()
    return mapping["asset_id"].isin(pairs["asset_id"][pairs["asset_id"].duplicated()])
