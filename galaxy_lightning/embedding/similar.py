"""The galaxies of a table that are most similar to a galaxy, by the distance of their features."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.errors import GalaxyError
from data_prep.common.paths import expand_path
from data_prep.common.progress import progress_bar
from data_prep.images.image_files import split_suffix
from galaxy_lightning.data.image_folders import ImageListDataset
from galaxy_lightning.embedding.reading import EmbeddingTable, FeatureRows
from galaxy_lightning.embedding.sources import EmbeddingModel
from galaxy_lightning.evaluation.neighbours import Scale, nearest_points
from galaxy_lightning.explain.opening import similar_ids

RANK: Final = "rank"
DISTANCE: Final = "distance"
GALAXY: Final = "galaxy"
_SAME_IMAGE: Final = 0.01
"""Images of one galaxy whose features differ by less, in standard deviations, are copies of each other: their
features may differ in the last digits."""


class Query(NamedTuple):
    """A galaxy whose similar galaxies are wanted.

    Attributes:
        name: Its id or, of several images with the same id, its path.
        id: Its id.
        features: float32 ``[features]``.
        row: Its row in the table; None for an image file.
        image: uint8 ``[H, H, bands]`` of an image file.
        predicted: The predicted class; empty if unknown.
    """

    name: str
    id: str
    features: npt.NDArray[np.float32]
    row: int | None = None
    image: npt.NDArray[np.uint8] | None = None
    predicted: str = ""


def find_ids(table: EmbeddingTable, names: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """Finds galaxies by their ids.

    Args:
        table: The table.
        names: Ids, SDSS object ids or asset ids.

    Returns:
        ``[images]`` rows of each galaxy, by name.

    Raises:
        GalaxyError: An id does not exist; the message names the nearest ones, or says that a file is missing.
    """
    columns = dict.fromkeys((table.id_column, "objid", "asset_id"))
    texts = [table.galaxies[name].astype(str).to_numpy() for name in columns if name in table.galaxies]
    found = {}
    for name in dict.fromkeys(names):
        hits = (np.flatnonzero(column == name) for column in texts)
        rows = next((rows for rows in hits if len(rows)), None)
        if rows is None:
            if split_suffix(name)[1] or Path(name).name != name:
                problem = "is a folder" if Path(expand_path(name)).is_dir() else "does not exist"
                raise GalaxyError(
                    f"{name} {problem}: name an image file, or the id of a galaxy in {table.path}"
                )
            raise GalaxyError(
                f"{name} is neither an image file nor the id of a galaxy in {table.path}; the most similar "
                f"ids: {', '.join(similar_ids(name, [column.tolist() for column in texts]))}"
            )
        found[name] = rows
    return found


def queries_from_rows(
    table: EmbeddingTable, found: dict[str, npt.NDArray[np.int64]], scaled: FeatureRows
) -> list[Query]:
    """Makes a query of each image of the galaxies that were named by their ids.

    Args:
        table: The table.
        found: The rows of each galaxy, by name.
        scaled: The standardised features.

    Raises:
        GalaxyError: The features of a galaxy are not finite.
    """
    ids, queries = table.ids, []
    for name, rows in found.items():
        for row in rows.tolist():
            position = int(np.searchsorted(scaled.rows, row))
            if position == len(scaled.rows) or scaled.rows[position] != row:
                raise GalaxyError(f"{name}: its features in {table.path} are missing or not finite")
            title = name if len(rows) == 1 else str(table.galaxies["path"].iloc[row])
            predicted = str(table.galaxies["predicted"].iloc[row])
            features = scaled.features[position].copy()
            queries.append(Query(title, str(ids[row]), features, row, predicted=predicted))
    return queries


def require_same_model(table: EmbeddingTable, model: EmbeddingModel) -> None:
    """Refuses a model other than the one that made a table: their features cannot be compared.

    Args:
        table: The table.
        model: The model.

    Raises:
        GalaxyError: The models differ.
    """
    if model.sha256 != table.info.sha256:
        raise GalaxyError(
            f"{table.path} was made with another model ({table.info.checkpoint}, SHA-256 "
            f"{table.info.sha256[:12]}...) than {model.trained.path} ({model.sha256[:12]}...), so that their "
            "features cannot be compared: name that model with --run, or embed the galaxies again"
        )


def queries_from_files(
    files: Sequence[Path],
    table: EmbeddingTable,
    model: EmbeddingModel,
    scale: Scale,
    pixel_scale: float | None,
) -> list[Query]:
    """Computes the features of image files.

    Args:
        files: The files.
        table: The table.
        model: The model that made it.
        scale: The scale of its features.
        pixel_scale: Arcsec per pixel of the files; by default as for the images of the table.

    Raises:
        GalaxyError: An image cannot be used, or the model needs several files for an image.
    """
    pixel_scale = table.info.galaxies.get("pixel_scale") if pixel_scale is None else pixel_scale
    classifier, queries = model.predictor.model, []
    for path in files:
        prepared = model.trained.images.to_predict(classifier.image_size, pixel_scale, path.parent)
        if prepared.settings.pattern is not None:
            raise GalaxyError(
                "the model needs one file per band of each image, which cannot be named one by one: name "
                "the ids of galaxies in the table"
            )
        batch = ImageListDataset([(path,)], prepared).__getitems__([0])
        if batch.problems:
            raise GalaxyError(f"{path}: {batch.problems[0]}")
        images = batch.images.numpy()
        outputs, raw = model.predictor.classify(images)
        features = scale.apply(raw)[0]
        if not np.isfinite(features).all():
            raise GalaxyError(f"{path}: its features are not finite")
        predicted = classifier.classes[int(outputs.probabilities[0, 0].argmax())]
        queries.append(
            Query(str(path), split_suffix(path.name)[0], features, image=images[0], predicted=predicted)
        )
    return queries


def find_similar(
    table: EmbeddingTable, scaled: FeatureRows, queries: Sequence[Query], number: int
) -> list[pd.DataFrame]:
    """Finds the most similar galaxies of each query by brute force.

    The galaxy itself and its copies, images with the same id and the same features, are left out.

    Args:
        table: The table.
        scaled: Its standardised features.
        queries: The queries.
        number: Number of galaxies to find.

    Returns:
        For each query a table of at most ``number`` galaxies, the most similar first: ``galaxy`` (the query),
        ``rank``, ``distance`` (Euclidean, in standard deviations), the identifiers, ``predicted`` and
        ``p_<class>``. Its index holds the rows in ``table``.
    """
    ids = table.ids[scaled.rows]
    named = (table.id_column, "objid", "asset_id", "path", "split", "label")
    identifiers = [name for name in dict.fromkeys(named) if name in table.galaxies]
    shown = [*identifiers, "predicted", *table.info.probability_columns]
    limit = _SAME_IMAGE * np.sqrt(table.info.features)
    results = []
    for query in progress_bar(queries, desc="search", unit=" galaxies"):
        has_same_id = ids == query.id
        positions, distances = nearest_points(
            query.features[None], scaled.features, number + int(has_same_id.sum()) + 1
        )
        rows = scaled.rows[positions[0]]
        is_copy = (has_same_id[positions[0]] & (distances[0] < limit)) | (rows == query.row)
        chosen = np.flatnonzero(~is_copy)[:number]
        found: Any = table.galaxies.loc[rows[chosen], shown]
        found.insert(0, GALAXY, query.name)
        found.insert(1, RANK, np.arange(1, len(found) + 1))
        found.insert(2, DISTANCE, distances[0][chosen].round(4))
        results.append(found)
    return results
