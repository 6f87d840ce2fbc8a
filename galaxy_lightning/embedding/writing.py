"""Computes the features of galaxies and writes them to a table, batch by batch."""

import contextlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file, new_files
from data_prep.common.progress import progress_bar
from data_prep.common.threads import prefetch
from data_prep.images.pixel_hash import hash_images
from galaxy_lightning.data.image_folders import list_skipped
from galaxy_lightning.data.seen_galaxies import SEEN
from galaxy_lightning.embedding.sources import EmbeddingModel, GalaxySource
from galaxy_lightning.embedding.table_file import TableFile
from galaxy_lightning.embedding.table_info import ENTROPY, PIXEL_HASH
from galaxy_lightning.evaluation.calibration import entropy
from galaxy_lightning.evaluation.novelty import NOVELTY
from galaxy_lightning.networks.features import BATCH
from galaxy_lightning.runs.writer import prediction_table


class Embedded(NamedTuple):
    """What has been written.

    Attributes:
        written: Number of galaxies in the table.
        seen: Number of these that the model has seen in training.
        features: Number of features.
        skipped: Galaxies and other files that are not in the table, with the ``reason``.
    """

    written: int
    seen: int
    features: int
    skipped: pd.DataFrame


def embed(model: EmbeddingModel, galaxies: GalaxySource, path: Path, skipped_path: Path) -> Embedded:
    """Writes the features of galaxies to a Parquet file.

    The table has the identifiers of each galaxy, ``p_<class>``, ``predicted``, ``entropy`` in bits,
    ``seen_in_training``, ``novelty`` if the model rates it, ``pixel_hash`` and ``embedding``, a fixed-size
    list of float32. It appears when it is complete. Memory grows only with the identifiers: a row group is
    written at a time.

    Args:
        model: The model.
        galaxies: The galaxies.
        path: The Parquet file.
        skipped_path: The CSV file that lists unusable images, if there are any.

    Raises:
        GalaxyError: No image is usable, the network has no dense layer, or a file cannot be written.
    """
    number, outputs = len(galaxies.identifiers), {path.absolute(), skipped_path.absolute()}
    with (
        contextlib.suppress(_NothingUsableError),
        new_files(path, skipped_path) as (partial, partial_skipped),
    ):
        table, problems, seen = _fill(partial, model, galaxies)
        skipped = list_skipped(
            galaxies.identifiers, problems, galaxies.folder, lambda file: file.absolute() in outputs
        )
        if not table.written:
            raise _NothingUsableError
        if len(skipped):
            _write_list(skipped, partial_skipped)
        return Embedded(table.written, seen, table.features, skipped)
    path.unlink(missing_ok=True)  # An older table does not belong to the new list.
    write_list(skipped, skipped_path)
    row, reason = min(problems.items())
    raise GalaxyError(
        f"none of the {number:,} images is usable (listed in {skipped_path}); the first is "
        f"{galaxies.identifiers['path'].iloc[row]}: {reason}"
    )


class _NothingUsableError(Exception):
    """No image is usable, so that there is no table."""


def _fill(path: Path, model: EmbeddingModel, galaxies: GalaxySource) -> tuple[TableFile, dict[int, str], int]:
    """Writes the table; returns it, why images are unusable, by row, and the number of seen galaxies."""
    number, problems, seen = len(galaxies.identifiers), dict[int, str](), 0
    pieces = [range(start, min(start + BATCH, number)) for start in range(0, number, BATCH)]
    with (
        TableFile(path, model, galaxies) as table,
        prefetch(galaxies.read, pieces, 1, 2) as batches,
        progress_bar(total=number, desc="embed", unit=" galaxies") as bar,
    ):
        for piece, (images, unusable) in zip(pieces, batches, strict=True):
            problems |= unusable
            rows = np.array([row for row in piece if row not in unusable], dtype=np.int64)
            if len(rows):
                columns = _describe(model, galaxies, images[rows - piece.start], rows)
                seen += int(columns[0][SEEN].sum())
                table.append(*columns)
            bar.update(len(piece))
    return table, problems, seen


def _describe(
    model: EmbeddingModel, galaxies: GalaxySource, images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Returns the columns of some galaxies, and their features."""
    classifier = model.predictor.model
    outputs, features = model.predictor.classify(images)
    probabilities = outputs.probabilities[0]
    table = prediction_table(galaxies.identifiers.iloc[rows], probabilities, classifier.classes)
    turns = None if galaxies.turns is None else galaxies.turns[rows]
    table[ENTROPY] = entropy(probabilities).round(6)
    table[SEEN] = galaxies.flags.find(images, rows)
    if classifier.inference.rates_novelty():
        table[NOVELTY] = outputs.novelty[0].round(2)
    table[PIXEL_HASH] = hash_images(images, np.arange(len(rows)), turns)
    return table, features


def write_list(table: pd.DataFrame, path: Path) -> None:
    """Writes a table as CSV, atomically; bytes of file names that are not valid UTF-8 are escaped.

    Args:
        table: The table.
        path: The file.

    Raises:
        GalaxyError: The file cannot be written.
    """
    with new_file(path) as partial:
        _write_list(table, partial)


def _write_list(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, errors="backslashreplace")
