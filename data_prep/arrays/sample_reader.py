"""Reads a sample: its galaxies, how they were labelled, and their split."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import QUARTER_TURNS, id_column
from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json
from data_prep.samples.class_names import check_class_names
from data_prep.samples.image_lookup import image_name
from data_prep.samples.sample_file import summary_path
from data_prep.splits.draw import draw_split
from data_prep.splits.given import complete_split, parse_split
from data_prep.tables.csv_tables import read_table, refuse_unknown


def read_sample(path: Path) -> pd.DataFrame:
    """Reads a sample and checks its columns; the images are named by their files unless it names them.

    Args:
        path: The CSV.

    Returns:
        One row per image, with at least the columns ``objid``, ``asset_id``, ``label`` and ``path``.

    Raises:
        GalaxyError: A column is missing, a cell is empty or invalid, or a galaxy has two labels.
    """
    required = {"objid": "int64", "label": "str", "path": "str"}
    optional = dict.fromkeys(("id", "asset_id", "split"), "str")
    sample = read_table(path, required, optional=optional, keep_others=True)
    if sample.empty:
        raise GalaxyError(f"{path} holds no galaxies")
    if QUARTER_TURNS in sample:
        raise GalaxyError(f"{path}: the column {QUARTER_TURNS} is made by preprocess: remove it")
    if sample["label"].isna().any():
        raise GalaxyError(
            f"{path}, line {int(np.argmax(sample['label'].isna())) + 2}: the column label is empty"
        )
    labels = sample.groupby("objid")["label"].nunique()
    if (labels > 1).any():
        raise GalaxyError(
            f"{path}: {int((labels > 1).sum()):,} galaxies have two labels (the first: objid "
            f"{labels.idxmax()}): give all images of a galaxy the same label"
        )
    if sample["path"].isna().any():
        raise GalaxyError(
            f"{path}, line {int(np.argmax(sample['path'].isna())) + 2}: the column path is empty"
        )
    if "asset_id" not in sample:
        sample["asset_id"] = [image_name(path) for path in sample["path"]]
    if "split" in sample:
        sample["split"] = parse_split(sample["split"], f"{path}, column split")
    first = [name for name in ("objid", "id", "asset_id", "label") if name in sample]
    others = [name for name in sample.columns if name not in (*first, "path")]
    return sample[[*first, *others, "path"]]


def make_split(
    catalog: pd.DataFrame, galaxies: npt.NDArray[np.int64], seed: int, sample: Path
) -> npt.NDArray[np.str_]:
    """Returns the split of a sample, completed if need be, or draws one if the sample has none.

    Args:
        catalog: ``N`` rows of the sample.
        galaxies: ``[N]`` galaxy number of each image.
        seed: The seed of the draw.
        sample: The sample, for the message.

    Raises:
        GalaxyError: The sample's split is invalid; see :func:`data_prep.splits.given.complete_split`.
    """
    labels = catalog["label"].to_numpy(dtype=str)
    if "split" not in catalog:
        return draw_split(galaxies, labels, seed)
    name = id_column(catalog)
    ids = [f"{name} {identifier}" for identifier in catalog[name]]
    try:
        return complete_split(catalog["split"].to_numpy(dtype=str), galaxies, labels, ids, seed)
    except GalaxyError as error:
        raise GalaxyError(f"{sample}: {error}") from None


def read_labelling(sample: Path, catalog: pd.DataFrame) -> dict[str, Any]:
    """Reads how the galaxies of a sample were labelled, from its summary if it has one.

    Args:
        sample: The sample.
        catalog: Its rows.

    Returns:
        The classes with their descriptions, the label rule, its threshold, what the votes mean, and the whole
        summary. Without a summary, the classes are the labels in alphabetical order.

    Raises:
        GalaxyError: The summary is damaged, a label is not one of its classes, or the classes are invalid.
    """
    path = summary_path(sample)
    summary = read_json(path) if path.is_file() else {}
    classes = summary.get("classes", dict.fromkeys(sorted(set(catalog["label"]))))
    descriptions = summary.get("class_descriptions", {})
    if not (isinstance(classes, dict) and isinstance(descriptions, dict)):
        raise GalaxyError(f"{path}: 'classes' or 'class_descriptions' is invalid: make the sample again")
    refuse_unknown(catalog, sample, "label", list(classes))
    try:
        check_class_names(list(classes))
    except GalaxyError as error:
        raise GalaxyError(f"{sample}: {error}") from None
    return {
        "class_descriptions": {name: str(descriptions.get(name, "")) for name in classes},
        "label_rule": summary.get("label_rule", "unknown: the sample has no summary"),
        "label_description": summary.get("label_description"),
        "threshold": summary.get("threshold"),
        "votes": summary.get("votes"),
        "sample": summary,
    }
