"""Draws a labelled sample of galaxies by joining the mapping, the votes and the images."""

from pathlib import Path
from typing import Any, Literal

import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from data_prep.images.survey_images import ImageFolder, find_images
from data_prep.samples.galaxy_zoo_1 import LabelRule, galaxy_zoo_1_rules, suggest_other_rule
from data_prep.samples.labelling import UNLABELLED, label_table
from data_prep.samples.sample_file import draw_sample, refuse_existing_sample, write_sample
from data_prep.schema import (
    IMAGES_FOLDER,
    MAPPING_FILE,
    SIMULATION_FILE,
    TABLE2_COLUMNS,
    TABLE2_FILE,
    VOTE_THRESHOLD,
)
from data_prep.tables.galaxy_zoo import read_mapping, read_table2
from data_prep.tables.objids import refuse_ids_rounded_in_one_table
from data_prep.tables.positions import compare_positions


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
    """Draws a random sample of ``n`` labelled galaxies that have an image, and writes it as a CSV.

    Args:
        raw: A folder in the raw Galaxy Zoo layout: mapping, Table 2 and images.
        out: The CSV to write. A summary is written beside it, with the suffix ``.json``.
        n: The number of galaxies, or ``"all"``.
        label_rule: The label rule; see :func:`data_prep.samples.galaxy_zoo_1.galaxy_zoo_1_rules`.
        threshold: The debiased vote fraction of the ``threshold`` rule.
        seed: The seed of the draw: the same seed gives the same file.
        overwrite: Whether to replace an existing sample.

    Returns:
        The summary: settings, counts, exclusions by reason, and notes for the user.

    Raises:
        GalaxyError: A part of the raw survey is missing, ``out`` exists, or fewer than ``n`` galaxies are
            eligible.
    """
    refuse_existing_sample(out, overwrite=overwrite)
    mapping_path, votes_path, images = find_raw_files(raw)
    with progress_bar(total=2, desc="reading tables", unit=" tables") as bar:
        mapping = read_mapping(mapping_path)
        bar.update()
        votes = read_table2(votes_path)
        bar.update()
    refuse_ids_rounded_in_one_table(
        mapping["objid"].to_numpy(), votes["OBJID"].to_numpy(), mapping_path, votes_path
    )
    rules = galaxy_zoo_1_rules(label_rule, threshold)
    votes["label"] = label_table(rules, votes).labels
    joined, excluded, notes = join_galaxies(mapping, votes, images, label_rule)

    sample = draw_sample(joined, n, seed, raw, excluded, notes)
    columns = ["objid", "asset_id", "label", *(name for name in TABLE2_COLUMNS if name != "OBJID")]
    paths = [f"{images.folder}/{file}" if images.folder else file for file in sample["file"]]
    sample = sample.assign(path=paths)[[*columns, "path"]]
    summary = {
        "label_rule": label_rule,
        "label_description": rules.describe(),
        "threshold": threshold if label_rule == "threshold" else None,
        "votes": rules.votes.to_json() if rules.votes else None,
        "seed": seed,
        "galaxies": len(sample),
        "simulated": (raw / SIMULATION_FILE).is_file(),
        "classes": {name: int((sample["label"] == name).sum()) for name in rules.classes},
        "class_descriptions": dict(rules.classes),
        "eligible": len(joined),
        "excluded": excluded,
        "notes": notes,
    }
    write_sample(out, sample, summary)
    return summary


def find_raw_files(raw: Path) -> tuple[Path, Path, ImageFolder]:
    """Finds the mapping, Table 2 and the images of a raw survey; the tables may be gzipped.

    Raises:
        GalaxyError: One of them is missing.
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
    unused = f" (labels need its votes; {', '.join(others[:3])} cannot replace it)" if others else ""
    raise GalaxyError(
        f"{raw} is not a raw Galaxy Zoo folder; missing: {', '.join(missing)}{'' if votes else unused}. "
        "Download the real galaxies with python -m data_prep download --out RAW, or simulate a survey with "
        "python -m data_prep simulate --out RAW"
    )


def join_galaxies(
    mapping: pd.DataFrame, votes: pd.DataFrame, images: ImageFolder, label_rule: LabelRule
) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """Joins the mapping, the votes and the image files, and excludes rows that lack one of them.

    Args:
        mapping: The columns ``objid`` and ``asset_id``; optionally ``ra`` and ``dec``, which must agree with
            Table 2.
        votes: Table 2 with a ``label``, ``UNLABELLED`` where the votes are missing.
        images: The image files.
        label_rule: The label rule.

    Returns:
        The eligible galaxies, one row each, with their ``file``; the number of exclusions by reason; and
        notes for the user.

    Raises:
        GalaxyError: The positions of the same galaxies differ between the two tables.
    """
    excluded: dict[str, int] = {}

    def keep(rows: pd.DataFrame, eligible: "pd.Series[bool]", reason: str) -> pd.DataFrame:
        excluded[reason] = int(len(rows) - eligible.sum())
        return rows[eligible]

    files, notes = images.find_files(mapping)
    excluded["images not in the mapping"] = len(images.names) - files.nunique()
    excluded |= images.excluded
    mapping = keep(mapping.assign(file=files), mapping["objid"] > 0, "mapping objid not positive")
    mapping = keep(mapping, ~_has_shared_asset_id(mapping), "asset id shared by several galaxies")
    votes = keep(votes, votes["OBJID"] > 0, "Table 2 objid not positive")
    votes = keep(votes, ~votes["OBJID"].duplicated(), "objid repeated in Table 2")
    excluded["Table 2 objid not in the mapping"] = int((~votes["OBJID"].isin(mapping["objid"])).sum())
    joined = mapping.merge(votes, how="left", left_on="objid", right_on="OBJID", indicator="found")
    joined = keep(joined, joined["found"] == "both", "objid not in Table 2")
    if 2 * len(joined) < len(mapping) and len(votes):
        notes.append(
            f"only {len(joined):,} of the {len(mapping):,} objids of the mapping are in Table 2 (their first "
            f"objids are {mapping['objid'].iloc[0]} and {votes['OBJID'].iloc[0]}): use tables of the same "
            "data release (SDSS DR7 for Galaxy Zoo), with ids that no program such as Excel has rounded"
        )
    if "ra" in joined:
        agree, position_notes = compare_positions(joined)
        joined = keep(joined, agree, "position differs from Table 2")
        notes += position_notes
    if suggestion := suggest_other_rule(joined, label_rule):
        notes.append(suggestion)
    joined = keep(joined, joined["label"] != UNLABELLED, "no vote")
    joined = keep(joined, joined["file"].notna(), "no image")
    joined = keep(joined, ~joined["objid"].duplicated(), "objid repeated in the mapping")
    return joined, {reason: count for reason, count in excluded.items() if count}, [*images.notes, *notes]


def _has_shared_asset_id(mapping: pd.DataFrame) -> "pd.Series[bool]":
    """Returns, for each row, whether another galaxy has the same asset id."""
    pairs = mapping[["objid", "asset_id"]].drop_duplicates()
    return mapping["asset_id"].isin(pairs["asset_id"][pairs["asset_id"].duplicated()])
