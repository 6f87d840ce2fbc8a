"""Checks a split that the user gives, and completes one without validation galaxies."""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.schema import SPLIT_SHARES, SPLITS
from data_prep.splits.draw import deal, shuffle_by_class

_SYNONYMS: Final = {
    "training": "train",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "testing": "test",
}


def are_splits(names: Collection[str]) -> bool:
    """Returns whether two or more names are those of different splits, such as ``Train`` and ``valid``."""
    splits = [_SYNONYMS.get(name.lower(), name.lower()) for name in names]
    return len(splits) > 1 and len(set(splits)) == len(splits) and set(splits) <= set(SPLITS)


def parse_split(names: "pd.Series[str]", where: str) -> "pd.Series[str]":
    """Converts the names of splits to those of ``SPLITS``, ignoring case.

    Args:
        names: ``[N]`` names, such as ``Training`` or ``valid``.
        where: The table and column, for the message.

    Raises:
        GalaxyError: A name is unknown or missing.
    """
    lower = names.astype("str").str.strip().str.lower()
    split = lower.replace(_SYNONYMS)
    unknown = ~split.isin(SPLITS) | names.isna()
    if unknown.any():
        found = sorted(set(names[unknown].fillna("nothing")))[:5]
        raise GalaxyError(
            f"{where}: {int(unknown.sum()):,} galaxies are in none of {', '.join(SPLITS)} (found: "
            f"{', '.join(found)}): correct the column, or leave it out and a split is drawn"
        )
    return split


def complete_split(
    split: npt.NDArray[np.str_],
    galaxies: npt.NDArray[np.int64],
    labels: npt.NDArray[np.str_],
    ids: Sequence[str],
    seed: int,
) -> npt.NDArray[np.str_]:
    """Checks a given split for leaks, and draws the validation galaxies if it has none.

    Args:
        split: ``[N]`` names from ``SPLITS``.
        galaxies: ``[N]`` galaxy number of each image; identical images have the same number.
        labels: ``[N]`` class of each image.
        ids: ``[N]`` identifiers of the galaxies, for the message.
        seed: The seed of the draw.

    Returns:
        ``[N]`` names from ``SPLITS``. Validation galaxies are drawn from the training galaxies in the ratio
        of ``SPLIT_SHARES``, stratified by class.

    Raises:
        GalaxyError: A galaxy, or one of two identical images, is in two splits; or there are no training or
            no test galaxies.
    """
    _, first, galaxy_of = np.unique(galaxies, return_index=True, return_inverse=True)
    leaks = np.flatnonzero(split != split[first][galaxy_of])
    if len(leaks):
        row, other = int(leaks[0]), int(first[galaxy_of[leaks[0]]])
        raise GalaxyError(
            f"the given split has {len(leaks):,} images whose galaxy, or an identical image, is in another "
            f"split (the first: {ids[other]} in {split[other]}, {ids[row]} in {split[row]}), so that a model "
            "would be tested on galaxies it was trained on: correct the split column, or leave it out and a "
            "split is drawn"
        )
    for name in ("train", "test"):
        if name not in split:
            raise GalaxyError(
                f"the given split has no {name} galaxies: correct the split column, or leave it out and a "
                "split is drawn"
            )
    if "val" in split:
        return split
    train = np.flatnonzero(split == "train")
    order, galaxy_in_train = shuffle_by_class(galaxies[train], labels[train], seed)
    shares = np.array(SPLIT_SHARES[:2]) / sum(SPLIT_SHARES[:2])
    drawn = np.empty(len(order), dtype=np.int64)
    drawn[order] = deal(len(order), shares.tolist())
    completed = split.astype("<U5")
    completed[train] = np.asarray(SPLITS[:2])[drawn[galaxy_in_train]]
    return completed
