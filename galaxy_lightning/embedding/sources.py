"""Galaxies whose features are computed: those of galaxy arrays, or the images in a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.arrays.positions import identify_images
from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from galaxy_lightning.data.checks import require_compatible
from galaxy_lightning.data.image_folders import ImageFolderDataset
from galaxy_lightning.data.seen_galaxies import SeenFlags, parse_objids
from galaxy_lightning.explain.predictor import Predictor
from galaxy_lightning.networks.features import head_layers
from galaxy_lightning.runs.writer import arrays_identity
from galaxy_lightning.training.checkpoints import CheckpointInfo, load_checkpoint


class EmbeddingModel(NamedTuple):
    """A model that computes features.

    Attributes:
        predictor: The model.
        trained: What its checkpoint says about the training.
        sha256: SHA-256 of the checkpoint, in hexadecimal.
    """

    predictor: Predictor
    trained: CheckpointInfo
    sha256: str


class SourceImages(NamedTuple):
    """The images of a batch.

    Attributes:
        images: uint8 ``[B, H, H, bands]``; black where an image cannot be used.
        problems: Why an image cannot be used, by row.
    """

    images: npt.NDArray[np.uint8]
    problems: dict[int, str]


class GalaxySource(NamedTuple):
    """``N`` galaxies whose features are computed.

    Attributes:
        identifiers: ``N`` rows, with the columns of ``predict``: ``objid`` or ``id``, ``path`` and, for
            galaxy arrays, ``asset_id``, ``split`` and ``label``, ``ra`` and ``dec`` if known.
        read: Returns the images of a range of rows.
        flags: Tells which galaxies the model has seen.
        turns: ``[N]`` quarter turns by which the images were rotated; None if they were not.
        origin: Where the galaxies come from, as JSON types.
        folder: The folder of images; None for galaxy arrays.
        notes: Sentences for the user on how the images differ from those of the training.
    """

    identifiers: pd.DataFrame
    read: Callable[[range], SourceImages]
    flags: SeenFlags
    turns: npt.NDArray[np.int64] | None
    origin: dict[str, Any]
    folder: ImageFolderDataset | None = None
    notes: list[str] = []  # noqa: RUF012 - a default of a named tuple, never changed.


def load_embedding_model(checkpoint: Path, networks: list[str] | None = None) -> EmbeddingModel:
    """Loads a model.

    Args:
        checkpoint: The checkpoint.
        networks: Class paths of networks of the user's own, whose code may be run.

    Raises:
        GalaxyError: The checkpoint cannot be read, or the network has no dense layer.
    """
    model, trained = load_checkpoint(checkpoint, networks or [])
    head_layers(model.network)
    return EmbeddingModel(Predictor(model), trained, sha256(checkpoint))


def open_arrays_source(folder: Path, model: EmbeddingModel) -> GalaxySource:
    """Opens galaxy arrays; their classes may be others than those of the model.

    Args:
        folder: The galaxy arrays.
        model: The model.

    Raises:
        GalaxyError: The arrays are damaged or empty, or their images have another size or other bands than
            the model's.
    """
    arrays = open_arrays(folder)
    network = model.predictor.model
    require_compatible(arrays, arrays.classes, network.image_size, network.bands)
    arrays.verify()
    turns = arrays.quarter_turns
    flags = SeenFlags(model.trained.seen, arrays.catalog["objid"].to_numpy(dtype=np.int64), turns)
    origin = {"arrays": str(folder.resolve()), "sha256": arrays_identity(arrays)["sha256"]}

    def read(rows: range) -> SourceImages:
        return SourceImages(np.array(arrays.images[rows.start : rows.stop]), {})

    return GalaxySource(_without_empty(identify_images(arrays), arrays), read, flags, turns, origin)


def open_images_source(folder: Path, model: EmbeddingModel, pixel_scale: float | None = None) -> GalaxySource:
    """Opens the images in a folder and its subfolders.

    Args:
        folder: The folder.
        model: The model.
        pixel_scale: Arcsec per pixel of images without celestial coordinates.

    Raises:
        GalaxyError: The folder has no images, or the pixel scale cannot be used.
    """
    prepared = model.trained.images.to_predict(model.predictor.model.image_size, pixel_scale, folder)
    dataset = ImageFolderDataset(folder, prepared)
    identifiers = dataset.identifiers
    flags = SeenFlags(model.trained.seen, parse_objids(identifiers.iloc[:, 0]))
    origin = {
        "images": str(folder.resolve()),
        "settings": prepared.settings.to_json(),
        "pixel_scale": pixel_scale,
    }

    def read(rows: range) -> SourceImages:
        batch = dataset.__getitems__(rows)
        return SourceImages(batch.images.numpy(), batch.problems)

    return GalaxySource(identifiers, read, flags, None, origin, dataset, list(dataset.describe()))


def _without_empty(identifiers: pd.DataFrame, arrays: GalaxyArrays) -> pd.DataFrame:
    """Returns the identifiers; refuses arrays without galaxies."""
    if identifiers.empty:
        raise GalaxyError(f"{arrays.folder} holds no galaxies")
    return identifiers
