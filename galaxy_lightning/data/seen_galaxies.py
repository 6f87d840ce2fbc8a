"""The galaxies that a model has seen, which must not measure it."""

from collections.abc import Mapping
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
"""The column that flags the galaxies in a table of predictions that the model was trained on."""


def _none() -> npt.NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class SeenGalaxies:
    """Galaxies by object id and by the hash of their pixels, which also identifies renamed files.

    Attributes:
        objids: int64 ``[N]``, sorted.
        pixels: int64 ``[M]`` hashes, sorted; see :func:`data_prep.images.pixel_hash.hash_pixels`. Empty in
            files of older versions.
    """

    objids: npt.NDArray[np.int64] = field(default_factory=_none)
    pixels: npt.NDArray[np.int64] = field(default_factory=_none)

    @classmethod
    def from_arrays(cls, arrays: GalaxyArrays, split: str) -> "SeenGalaxies":
        """Returns the galaxies of a split; their images are read once (0.1 ms per image and core).

        Args:
            arrays: The galaxy arrays.
            split: The name of the split.
        """
        rows = arrays.rows(split)
        objids = arrays.catalog["objid"].to_numpy()[rows]
        return cls(np.unique(objids), np.unique(hash_images(arrays.images, rows, arrays.quarter_turns)))

    def __or__(self, other: "SeenGalaxies") -> "SeenGalaxies":
        """Returns the galaxies of both."""
        return SeenGalaxies(np.union1d(self.objids, other.objids), np.union1d(self.pixels, other.pixels))

    def state(self, split: str) -> dict[str, torch.Tensor]:
        """Returns the entries of a checkpoint."""
        return {
            f"{split}_objids": torch.from_numpy(self.objids),
            f"{split}_pixels": torch.from_numpy(self.pixels),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], split: str) -> "SeenGalaxies":
        """Reads the entries of a checkpoint; older ones have no hashes.

        Raises:
            KeyError: The object ids are missing.
            TypeError: An entry is not a list of integers.
        """
        pixels = state.get(f"{split}_pixels", torch.from_numpy(_none()))
        return cls(_parse_integers(state[f"{split}_objids"]), _parse_integers(pixels))

    def find(
        self,
        images: npt.NDArray[np.uint8],
        rows: npt.NDArray[np.int64],
        objids: npt.NDArray[np.int64] | None,
        turns: npt.NDArray[np.int64] | None = None,
    ) -> npt.NDArray[np.bool_]:
        """Returns ``[K]`` whether each of ``K`` images shows one of the galaxies.

        Args:
            images: ``[N, H, W, C]``; they are read only if the hashes of the galaxies are known.
            rows: ``[K]`` numbers of the images to look up.
            objids: ``[K]`` their object ids, if they have any.
            turns: ``[N]`` quarter turns by which the images were rotated, if they were.
        """
        found = np.zeros(len(rows), dtype=np.bool_)
        if objids is not None:
            found |= np.isin(objids, self.objids)
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
    """Looks up galaxies among those that a model was trained on.

    A galaxy is found by its object id, or by the hash of its pixels if its file has another name.

    Args:
        trained_on: The galaxies that the model was trained on.
        galaxies: The identifiers of ``N`` galaxies; the column ``objid``, if any, is used.
        turns: ``[N]`` quarter turns by which the images were rotated, if they were.
    """

    def __init__(
        self,
        trained_on: SeenGalaxies,
        galaxies: pd.DataFrame,
        turns: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self._trained_on, self._turns = trained_on, turns
        self._objids = _parse_objids(galaxies["objid"]) if "objid" in galaxies else None

    @property
    def are_known(self) -> bool:
        """Whether the galaxies can be looked up; older checkpoints know object ids only."""
        return self._objids is not None or len(self._trained_on.pixels) > 0

    def find(
        self, images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_] | None:
        """Returns ``[B]`` whether the model was trained on each galaxy; None if that is unknown.

        Args:
            images: ``[B, H, W, C]``.
            rows: ``[B]`` rows of the galaxies.
        """
        if not self.are_known:
            return None
        objids, turns = (None if values is None else values[rows] for values in (self._objids, self._turns))
        return self._trained_on.find(images, np.arange(len(rows)), objids, turns)


def _parse_objids(column: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    """Returns object ids; -1 for names that are not ids."""
    ids = (int(name) if name.isascii() and name.isdigit() else -1 for name in map(str, column))
    return np.array([objid if objid <= LARGEST_ID else -1 for objid in ids], dtype=np.int64)


def _parse_integers(stored: Any) -> npt.NDArray[np.int64]:
    if not (isinstance(stored, torch.Tensor) and stored.dtype == torch.int64 and stored.ndim == 1):
        raise TypeError("its list of the galaxies that it was trained on is invalid")
    return np.unique(stored.numpy())
