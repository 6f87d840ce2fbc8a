"""The galaxy arrays: one folder of pixels, catalogue and provenance that every model reads.

========================  ==========================================================================
``images.npy``            uint8 ``[N, H, W, 3]``, RGB, C order
``catalog.csv``           one row per image, in order: objid, asset id, label, split, votes, path
``dataset.json``          classes in order, crop, label rule, seed, counts, what was skipped and why,
                          SHA-256 of the other two, versions
========================  ==========================================================================
"""

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.common.json_files import read_json
from data_prep.schema import SPLITS
from data_prep.sources.tables import read_table, refuse_unknown

IMAGES: Final = "images.npy"
CATALOG: Final = "catalog.csv"
DATASET: Final = "dataset.json"
QUARTER_TURNS: Final = "quarter_turns"
"""The catalogue's column of arrays made with ``--rotate-once``."""
FORMAT_VERSION: Final = 1
Stamp = tuple[int, int, int]
_REMEDY: Final = "make the arrays again with: python -m data_prep preprocess"


@dataclass(frozen=True)
class GalaxyArrays:
    """The galaxy arrays of one folder, opened for reading.

    Attributes:
        folder: Where they lie.
        images: uint8 ``[N, H, W, 3]``, a read-only memory map: only what is indexed is read.
        catalog: One row per image, in the same order.
        dataset: What ``dataset.json`` says.
        stamps: Size, time of change and number of ``images.npy`` when it was opened, or verified since.
    """

    folder: Path
    images: npt.NDArray[np.uint8]
    catalog: pd.DataFrame
    dataset: dict[str, Any]
    stamps: set[Stamp] = field(default_factory=set, repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[[], "GalaxyArrays"], tuple[()]]:
        """Pickles as "open the same again": the pixels are never sent to another process."""
        return self.opener(), ()

    def opener(self) -> Callable[[], "GalaxyArrays"]:
        """Returns what opens the same arrays again, in another process, or raises a ``GalaxyError``."""
        return functools.partial(_open_same, self.folder, self.dataset["sha256"], frozenset(self.stamps))

    @property
    def classes(self) -> list[str]:
        """The class names; a class's number is its place here."""
        return list(self.dataset["classes"])

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """``[N]`` class numbers."""
        return pd.Index(self.classes).get_indexer(pd.Index(self.catalog["label"])).astype(np.int64)

    @property
    def quarter_turns(self) -> npt.NDArray[np.int64] | None:
        """``[N]`` quarter turns by which ``--rotate-once`` turned each image; None where none was turned.

        Raises:
            GalaxyError: The catalogue has the column, and it holds something else.
        """
        if QUARTER_TURNS not in self.catalog:
            return None
        turns = self.catalog[QUARTER_TURNS]
        if not turns.isin(range(4)).all():
            raise GalaxyError(
                f"{self.folder / CATALOG}, column {QUARTER_TURNS}: it must hold 0, 1, 2 or 3; {_REMEDY}"
            )
        return turns.to_numpy(dtype=np.int64)

    def rows(self, *splits: str) -> npt.NDArray[np.int64]:
        """Returns the row numbers of the galaxies in the named splits, in order."""
        return np.flatnonzero(self.catalog["split"].isin(splits).to_numpy()).astype(np.int64)

    def some_rows(self, *splits: str) -> npt.NDArray[np.int64]:
        """Returns the rows of the named splits, of which there must be some.

        Raises:
            GalaxyError: There are none.
        """
        rows = self.rows(*splits)
        if not len(rows):
            raise GalaxyError(f"{self.folder} holds no {' or '.join(splits)} galaxies: use a larger sample")
        return rows

    def verify(self) -> None:
        """Checks both files' SHA-256 against ``dataset.json``; about a second per gigabyte.

        Raises:
            GalaxyError: A file is not the one that was written.
        """
        for name, expected in self.dataset["sha256"].items():
            found = sha256(self.folder / name)
            if found != expected:
                raise GalaxyError(
                    f"{self.folder / name} has been changed or damaged since it was made: its SHA-256 is "
                    f"{found[:12]}..., and {DATASET} says {str(expected)[:12]}...; {_REMEDY}"
                )

    def require_unchanged(self) -> None:
        """Stops where the pixels are no longer those that were opened; hashes them only if they may not be.

        Raises:
            GalaxyError: The files have been changed or replaced.
        """
        try:
            stamp = _stamp(self.folder)
            if stamp in self.stamps:
                return
            _open_same(self.folder, self.dataset["sha256"], None).verify()
        except (OSError, GalaxyError) as error:
            raise _changed(self.folder) from error
        self.stamps.add(stamp)


def open_arrays(folder: Path) -> GalaxyArrays:
    """Opens a folder of galaxy arrays and checks that its parts fit together.

    The files' hashes are not computed here; see :meth:`GalaxyArrays.verify`.

    Args:
        folder: A folder that ``python -m data_prep preprocess`` has made.

    Returns:
        The arrays.

    Raises:
        GalaxyError: A file is missing, or one does not fit the others.
    """
    missing = [name for name in (IMAGES, CATALOG, DATASET) if not (folder / name).is_file()]
    if missing:
        raise GalaxyError(
            f"{folder} holds no galaxy arrays, it lacks {', '.join(missing)}: name where they lie, "
            f"or {_REMEDY}"
        )
    dataset = read_json(folder / DATASET)
    _check_dataset(dataset, folder / DATASET)
    catalog = _read_catalog(folder / CATALOG, dataset["classes"])
    stamp = _stamp(folder)
    images = _map_images(folder / IMAGES)
    if len(images) != len(catalog):
        raise GalaxyError(
            f"{folder}: {IMAGES} holds {len(images):,} images, {CATALOG} {len(catalog):,} rows; {_REMEDY}"
        )
    return GalaxyArrays(folder, images, catalog, dataset, {stamp})


def _stamp(folder: Path) -> Stamp:
    """Returns what changes when the pixels are changed or replaced, without reading them."""
    found = (folder / IMAGES).stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _open_same(folder: Path, hashes: dict[str, str], stamps: Collection[Stamp] | None) -> GalaxyArrays:
    """Opens arrays that have been opened before.

    Args:
        folder: Where they lie.
        hashes: Their SHA-256, as ``dataset.json`` had them.
        stamps: Those of the pixels; None where they may be others.

    Raises:
        GalaxyError: They are others now.
    """
    arrays = open_arrays(folder)
    if arrays.dataset["sha256"] != hashes or (stamps is not None and arrays.stamps.isdisjoint(stamps)):
        raise _changed(folder)
    return arrays


def _changed(folder: Path) -> GalaxyError:
    return GalaxyError(
        f"{folder} was changed or replaced while this command was using it, so that its results would be of "
        "other images: run it again, and leave the arrays alone until it has ended"
    )


def _check_dataset(dataset: dict[str, Any], path: Path) -> None:
    """Checks the keys that everything else relies on."""
    if dataset.get("format_version") != FORMAT_VERSION:
        raise GalaxyError(
            f"{path}: format version {dataset.get('format_version')!r}, this program reads {FORMAT_VERSION}; "
            f"{_REMEDY}"
        )
    classes, hashes = dataset.get("classes"), dataset.get("sha256")
    if not (
        isinstance(classes, list)
        and all(isinstance(name, str) for name in classes)
        and len(set(classes)) == len(classes) >= 2
    ):
        raise GalaxyError(f"{path}: 'classes' is not a list of two or more names; {_REMEDY}")
    skipped, threshold = dataset.get("skipped"), dataset.get("threshold")
    sound = {
        "crop": _is_whole(dataset.get("crop")),
        "counts": _is_counts(dataset.get("counts")),
        "skipped": isinstance(skipped, list)
        and all(isinstance(entry, dict) and {"path", "reason"} <= set(entry) for entry in skipped),
        "threshold": threshold is None
        or (isinstance(threshold, int | float) and not isinstance(threshold, bool) and 0 < threshold <= 1),
    }
    for key, is_sound in sound.items():
        if not is_sound:
            raise GalaxyError(f"{path}: '{key}' is missing or invalid; {_REMEDY}")
    if not (isinstance(hashes, dict) and set(hashes) == {IMAGES, CATALOG}):
        raise GalaxyError(f"{path}: 'sha256' does not name {IMAGES} and {CATALOG}; {_REMEDY}")


def _is_whole(value: Any) -> bool:
    """Returns whether that is a whole number (JSON's ``true`` is Python's 1)."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_counts(value: Any) -> bool:
    """Returns whether that says how many galaxies of each class a split holds."""
    return isinstance(value, dict) and all(
        isinstance(counts, dict) and all(_is_whole(count) for count in counts.values())
        for counts in value.values()
    )


def _read_catalog(path: Path, classes: list[str]) -> pd.DataFrame:
    """Reads the catalogue, its ids exact, its labels checked, and no galaxy in two splits."""
    needed = {"objid": "int64"} | dict.fromkeys(("asset_id", "label", "split", "path"), "str")
    catalog = read_table(path, needed, keep_others=True)
    refuse_unknown(catalog, path, "label", classes, f"; {_REMEDY}")
    refuse_unknown(catalog, path, "split", SPLITS, f"; {_REMEDY}")
    places = catalog[["objid", "split"]].drop_duplicates()
    twice = places["objid"][places["objid"].duplicated()]
    if len(twice):
        raise GalaxyError(
            f"{path}: {len(twice):,} galaxies are in two splits, the first objid {twice.iloc[0]}, so that a "
            f"model would be tested on what it was trained on; {_REMEDY}"
        )
    return catalog


def _map_images(path: Path) -> npt.NDArray[np.uint8]:
    """Maps the pixels into memory, read-only, never unpickling anything."""
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # A damaged header fails in as many ways as it can be damaged.
        raise GalaxyError(f"{path} is no array that can be read: {error}; {_REMEDY}") from None
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4):
        raise GalaxyError(f"{path} is not uint8 [N, H, H, 3]; {_REMEDY}")
    _, height, width, channels = images.shape
    if not (height == width and channels == 3 and images.flags.c_contiguous):
        raise GalaxyError(f"{path} is not uint8 [N, H, H, 3] in C order; {_REMEDY}")
    return images
