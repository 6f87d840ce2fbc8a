"""Galaxy arrays: a folder with the images, the catalogue and their provenance, which every model reads.

========================  ==========================================================================
``images.npy``            uint8 ``[N, H, H, C]``, C order, with 1 to 8 bands; RGB for colour images
``catalog.csv``           one row per image, in order: objid, asset id, label, split, votes, path
``dataset.json``          classes in order with descriptions, crop, bands, label rule, seed, counts, skipped
                          images with reasons, SHA-256 of the other two files, versions
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

from data_prep.arrays.dataset_checks import check_dataset
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from data_prep.common.json_files import read_json
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES, COLOURS, MAX_BANDS, SPLITS
from data_prep.tables.csv_tables import read_table, refuse_unknown

IMAGES: Final = "images.npy"
CATALOG: Final = "catalog.csv"
DATASET: Final = "dataset.json"
QUARTER_TURNS: Final = "quarter_turns"
"""The catalogue's column of rotations, in arrays made with ``--rotate-once``."""
FINAL: Final = "final"
"""The name of the fold, in ``dataset.json``, in which all galaxies are for training."""
REMEDY: Final = "make the arrays again with python -m data_prep preprocess"
FileStamp = tuple[int, int, int]
"""Size, modification time and inode of a file."""


@dataclass(frozen=True)
class GalaxyArrays:
    """Galaxy arrays, opened for reading.

    Attributes:
        folder: The folder of the arrays.
        images: uint8 ``[N, H, H, C]``, a read-only memory map: only indexed images are read from disk.
        catalog: One row per image, in the same order.
        dataset: The content of ``dataset.json``.
        stamps: The stamps of ``images.npy`` when it was opened, and whenever it was verified since.
    """

    folder: Path
    images: npt.NDArray[np.uint8]
    catalog: pd.DataFrame
    dataset: dict[str, Any]
    stamps: set[FileStamp] = field(default_factory=set, repr=False, compare=False)

    def __reduce__(self) -> tuple[Callable[[], "GalaxyArrays"], tuple[()]]:
        """Pickles the arrays as a call that opens them again, so that no pixels are copied."""
        return self.opener(), ()

    def opener(self) -> Callable[[], "GalaxyArrays"]:
        """Returns a function that opens the same arrays in another process.

        The function raises a ``GalaxyError`` if the arrays have changed.
        """
        return functools.partial(_reopen, self.folder, self.dataset["sha256"], frozenset(self.stamps))

    @property
    def classes(self) -> list[str]:
        """The class names; the class number is the index."""
        return list(self.dataset["classes"])

    @property
    def class_descriptions(self) -> dict[str, str]:
        """A description of each class in one line, as far as known."""
        preset = CLASS_DESCRIPTIONS if self.classes == list(CLASSES) else {}
        return dict(self.dataset.get("class_descriptions", preset))

    @property
    def image_size(self) -> int:
        """The side of the images in pixels."""
        return int(self.images.shape[1])

    @property
    def bands(self) -> list[str]:
        """The names of the bands, in the order of the last axis of the images."""
        number = self.images.shape[-1]
        preset = COLOURS if number == len(COLOURS) else [f"band{index + 1}" for index in range(number)]
        return list((self.dataset.get("images") or {}).get("bands", preset))

    @property
    def for_final_model(self) -> bool:
        """Whether all galaxies are for training, as cross-validation has estimated the accuracy already."""
        return (self.dataset.get("cross_validation") or {}).get("fold") == FINAL

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """``[N]`` class numbers."""
        return pd.Index(self.classes).get_indexer(pd.Index(self.catalog["label"])).astype(np.int64)

    @property
    def quarter_turns(self) -> npt.NDArray[np.int64] | None:
        """``[N]`` quarter turns by which ``--rotate-once`` rotated the images; None if it was not used.

        Raises:
            GalaxyError: The catalogue's column holds anything other than 0, 1, 2 or 3.
        """
        if QUARTER_TURNS not in self.catalog:
            return None
        turns = self.catalog[QUARTER_TURNS]
        if not turns.isin(range(4)).all():
            raise GalaxyError(
                f"{self.folder / CATALOG}, column {QUARTER_TURNS}: it must hold 0, 1, 2 or 3; {REMEDY}"
            )
        return turns.to_numpy(dtype=np.int64)

    @property
    def identities(self) -> pd.DataFrame:
        """The columns that identify an image: ``objid``, ``id`` (if any), ``asset_id``, split and label."""
        names = ("objid", "id", "asset_id", "split", "label")
        return self.catalog[[name for name in names if name in self.catalog]]

    def rows(self, *splits: str) -> npt.NDArray[np.int64]:
        """Returns the row numbers of the images in the named splits, in order."""
        return np.flatnonzero(self.catalog["split"].isin(splits).to_numpy()).astype(np.int64)

    def require_rows(self, *splits: str) -> npt.NDArray[np.int64]:
        """Returns the row numbers of the images in the named splits, which must not be empty.

        Raises:
            GalaxyError: The splits are empty.
        """
        rows = self.rows(*splits)
        if not len(rows):
            raise GalaxyError(f"{self.folder} holds no {' or '.join(splits)} galaxies: use a larger sample")
        return rows

    def verify(self) -> None:
        """Verifies the SHA-256 of both files against ``dataset.json``; takes about a second per gigabyte.

        Raises:
            GalaxyError: A file has changed.
        """
        for name, expected in self.dataset["sha256"].items():
            found = sha256(self.folder / name)
            if found != expected:
                raise GalaxyError(
                    f"{self.folder / name} has been changed or damaged since it was made: its SHA-256 is "
                    f"{found[:12]}..., but {DATASET} names {str(expected)[:12]}...; {REMEDY}"
                )

    def require_unchanged(self) -> None:
        """Raises an error if the images have changed since they were opened.

        They are hashed only if the file's size, modification time or inode has changed.

        Raises:
            GalaxyError: The files have been changed or replaced.
        """
        try:
            stamp = _file_stamp(self.folder)
            if stamp in self.stamps:
                return
            _reopen(self.folder, self.dataset["sha256"], None).verify()
        except (OSError, GalaxyError) as error:
            raise _changed_error(self.folder) from error
        self.stamps.add(stamp)


def open_arrays(folder: Path) -> GalaxyArrays:
    """Opens galaxy arrays and checks that the files are consistent.

    The hashes are not verified; see :meth:`GalaxyArrays.verify`.

    Args:
        folder: A folder made by ``python -m data_prep preprocess``.

    Returns:
        The arrays.

    Raises:
        GalaxyError: A file is missing or invalid, or the files are inconsistent.
    """
    missing = [name for name in (IMAGES, CATALOG, DATASET) if not (folder / name).is_file()]
    if missing:
        raise GalaxyError(
            f"{folder} does not hold galaxy arrays; missing: {', '.join(missing)}. Choose another folder, or "
            f"{REMEDY}"
        )
    dataset = read_json(folder / DATASET)
    check_dataset(dataset, folder / DATASET, {IMAGES, CATALOG}, REMEDY)
    catalog = _read_catalog(folder / CATALOG, dataset["classes"])
    stamp = _file_stamp(folder)
    images = _map_images(folder / IMAGES)
    named = (dataset.get("images") or {}).get("bands")
    if named is not None and len(named) != images.shape[-1]:
        raise GalaxyError(
            f"{folder}: {IMAGES} has {images.shape[-1]} bands, but {DATASET} names {len(named)}; {REMEDY}"
        )
    if len(images) != len(catalog):
        raise GalaxyError(
            f"{folder}: {IMAGES} holds {len(images):,} images, but {CATALOG} has {len(catalog):,} rows; "
            f"{REMEDY}"
        )
    return GalaxyArrays(folder, images, catalog, dataset, {stamp})


def id_column(catalog: pd.DataFrame) -> str:
    """Returns the column of a catalogue by which the user knows the galaxies: ``id``, or else ``objid``."""
    return "id" if "id" in catalog else "objid"


def _file_stamp(folder: Path) -> FileStamp:
    """Returns the stamp of ``images.npy``, which differs if the file has been changed or replaced."""
    status = (folder / IMAGES).stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _reopen(folder: Path, hashes: dict[str, str], stamps: Collection[FileStamp] | None) -> GalaxyArrays:
    """Opens arrays again and checks that they have not changed.

    Args:
        folder: The folder of the arrays.
        hashes: The SHA-256 of the files, from ``dataset.json``.
        stamps: The accepted stamps of ``images.npy``; None accepts any.

    Raises:
        GalaxyError: The arrays have changed.
    """
    arrays = open_arrays(folder)
    if arrays.dataset["sha256"] != hashes or (stamps is not None and arrays.stamps.isdisjoint(stamps)):
        raise _changed_error(folder)
    return arrays


def _changed_error(folder: Path) -> GalaxyError:
    return GalaxyError(
        f"{folder} was changed or replaced while this command was using it, so the results would be wrong: "
        "run the command again, and do not change the arrays until it ends"
    )


def _read_catalog(path: Path, classes: list[str]) -> pd.DataFrame:
    """Reads the catalogue; refuses unknown classes and splits, and galaxies in several splits."""
    required = {"objid": "int64"} | dict.fromkeys(("asset_id", "label", "split", "path"), "str")
    catalog = read_table(path, required, optional={"id": "str"}, keep_others=True)
    refuse_unknown(catalog, path, "label", classes, f"; {REMEDY}")
    refuse_unknown(catalog, path, "split", SPLITS, f"; {REMEDY}")
    pairs = catalog[["objid", "split"]].drop_duplicates()
    repeated = pairs["objid"][pairs["objid"].duplicated()]
    if len(repeated):
        raise GalaxyError(
            f"{path}: {len(repeated):,} galaxies are in two splits (the first: objid {repeated.iloc[0]}), so "
            f"that a model would be tested on galaxies it was trained on; {REMEDY}"
        )
    return catalog


def _map_images(path: Path) -> npt.NDArray[np.uint8]:
    """Opens the images as a read-only memory map, without unpickling anything."""
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # A damaged header may raise any exception.
        raise GalaxyError(f"{path} cannot be read as an array: {error}; {REMEDY}") from None
    if not (isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4):
        raise GalaxyError(f"{path} is not uint8 [N, H, H, bands]; {REMEDY}")
    _, height, width, bands = images.shape
    if not (height == width and 1 <= bands <= MAX_BANDS and images.flags.c_contiguous):
        raise GalaxyError(f"{path} is not uint8 [N, H, H, 1 to {MAX_BANDS} bands] in C order; {REMEDY}")
    return images
