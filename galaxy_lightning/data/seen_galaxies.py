"""The galaxies that a model has seen: no accuracy may be measured on them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from data_prep.arrays.format import GalaxyArrays
from data_prep.images.pixel_hash import hash_images
from data_prep.tables.objids import LARGEST_ID

SEEN: Final = "seen_in_training"
"""The column of a table of predictions that tells whether the model has seen the galaxy."""
OBJID: Final = re.compile(r"[0-9]{18,19}")
"""The form of an SDSS object id."""


def _none() -> npt.NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class SeenGalaxies:
    """Galaxies by object id and by the hash of their pixels, which also identifies renamed files.

    Attributes:
        objids: int64 ``[N]``, sorted.
        pixels: int64 ``[M]`` hashes, sorted; see :func:`data_prep.images.pixel_hash.hash_pixels`.
        has_all_pixels: Whether the hashes of all galaxies are known; files of older versions have none.
    """

    objids: npt.NDArray[np.int64] = field(default_factory=_none)
    pixels: npt.NDArray[np.int64] = field(default_factory=_none)
    has_all_pixels: bool = True

    @classmethod
    def from_arrays(cls, arrays: GalaxyArrays, split: str) -> "SeenGalaxies":
        """Returns the galaxies of a split, whose images are read once.

        Args:
            arrays: The galaxy arrays.
            split: The name of the split.
        """
        rows = arrays.rows(split)
        objids = arrays.catalog["objid"].to_numpy()[rows]
        return cls(np.unique(objids), np.unique(hash_images(arrays.images, rows, arrays.quarter_turns)))

    def __or__(self, other: "SeenGalaxies") -> "SeenGalaxies":
        """Returns the galaxies of both."""
        return SeenGalaxies(
            np.union1d(self.objids, other.objids),
            np.union1d(self.pixels, other.pixels),
            self.has_all_pixels and other.has_all_pixels,
        )

    def state(self, split: str) -> dict[str, Any]:
        """Returns the entries of a checkpoint."""
        return {
            f"{split}_objids": torch.from_numpy(self.objids),
            f"{split}_pixels": torch.from_numpy(self.pixels),
            f"{split}_has_all_pixels": self.has_all_pixels,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], split: str) -> "SeenGalaxies":
        """Reads the entries of a checkpoint; older ones have no hashes.

        Raises:
            KeyError: The object ids are missing.
            TypeError: An entry is of another type.
        """
        objids = _parse_integers(state[f"{split}_objids"])
        pixels = _parse_integers(state.get(f"{split}_pixels", torch.from_numpy(_none())))
        has_all = state.get(f"{split}_has_all_pixels", not len(objids))
        if not isinstance(has_all, bool):
            raise TypeError("its list of the galaxies that it was trained on is invalid")
        return cls(objids, pixels, has_all)

    def find(
        self,
        images: npt.NDArray[np.uint8],
        rows: npt.NDArray[np.int64],
        objids: npt.NDArray[np.int64],
        turns: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Returns ``[K]`` whether each of ``K`` images shows one of the galaxies.

        Args:
            images: ``[N, H, W, C]``; they are read only if the hashes of the galaxies are known.
            rows: ``[K]`` numbers of the images to look up.
            objids: ``[K]`` their object ids, -1 where an image has none.
            turns: ``[N]`` quarter turns by which the images were rotated, if they were.
        """
        found = np.isin(objids, self.objids)
        if len(self.pixels):
            found |= np.isin(hash_images(images, rows, turns), self.pixels)
        return found

    def count(self, arrays: GalaxyArrays, split: str) -> int:
        """Returns the number of images of a split that show one of the galaxies.

        Args:
            arrays: The galaxy arrays.
            split: The name of the split.
        """
        rows = arrays.rows(split)
        objids = arrays.catalog["objid"].to_numpy()[rows]
        return int(self.find(arrays.images, rows, objids, arrays.quarter_turns).sum())


class SeenFlags:
    """Looks up galaxies among those that a model has seen.

    A galaxy is found by its object id, or by the hash of its pixels if its file has another name.

    Args:
        seen: The galaxies that the model has seen.
        objids: ``[N]`` the object ids of the galaxies, -1 where a galaxy has none.
        turns: ``[N]`` quarter turns by which the images were rotated, if they were.
    """

    def __init__(
        self,
        seen: SeenGalaxies,
        objids: npt.NDArray[np.int64],
        turns: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self._seen, self._objids, self._turns = seen, objids, turns

    @property
    def may_be_missing(self) -> bool:
        """Whether :meth:`find` may return missing values."""
        return bool((self._objids < 0).any()) and not self._seen.has_all_pixels

    def find(self, images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> "pd.Series[Any]":
        """Returns ``[B]`` whether the model has seen each galaxy, of pandas' nullable type ``boolean``.

        It is missing if that is unknown: the galaxy has no object id, and hashes of the pixels are missing.

        Args:
            images: ``[B, H, W, C]``.
            rows: ``[B]`` rows of the galaxies.
        """
        objids, turns = self._objids[rows], None if self._turns is None else self._turns[rows]
        found = pd.Series(self._seen.find(images, np.arange(len(rows)), objids, turns), dtype="boolean")
        return found.mask(~found & (objids < 0) & (not self._seen.has_all_pixels))


def parse_objids(names: Iterable[Any]) -> npt.NDArray[np.int64]:
    """Returns ``[N]`` SDSS object ids of 18 or 19 digits; -1 for anything else, such as ``1`` or ``ngc1300``.

    Shorter numbers and other names are not unique: galaxies of other tables may have the same.

    Args:
        names: Integers or texts.
    """
    texts = (str(name).strip() for name in names)
    ids = (int(text) if OBJID.fullmatch(text) else -1 for text in texts)
    return np.array([objid if objid <= LARGEST_ID else -1 for objid in ids], dtype=np.int64)


def _parse_integers(stored: Any) -> npt.NDArray[np.int64]:
    if not (isinstance(stored, torch.Tensor) and stored.dtype == torch.int64 and stored.ndim == 1):
        raise TypeError("its list of the galaxies that it was trained on is invalid")
    return np.unique(stored.numpy())
