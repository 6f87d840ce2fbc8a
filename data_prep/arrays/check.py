"""Verifies galaxy arrays: hashes, shapes, classes, and that no galaxy or image is in two splits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import CATALOG, DATASET, REMEDY, GalaxyArrays, id_column, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.schema import SPLITS
from data_prep.splits.copies import MAX_PAIRS, find_identical_images, find_near_copies

MAX_NAMED_PAIRS: Final = 20
"""Maximum number of pairs of near-copies to list by name."""


def check(folder: Path) -> GalaxyArrays:
    """Verifies everything about galaxy arrays that the models rely on.

    Args:
        folder: The galaxy arrays.

    Returns:
        The opened arrays.

    Raises:
        GalaxyError: The arrays are invalid; the message describes the first problem.
    """
    arrays = open_arrays(folder)
    arrays.verify()
    counts = arrays.catalog.groupby(["split", "label"]).size()
    for split in SPLITS:
        for label in arrays.classes:
            stored = arrays.dataset["counts"].get(split, {}).get(label)
            found = int(counts.get((split, label), 0))
            if stored != found:
                raise GalaxyError(
                    f"{folder / DATASET}: 'counts' names {stored} {label} galaxies in {split}, but {CATALOG} "
                    f"holds {found}; {REMEDY}"
                )
    if arrays.images.shape[1] != arrays.dataset["crop"]:
        raise GalaxyError(
            f"{folder}: the images are {arrays.images.shape[1]} pixels wide, but {DATASET} names a crop of "
            f"{arrays.dataset['crop']}; {REMEDY}"
        )
    first = find_identical_images(arrays.images, arrays.quarter_turns)
    splits = _split_numbers(arrays)
    copies = np.flatnonzero(splits != splits[first])
    if len(copies):
        pair = name_pair(arrays, np.array([first[copies[0]], copies[0]]))
        raise GalaxyError(
            f"{folder}: {len(copies):,} images are identical to an image in another split (the first: "
            f"{pair}), so that a model would be tested on images it was trained on; {REMEDY}, which puts "
            "identical images into the same split"
        )
    return arrays


def find_near_copies_between_splits(arrays: GalaxyArrays) -> npt.NDArray[np.int64]:
    """Finds near-copies in different splits: images that were rotated, mirrored, brightened or re-encoded.

    :func:`check` accepts them, because only the user can judge whether they show the same galaxy.

    Args:
        arrays: The galaxy arrays, as :func:`check` returns them.

    Returns:
        ``[M, 2]`` row numbers of the catalogue; see :func:`data_prep.splits.copies.find_near_copies`.
    """
    return find_near_copies(arrays.images, _split_numbers(arrays))


def describe_near_copies(arrays: GalaxyArrays) -> Iterator[str]:
    """Yields the lines of a warning of near-copies in different splits; none if there are none.

    Args:
        arrays: The galaxy arrays, as :func:`check` returns them.
    """
    pairs = find_near_copies_between_splits(arrays)
    if not len(pairs):
        return
    count = f"{'at least ' if len(pairs) == MAX_PAIRS else ''}{len(pairs):,}"
    yield (
        f"warning: {count} {'pairs' if len(pairs) > 1 else 'pair'} of near-copies in different splits; "
        f"the first: {name_pair(arrays, pairs[0])}. Look at them: images of the same galaxy need the same "
        "objid in the sample; correct it, and run preprocess again"
    )
    yield from (f"  {name_pair(arrays, pair)}" for pair in pairs[1:MAX_NAMED_PAIRS])


def name_pair(arrays: GalaxyArrays, pair: npt.NDArray[np.int64]) -> str:
    """Returns the ids and splits of two images, as text.

    Args:
        arrays: The galaxy arrays.
        pair: Two row numbers of the catalogue.
    """
    column = id_column(arrays.catalog)
    ids, split = (arrays.catalog[name].iloc[pair].tolist() for name in (column, "split"))
    return f"{column} {ids[0]} ({split[0]}) and {ids[1]} ({split[1]})"


def _split_numbers(arrays: GalaxyArrays) -> npt.NDArray[np.int64]:
    """Returns the split of each image as a number, ``[N]``."""
    return np.unique(arrays.catalog["split"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)
