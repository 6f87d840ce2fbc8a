"""The folds of a cross-validation, each as galaxy arrays of its own: the same pixels, another split.

So every model that reads galaxy arrays can be cross-validated, and none draws a split itself.
"""

from pathlib import Path

from data_prep.arrays.format import CATALOG, DATASET, IMAGES, GalaxyArrays
from data_prep.common.files import link_or_copy, new_folder, sha256
from data_prep.common.json_files import read_json, write_json
from data_prep.splits.copies import group_copies
from data_prep.splits.draw import draw_folds, split_counts


def make_folds(arrays: GalaxyArrays, out: Path, folds: int, seed: int = 0) -> list[Path]:
    """Makes the galaxy arrays of every fold: ``fold_0``, ``fold_1``, ...

    The pixels take no room: the images are links to the file that is there. Folds that are there
    already, from the same arrays and seed, stay as they are.

    Args:
        arrays: What is to be cross-validated.
        out: The folder that they go into.
        folds: How many; each galaxy is a test galaxy in exactly one.
        seed: Seed of the draw.

    Returns:
        The folds' folders, in order.

    Raises:
        GalaxyError: There are too few galaxies, or a fold cannot be written.
    """
    labels = arrays.catalog["label"].to_numpy(dtype=str)
    galaxies = group_copies(arrays.catalog["objid"].to_numpy(), arrays.images, arrays.quarter_turns)
    splits = draw_folds(galaxies, labels, folds, seed)
    folders = [out / f"fold_{number}" for number in range(folds)]
    for number, (folder, split) in enumerate(zip(folders, splits, strict=True)):
        drawn = {"fold": number, "folds": folds, "seed": seed, "arrays": arrays.dataset["sha256"]}
        if (folder / DATASET).is_file() and _drawn(folder) == drawn:
            continue
        with new_folder(folder, contents=(IMAGES, CATALOG, DATASET)) as partial:
            link_or_copy(arrays.folder / IMAGES, partial / IMAGES)
            arrays.catalog.assign(split=split).to_csv(partial / CATALOG, index=False)
            hashes = arrays.dataset["sha256"] | {CATALOG: sha256(partial / CATALOG)}
            changes = {"cross_validation": drawn, "counts": split_counts(split, labels), "sha256": hashes}
            write_json(partial / DATASET, arrays.dataset | changes)
    return folders


def _drawn(folder: Path) -> object:
    """Returns what a fold that is there was drawn from."""
    return read_json(folder / DATASET).get("cross_validation")
