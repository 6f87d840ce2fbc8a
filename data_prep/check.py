"""Verifying galaxy arrays: hashes, shapes, classes, and that no galaxy is in two splits."""

from pathlib import Path

from data_prep.arrays import CATALOG, DATASET, GalaxyArrays, open_arrays
from data_prep.errors import GalaxyError
from data_prep.schema import SPLITS


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
    return arrays
