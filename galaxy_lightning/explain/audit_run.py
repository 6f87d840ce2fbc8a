"""Audits the galaxies that a model was not trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from data_prep.arrays.format import GalaxyArrays, id_column
from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import finite_or_none
from data_prep.common.progress import progress_bar
from galaxy_lightning.audit.colour import ORIGINAL, ColourAudit, plan_changes
from galaxy_lightning.audit.embedding_map import map_galaxies
from galaxy_lightning.audit.label_errors import FLAGGED, likely_wrong_labels
from galaxy_lightning.audit.label_limit import estimate_label_limit
from galaxy_lightning.audit.recall_curves import recall_curves
from galaxy_lightning.audit.results import Audit, scale_maps
from galaxy_lightning.audit.source_measures import MEASURES, measure_sources
from galaxy_lightning.evaluation.significance import bootstrap_interval
from galaxy_lightning.explain.attribution import integrated_gradients
from galaxy_lightning.explain.neighbours import nearest_rows, training_rows
from galaxy_lightning.explain.predictor import Predictor
from galaxy_lightning.runs.names import IMAGE_KEYS

NEAREST: Final = 3
"""Number of similar training galaxies of each galaxy."""
MAP_SIDE: Final = 28
"""Side of the stored attribution maps in pixels."""
_STEPS: Final = 16
"""Steps of integrated gradients; the stored maps are coarse."""
_BATCH: Final = 32
_COLOUR_BANDS: Final = 3
"""The number of bands of images whose colour can be changed: red, green and blue."""
_COLOUR_STRETCH: Final = "lupton"
"""The stretch that keeps the ratios of the bands (Lupton et al. 2004), as in the images of surveys."""


@dataclass(frozen=True)
class AuditedPart:
    """A model with the galaxies that it was not trained on.

    Attributes:
        predictor: The model.
        arrays: The galaxy arrays.
        rows: ``[N]`` row numbers of the galaxies to audit.
    """

    predictor: Predictor
    arrays: GalaxyArrays
    rows: npt.NDArray[np.int64]


def audit_parts(parts: Sequence[AuditedPart], about: dict[str, Any], explained: int) -> Audit:
    """Audits galaxies that the models were not trained on.

    Args:
        parts: One part for a run, one per fold for a cross-validation; with the same classes.
        about: What the summary says about the run.
        explained: Maximum number of galaxies with an attribution map.

    Returns:
        The results. What cannot be computed has its reason in the summary.

    Raises:
        GalaxyError: There are no galaxies.
    """
    classes = parts[0].arrays.classes
    catalogue = pd.concat([part.arrays.catalog.iloc[part.rows] for part in parts], ignore_index=True)
    if not len(catalogue):
        raise GalaxyError("there are no galaxies that the model was not trained on")
    labels = np.concatenate([part.arrays.labels[part.rows] for part in parts])
    galaxies = catalogue["objid"].to_numpy(dtype=np.int64)
    sky, measures = _measure(parts)
    colour, colour_summary, probabilities = _audit_colour(parts, sky, measures, labels)
    predicted = probabilities.argmax(axis=1)
    identity = ["objid", *(["id"] if id_column(catalogue) == "id" else []), "asset_id", "label"]
    table = catalogue[identity].assign(predicted=np.array(classes, dtype=object)[predicted])
    for number, name in enumerate(classes):
        table[f"p_{name}"] = probabilities[:, number].round(6)
    table = pd.concat([table, measures[list(MEASURES)].round(6)], axis=1)
    summary: dict[str, Any] = about | {"classes": classes, "galaxies": len(table)}
    summary["accuracy"] = float((predicted == labels).mean())
    if colour is not None:
        table["colour_reliance"] = colour.reliance.round(6)
        colour_summary = colour.summarise(labels, galaxies, classes)
    summary["colour"] = colour_summary
    summary["label_limit"] = _limit(parts, galaxies, table)
    summary["wrong_labels"] = _find_wrong_labels(table, labels, probabilities, classes)
    nearest, places = _compare_features(parts)
    table[["map_x", "map_y"]] = np.nan
    table.loc[: len(places) - 1, ["map_x", "map_y"]] = places
    summary["mapped"] = len(places)
    wanted = [name for name in MEASURES if measures[name].notna().any()]
    recall = recall_curves(measures[wanted], labels, predicted == labels, classes)
    maps, mapped = _explain(parts, probabilities, labels, explained)
    summary["explained"] = len(mapped)
    return Audit(summary, table, recall, nearest, maps, mapped)


def _measure(parts: Sequence[AuditedPart]) -> tuple[npt.NDArray[np.float64], pd.DataFrame]:
    """Measures all galaxies."""
    with progress_bar(total=_count(parts), desc="measuring galaxies", unit=" galaxies") as bar:

        def images() -> Any:
            for part in parts:
                for row in part.rows:
                    yield part.arrays.images[row]
                    bar.update()

        return measure_sources(images())


def _audit_colour(
    parts: Sequence[AuditedPart],
    sky: npt.NDArray[np.float64],
    measures: pd.DataFrame,
    labels: npt.NDArray[np.int64],
) -> tuple[ColourAudit | None, dict[str, Any], npt.NDArray[np.float64]]:
    """Predicts all galaxies, also with changed colours if that applies; returns the predictions too."""
    arrays = parts[0].arrays
    plan = plan_changes(measures, labels, arrays.classes)
    reason = ""
    stretch = ((arrays.dataset.get("images") or {}).get("stretch") or {}).get("name", _COLOUR_STRETCH)
    if len(arrays.bands) != _COLOUR_BANDS:
        bands = f"{len(arrays.bands)} band{'s' if len(arrays.bands) > 1 else ''}"
        reason = f"does not apply: the images have {bands}, not red, green and blue"
    elif stretch != _COLOUR_STRETCH:
        reason = f"does not apply: the stretch {stretch} does not keep the ratios of the bands"
    elif not measures["colour"].notna().any():
        reason = "does not apply: no galaxy has a colour"
    names = [ORIGINAL] if reason else plan.names
    found = {name: np.full((len(labels), len(arrays.classes)), np.nan) for name in names}
    total = len(labels) * len(names)
    title = "predicting" if reason else "predicting with changed colours"
    with progress_bar(total=total, desc=title, unit=" images") as bar:
        for part, local, overall in _batches(parts):
            images = part.arrays.images[part.rows[local]]
            for name in names:
                changed = plan.apply(name, images, sky[overall], overall)
                found[name][overall] = part.predictor.probabilities(changed)
                bar.update(len(local))
    for name in set(names) & set(plan.shifts):
        found[name][~np.isfinite(plan.shifts[name])] = np.nan
    if reason:
        return None, {"reason": reason}, found[ORIGINAL]
    return ColourAudit(found, plan.blue, plan.red), {}, found[ORIGINAL]


def _limit(
    parts: Sequence[AuditedPart], galaxies: npt.NDArray[np.int64], table: pd.DataFrame
) -> dict[str, Any]:
    """Estimates the limit of the labels, and adds the probability of each label in a repeated vote."""
    repeated = np.full(len(table), np.nan)
    best = np.full(len(table), np.nan)
    start = 0
    try:
        for part in parts:
            limit = estimate_label_limit(part.arrays, part.rows)
            repeated[start + limit.rows], best[start + limit.rows] = limit.repeated, limit.best
            start += len(part.rows)
    except GalaxyError as error:
        return {"reason": str(error)}
    table["label_repeated"] = repeated.round(6)
    known = np.isfinite(best)
    interval = bootstrap_interval(best[known], galaxies[known])
    return {
        "galaxies": int(known.sum()),
        "accuracy_limit": float(best[known].mean()),
        "interval": [finite_or_none(bound) for bound in interval],
        "repeated": float(repeated[known].mean()),
    }


def _find_wrong_labels(
    table: pd.DataFrame,
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    classes: Sequence[str],
) -> dict[str, Any]:
    """Adds the quality of each label to the table."""
    try:
        found = likely_wrong_labels(labels, probabilities, classes)
    except GalaxyError as error:
        return {"reason": f"cannot be found: {error}"}
    table[found.columns] = found
    return {"flagged": int(found[FLAGGED].sum())}


def _compare_features(
    parts: Sequence[AuditedPart],
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Finds the most similar training galaxies, and places the galaxies of the first part on a map.

    The features of the models of several folds cannot be compared.
    """
    tables, places = [], np.empty((0, 2), dtype=np.float32)
    for number, part in enumerate(parts):
        training = training_rows(part.arrays)
        features = part.predictor.features(part.arrays.images, part.rows)
        if len(training):
            known = part.predictor.features(part.arrays.images, training)
            found, distances = nearest_rows(features, known, NEAREST)
            tables.append(_nearest_table(part, training[found], distances))
        if not number:
            with progress_bar(total=1, delay=0, desc="placing galaxies on a map", unit=" maps") as bar:
                places = map_galaxies(features)
                bar.update()
    names = [*IMAGE_KEYS, *(f"nearest_{name}" for name in (*IMAGE_KEYS, "label")), "distance"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=names), places


def _nearest_table(
    part: AuditedPart, rows: npt.NDArray[np.int64], distances: npt.NDArray[np.float64]
) -> pd.DataFrame:
    """Returns the table of the most similar training galaxies ``[N, NEAREST]``."""
    catalogue = part.arrays.catalog
    own = catalogue[IMAGE_KEYS].iloc[np.repeat(part.rows, rows.shape[1])]
    other = catalogue[[*IMAGE_KEYS, "label"]].iloc[rows.ravel()].add_prefix("nearest_")
    table = pd.concat([own.reset_index(drop=True), other.reset_index(drop=True)], axis=1)
    return table.assign(distance=distances.ravel().round(4))


def _explain(
    parts: Sequence[AuditedPart],
    probabilities: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    explained: int,
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """Computes attribution maps of the predicted classes, of the most confident errors first."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    order = np.lexsort((-confidence, predicted == labels))[:explained]
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order] = True
    maps: list[npt.NDArray[np.int8]] = []
    mapped: list[npt.NDArray[np.int64]] = []
    with progress_bar(total=len(order), desc="explaining", unit=" galaxies") as bar:
        for part, local, overall in _batches(parts):
            wanted = chosen[overall]
            if not wanted.any():
                continue
            views = part.predictor.view(part.arrays.images[part.rows[local[wanted]]])
            classes = torch.from_numpy(predicted[overall[wanted]]).to(views.device)
            found = integrated_gradients(part.predictor.model.network, views, classes, _STEPS)
            maps.append(scale_maps(found, MAP_SIDE))
            mapped.append(overall[wanted])
            bar.update(int(wanted.sum()))
    if not maps:
        return np.empty((0, MAP_SIDE, MAP_SIDE), dtype=np.int8), np.empty(0, dtype=np.int64)
    numbers = np.concatenate(mapped)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(order))
    by_rank = np.argsort(rank[numbers])
    return np.concatenate(maps)[by_rank], numbers[by_rank]


def _count(parts: Sequence[AuditedPart]) -> int:
    return sum(len(part.rows) for part in parts)


def _batches(
    parts: Sequence[AuditedPart],
) -> Iterator[tuple[AuditedPart, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yields batches of galaxies: the part, and their numbers in it and overall."""
    before = 0
    for part in parts:
        for start in range(0, len(part.rows), _BATCH):
            local = np.arange(start, min(start + _BATCH, len(part.rows)))
            yield part, local, before + local
        before += len(part.rows)
