"""Writes the folds of a cross-validation as galaxy arrays with the same pixels and different splits.

Any model that reads galaxy arrays can thus be cross-validated.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import CATALOG, DATASET, FINAL, IMAGES, GalaxyArrays
from data_prep.common.files import link_or_copy, new_folder, sha256
from data_prep.common.json_files import read_json, write_json
from data_prep.splits.copies import group_copies
from data_prep.splits.draw import count_by_class, draw_folds


def make_folds(arrays: GalaxyArrays, out: Path, folds: int, seed: int = 0) -> list[Path]:
    """Writes the galaxy arrays of each fold into ``fold_0``, ``fold_1``, ...

    The image files are links to the original and need no disk space. Existing folds of the same arrays and
    seed are kept.

    Args:
        arrays: The galaxy arrays to cross-validate.
        out: The folder to write the folds into.
        folds: The number of folds; each galaxy is a test galaxy in exactly one fold.
        seed: The seed of the draw.

    Returns:
        The folders of the folds, in order.

    Raises:
        GalaxyError: There are too few galaxies, or a fold cannot be written.
    """
    labels = arrays.catalog["label"].to_numpy(dtype=str)
    galaxies = group_copies(arrays.catalog["objid"].to_numpy(), arrays.images, arrays.quarter_turns)
    splits = draw_folds(galaxies, labels, folds, seed)
    folders = [out / f"fold_{number}" for number in range(folds)]
    for number, (folder, split) in enumerate(zip(folders, splits, strict=True)):
        _write_fold(arrays, folder, split, {"fold": number, "folds": folds, "seed": seed})
    return folders


def make_final(arrays: GalaxyArrays, out: Path) -> Path:
    """Writes galaxy arrays with all galaxies in the training split, for a final model, into ``final``.

    Args:
        arrays: The galaxy arrays that were cross-validated.
        out: The folder of the folds.

    Returns:
        The folder of the arrays.

    Raises:
        GalaxyError: They cannot be written.
    """
    _write_fold(arrays, out / FINAL, np.full(len(arrays.catalog), "train"), {"fold": FINAL})
    return out / FINAL


def _write_fold(
    arrays: GalaxyArrays, folder: Path, split: npt.NDArray[np.str_], about: dict[str, Any]
) -> None:
    """Writes the arrays of a fold, unless the folder has them."""
    settings = about | {"arrays": arrays.dataset["sha256"]}
    if (folder / DATASET).is_file() and read_json(folder / DATASET).get("cross_validation") == settings:
        return
    labels = arrays.catalog["label"].to_numpy(dtype=str)
    with new_folder(folder, contents=(IMAGES, CATALOG, DATASET)) as partial:
        link_or_copy(arrays.folder / IMAGES, partial / IMAGES)
        arrays.catalog.assign(split=split).to_csv(partial / CATALOG, index=False)
        hashes = arrays.dataset["sha256"] | {CATALOG: sha256(partial / CATALOG)}
        changes = {
            "cross_validation": settings,
            "counts": count_by_class(split, labels, arrays.classes),
            "sha256": hashes,
        }
        write_json(partial / DATASET, arrays.dataset | changes)
