"""The one split into train, val and test: seeded, stratified by class, and by galaxy."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_prep.schema import SPLIT_SHARES, SPLITS


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
    galaxies, first, galaxy_of = np.unique(objids, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(galaxies))
    line = shuffled[np.argsort(labels[first][shuffled], kind="stable")]
    split = np.empty(len(galaxies), dtype=np.int64)
    split[line] = deal(len(galaxies), SPLIT_SHARES)
    return np.asarray(SPLITS)[split[galaxy_of]]


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
