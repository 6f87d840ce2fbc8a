"""Draws splits and cross-validation folds, stratified by class and grouped by galaxy."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.schema import SPLIT_SHARES, SPLITS

VAL_SHARE: Final = 0.1
"""Share of all galaxies used for validation in each fold of a cross-validation. With five folds, 70% remain
for training, as in the stored split."""


def draw_split(
    objids: npt.NDArray[np.int64], labels: npt.NDArray[np.str_], seed: int = 0
) -> npt.NDArray[np.str_]:
    """Draws a split in which all images of a galaxy are in the same part.

    Galaxies are shuffled within their class, the classes are concatenated, and :func:`deal` assigns the
    sequence to the splits. The size of each split is thus exact to one galaxy, in total and in each class.

    Args:
        objids: ``[N]`` object id of each image.
        labels: ``[N]`` class of each image; a galaxy has the class of its first image.
        seed: The seed of the shuffle.

    Returns:
        ``[N]`` names from ``SPLITS``, in the shares ``SPLIT_SHARES``.
    """
    order, galaxy_of = shuffle_by_class(objids, labels, seed)
    split = np.empty(len(order), dtype=np.int64)
    split[order] = deal(len(order), SPLIT_SHARES)
    return np.asarray(SPLITS)[split[galaxy_of]]


def draw_folds(
    objids: npt.NDArray[np.int64], labels: npt.NDArray[np.str_], folds: int, seed: int = 0
) -> list[npt.NDArray[np.str_]]:
    """Draws the splits of a cross-validation, in which each galaxy is a test galaxy exactly once.

    In each fold, ``VAL_SHARE`` of all galaxies are used for validation, and the remaining ones for training.
    As in :func:`draw_split`, folds are stratified by class and grouped by galaxy.

    Args:
        objids: ``[N]`` object id of each image.
        labels: ``[N]`` class of each image; a galaxy has the class of its first image.
        folds: The number of folds, at least 2.
        seed: The seed of the shuffle.

    Returns:
        For each fold, ``[N]`` names from ``SPLITS``.

    Raises:
        GalaxyError: There are too few galaxies for so many folds.
    """
    order, galaxy_of = shuffle_by_class(objids, labels, seed)
    if not 2 <= folds <= len(order) // 2:
        raise GalaxyError(
            f"{len(order):,} galaxies cannot make {folds} folds: use at least 2 folds, each with at least 2 "
            "galaxies"
        )
    fold = np.arange(len(order)) % folds
    val_share = VAL_SHARE / (1 - 1 / folds)
    splits = []
    for number in range(folds):
        split = np.full(len(order), "test", dtype="<U5")
        rest = order[fold != number]
        split[rest] = np.asarray(["train", "val"])[deal(len(rest), (1 - val_share, val_share))]
        splits.append(split[galaxy_of])
    return splits


def count_by_class(
    split: npt.NDArray[np.str_], labels: npt.NDArray[np.str_], classes: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Counts the images of each class in each split.

    Args:
        split: ``[N]`` names from ``SPLITS``.
        labels: ``[N]`` names from ``classes``.
        classes: The class names, in order.
    """
    return {
        name: {label: int(((split == name) & (labels == label)).sum()) for label in classes}
        for name in SPLITS
    }


def shuffle_by_class(
    objids: npt.NDArray[np.int64], labels: npt.NDArray[np.str_], seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Shuffles the galaxies within their class and concatenates the classes.

    Args:
        objids: ``[N]`` object id of each image.
        labels: ``[N]`` class of each image; a galaxy has the class of its first image.
        seed: The seed of the shuffle.

    Returns:
        The galaxy numbers in this order, and the ``[N]`` galaxy number of each image.
    """
    galaxies, first, galaxy_of = np.unique(objids, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(galaxies))
    return shuffled[np.argsort(labels[first][shuffled], kind="stable")], galaxy_of


def deal(n: int, shares: Sequence[float]) -> npt.NDArray[np.int64]:
    """Assigns ``n`` items to splits one by one, each to the split that is furthest below its share.

    Args:
        n: The number of items.
        shares: The share of each split; they sum to 1.

    Returns:
        ``[n]`` split numbers; each contiguous part of them contains the splits in nearly these shares.
    """
    assigned = np.zeros(len(shares))
    split = np.empty(n, dtype=np.int64)
    for item in range(n):
        split[item] = np.argmax(np.multiply(shares, item + 1) - assigned)
        assigned[split[item]] += 1
    return split
