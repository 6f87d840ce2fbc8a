"""Refuses galaxy arrays that a model cannot work on, or on which a score would mean nothing."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError


def require_same_kind(arrays: GalaxyArrays, classes: Sequence[str], image_size: int) -> None:
    """Stops where a model was made for other classes or another image size.

    Args:
        arrays: The galaxy arrays.
        classes: The model's classes, in order.
        image_size: Side of the images that the model takes, in pixels.

    Raises:
        GalaxyError: It was.
    """
    if arrays.classes != list(classes):
        raise GalaxyError(
            f"{arrays.folder} has the classes {', '.join(arrays.classes)}, the model has "
            f"{', '.join(classes)}: name arrays with the model's classes in the same order, or train a "
            f"model on these with: fit --model.classes '{json.dumps(arrays.classes)}'"
        )
    stored = arrays.images.shape[1]
    if stored != image_size:
        raise GalaxyError(
            f"{arrays.folder} holds images of {stored} pixels, the model takes {image_size}: train "
            f"one with --model.image_size {stored}, or make the arrays with --crop {image_size}"
        )


def require_unseen(arrays: GalaxyArrays, split: str, seen: npt.NDArray[np.int64]) -> None:
    """Stops where galaxies to validate or test on are among those that the weights have seen before.

    Args:
        arrays: The galaxy arrays.
        split: ``"val"`` or ``"test"``.
        seen: ``[N]`` object ids that the weights were trained on before this fit.

    Raises:
        GalaxyError: They are.
    """
    held_out = arrays.catalog["objid"].to_numpy()[arrays.rows(split)]
    if known := int(np.isin(held_out, seen).sum()):
        raise GalaxyError(
            f"what this fit starts from was trained on {known:,} of the {len(held_out):,} {split} "
            f"galaxies of {arrays.folder}: a score there would mean nothing. Start from other "
            "weights, or take other arrays"
        )
