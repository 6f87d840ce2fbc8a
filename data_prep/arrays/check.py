"""Verifying galaxy arrays: hashes, shapes, classes, and that no galaxy and no image is in two splits."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import CATALOG, DATASET, GalaxyArrays, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.schema import SPLITS
from data_prep.splits.copies import near_copies, same_pixels

NAMED: Final = 20
"""Pairs of near-copies that are named."""


def check(folder: Path) -> GalaxyArrays:
    """Verifies everything that the models rely on.

    Args:
        folder: The galaxy arrays.

    Returns:
        The arrays, opened.

    Raises:
        GalaxyError: What is wrong, at the first thing that is.
    """
    arrays = open_arrays(folder)
    arrays.verify()
    counts = arrays.catalog.groupby(["split", "label"]).size()
    for split in SPLITS:
        for label in arrays.classes:
            stored = arrays.dataset["counts"].get(split, {}).get(label)
            found = int(counts.get((split, label), 0))
            if stored != found:
                raise GalaxyError(f"{folder / DATASET}: {stored} {label} in {split}, {CATALOG} holds {found}")
    if arrays.images.shape[1] != arrays.dataset["crop"]:
        raise GalaxyError(
            f"{folder}: the images are {arrays.images.shape[1]} pixels wide, not {arrays.dataset['crop']}"
        )
    first = same_pixels(arrays.images, arrays.quarter_turns)
    number = _split_numbers(arrays)
    copies = np.flatnonzero(number != number[first])
    if len(copies):
        pair = name_pair(arrays, np.array([first[copies[0]], copies[0]]))
        raise GalaxyError(
            f"{folder}: {len(copies):,} images have exactly the pixels of one in another split, the first: "
            f"{pair}, so that a model would be tested on what it was trained on; make the arrays again, "
            "which keeps them together: python -m data_prep preprocess"
        )
    return arrays


def near_copies_between_splits(arrays: GalaxyArrays) -> npt.NDArray[np.int64]:
    """Finds pairs of images in different splits of which one is the other turned, mirrored or re-encoded.

    It is for the user to judge whether they show one galaxy, so :func:`check` does not refuse them.

    Args:
        arrays: The galaxy arrays, as :func:`check` returns them.

    Returns:
        ``[M, 2]`` rows of the catalogue, as :func:`data_prep.splits.copies.near_copies` orders them, and
        at most as many.
    """
    return near_copies(arrays.images, _split_numbers(arrays))


def name_pair(arrays: GalaxyArrays, pair: npt.NDArray[np.int64]) -> str:
    """Names two images by their galaxies and splits.

    Args:
        arrays: The galaxy arrays.
        pair: Two rows of the catalogue.
    """
    objid, split = (arrays.catalog[column].iloc[pair].tolist() for column in ("objid", "split"))
    return f"objid {objid[0]} ({split[0]}) and {objid[1]} ({split[1]})"


def _split_numbers(arrays: GalaxyArrays) -> npt.NDArray[np.int64]:
    """Returns ``[N]`` the number of each image's split."""
    return np.unique(arrays.catalog["split"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)
