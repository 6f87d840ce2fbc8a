"""The splits into train, val and test, one or a cross-validation's: seeded, stratified, and by galaxy."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES, SPLIT_SHARES, SPLITS

VAL_SHARE: Final = 0.1
"""Share of all galaxies that each fold of a cross-validation holds back for validation: with five folds,
training keeps the 70% that it has in the stored split."""


def draw_split(
    objids: npt.NDArray[np.int64], labels: npt.NDArray[np.str_], seed: int = 0
) -> npt.NDArray[np.str_]:
    """Draws the split of every image, so that each galaxy lies in one split only.

    Galaxies are shuffled within their class, the classes laid end to end, and dealt out along
    that line by :func:`deal`: so each split's size is right to one galaxy, in total and in every
    class.

    Args:
        objids: ``[N]`` galaxy of each image. Images of the same galaxy go together.
        labels: ``[N]`` class of each image; a galaxy counts with the class of its first image.
        seed: Seed of the shuffle.

    Returns:
        ``[N]`` names from ``SPLITS``, in the shares ``SPLIT_SHARES``.
    """
    line, galaxy_of = _line_up(objids, labels, seed)
    split = np.empty(len(line), dtype=np.int64)
    split[line] = deal(len(line), SPLIT_SHARES)
    return np.asarray(SPLITS)[split[galaxy_of]]


def draw_folds(
    objids: npt.NDArray[np.int64], labels: npt.NDArray[np.str_], folds: int, seed: int = 0
) -> list[npt.NDArray[np.str_]]:
    """Draws the splits of a cross-validation: each galaxy is a test galaxy in exactly one of them.

    What a fold does not test on, it deals out to training and, ``VAL_SHARE`` of all galaxies, to
    validation. As in :func:`draw_split`, galaxies and not images are dealt, and each class in its
    share.

    Args:
        objids: ``[N]`` galaxy of each image. Images of the same galaxy go together.
        labels: ``[N]`` class of each image; a galaxy counts with the class of its first image.
        folds: How many, at least 2.
        seed: Seed of the shuffle.

    Returns:
        Per fold ``[N]`` names from ``SPLITS``.

    Raises:
        GalaxyError: There are too few galaxies for so many folds.
    """
    line, galaxy_of = _line_up(objids, labels, seed)
    if not 2 <= folds <= len(line) // 2:
        raise GalaxyError(
            f"{len(line):,} galaxies cannot make {folds} folds: at least 2, of 2 or more galaxies each"
        )
    fold = np.arange(len(line)) % folds
    val_share = VAL_SHARE / (1 - 1 / folds)
    splits = []
    for number in range(folds):
        split = np.full(len(line), "test", dtype="<U5")
        rest = line[fold != number]
        split[rest] = np.asarray(["train", "val"])[deal(len(rest), (1 - val_share, val_share))]
        splits.append(split[galaxy_of])
    return splits


def split_counts(split: npt.NDArray[np.str_], labels: npt.NDArray[np.str_]) -> dict[str, dict[str, int]]:
    """Counts the images of each class in each split.

    Args:
        split: ``[N]`` names from ``SPLITS``.
        labels: ``[N]`` names from ``CLASSES``.
    """
    return {
        name: {label: int(((split == name) & (labels == label)).sum()) for label in CLASSES}
        for name in SPLITS
    }


def _line_up(
    objids: npt.NDArray[np.int64], labels: npt.NDArray[np.str_], seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Shuffles the galaxies within their class and lays the classes end to end.

    Returns:
        The galaxies along that line, and ``[N]`` the galaxy of each image.
    """
    galaxies, first, galaxy_of = np.unique(objids, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(galaxies))
    return shuffled[np.argsort(labels[first][shuffled], kind="stable")], galaxy_of


def deal(n: int, shares: Sequence[float]) -> npt.NDArray[np.int64]:
    """Deals ``n`` places out in turn, always to the split that is furthest behind its share.

    Args:
        n: How many places.
        shares: The share of each split; they sum to 1.

    Returns:
        ``[n]`` split numbers; every stretch of them holds each split in nearly its share.
    """
    dealt = np.zeros(len(shares))
    split = np.empty(n, dtype=np.int64)
    for place in range(n):
        split[place] = np.argmax(np.multiply(shares, place + 1) - dealt)
        dealt[split[place]] += 1
    return split
