"""What a report's page shows beside each galaxy that a model was audited on."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import id_column
from data_prep.common.json_files import finite_or_none
from galaxy_lightning.audit.label_errors import FLAGGED, QUALITY, SUGGESTED
from galaxy_lightning.audit.source_measures import MEASURES
from galaxy_lightning.report.audits import ModelAudit
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.page_data import to_base64
from galaxy_lightning.runs.names import IMAGE_KEYS

MAX_MAPS: Final = 1500
"""Maximum number of attribution maps of a page."""
_UNKNOWN: Final = 65_535
"""Stands for a missing value."""
_STEPS: Final = 65_534
"""Values from 0 to 1 are rounded to multiples of 1 / _STEPS."""
_NEAREST_KEYS: Final = [f"nearest_{name}" for name in IMAGE_KEYS]


def audit_data(
    audits: Sequence[ModelAudit], galaxies: ReportGalaxies, listed: npt.NDArray[np.int64]
) -> tuple[dict[str, Any], npt.NDArray[np.int64]]:
    """Returns what the page's script needs to know about the audits, as JSON types.

    Args:
        audits: The audits.
        galaxies: The galaxies.
        listed: The numbers of the galaxies that the page lists.

    Returns:
        The data, and the rows of the similar training galaxies in the galaxy arrays, whose images the page
        shows. Arrays of numbers are base64 of uint16 in little-endian order, 65535 if missing; those of
        values from 0 to 1 are in steps of 1 / 65534.
    """
    if not audits:
        return {}, np.empty(0, dtype=np.int64)
    places = np.full(len(galaxies.labels), -1)
    places[listed] = np.arange(len(listed))
    training, numbers = _training_galaxies(audits, galaxies, listed)
    entries = []
    for each in audits:
        at = places[each.galaxies]
        shown = at >= 0
        entries.append(
            {
                "model": each.number,
                "explained": _encode_maps(each, at, MAX_MAPS // len(audits)),
                "nearest": _encode_nearest(each.audit.nearest, numbers, galaxies, places),
                **_encode_columns(each.audit.galaxies[shown], at[shown], len(listed), galaxies.classes),
            }
        )
    measures = {title: _spread(audits, name, places, len(listed)) for name, title in MEASURES.items()}
    side = audits[0].audit.maps.shape[1]
    return {"models": entries, "measures": measures, "training": training, "side": side}, numbers.to_numpy()


def _training_galaxies(
    audits: Sequence[ModelAudit], galaxies: ReportGalaxies, listed: npt.NDArray[np.int64]
) -> tuple[list[dict[str, str]], pd.Series]:
    """Returns the similar training galaxies of the listed galaxies, and their rows in the galaxy arrays."""
    shown = pd.MultiIndex.from_frame(galaxies.identities[IMAGE_KEYS].iloc[listed])
    table = pd.concat([each.audit.nearest for each in audits], ignore_index=True)
    table = table[pd.MultiIndex.from_frame(table[IMAGE_KEYS]).isin(shown)]
    table = table[[*_NEAREST_KEYS, "nearest_label"]].drop_duplicates()
    keys = pd.MultiIndex.from_frame(table[_NEAREST_KEYS])
    rows, ids = np.full(len(table), -1), table["nearest_objid"].astype(str).to_numpy()
    if galaxies.arrays is not None:
        catalogue = galaxies.arrays.catalog
        rows = pd.MultiIndex.from_frame(catalogue[IMAGE_KEYS]).get_indexer(keys)
        named = catalogue[id_column(catalogue)].astype(str).to_numpy()
        ids = np.where(rows >= 0, named[rows], ids)
    training = [{"id": name, "label": label} for name, label in zip(ids, table["nearest_label"], strict=True)]
    return training, pd.Series(rows, index=keys, dtype="int64")


def _encode_nearest(
    nearest: pd.DataFrame, numbers: pd.Series, galaxies: ReportGalaxies, places: npt.NDArray[np.int64]
) -> dict[str, list[int]]:
    """Returns the numbers of the similar training galaxies of each listed galaxy."""
    keys = pd.MultiIndex.from_frame(galaxies.identities[IMAGE_KEYS])
    at = keys.get_indexer(pd.MultiIndex.from_frame(nearest[IMAGE_KEYS]))
    other = numbers.index.get_indexer(pd.MultiIndex.from_frame(nearest[_NEAREST_KEYS]))
    found: dict[str, list[int]] = {}
    for galaxy, number in zip(np.where(at >= 0, places[at], -1).tolist(), other.tolist(), strict=True):
        if galaxy >= 0 and number >= 0:
            found.setdefault(str(galaxy), []).append(number)
    return found


def _encode_maps(each: ModelAudit, at: npt.NDArray[np.int64], limit: int) -> dict[str, str]:
    """Returns the attribution maps of listed galaxies as base64 of int8."""
    found: dict[str, str] = {}
    for image, number in zip(each.audit.maps, each.audit.mapped.tolist(), strict=True):
        if len(found) < limit and at[number] >= 0:
            found[str(at[number])] = to_base64(image)
    return found


def _encode_columns(
    table: pd.DataFrame, at: npt.NDArray[np.int64], listed: int, classes: Sequence[str]
) -> dict[str, str]:
    """Returns the columns of an audit for the listed galaxies; a column that the audit lacks is left out."""
    columns = {"x": "map_x", "y": "map_y", "reliance": "colour_reliance", "quality": QUALITY}
    found = {
        key: _pack(np.round(table[name].to_numpy(dtype=float) * _STEPS), at, listed)
        for key, name in columns.items()
        if name in table and table[name].notna().any()
    }
    if SUGGESTED in table:
        numbers = pd.Index(classes).get_indexer(pd.Index(table[SUGGESTED])).astype(float)
        differs = (table[SUGGESTED] != table["label"]).to_numpy()
        found["suggested"] = _pack(np.where(differs, numbers, np.nan), at, listed)
        found["flagged"] = _pack(table[FLAGGED].to_numpy(dtype=float), at, listed)
    return found


def _pack(values: npt.NDArray[np.float64], at: npt.NDArray[np.int64], listed: int) -> str:
    """Returns values of the listed galaxies as base64 of uint16."""
    packed = np.full(listed, _UNKNOWN, dtype="<u2")
    packed[at] = np.where(np.isfinite(values), values, _UNKNOWN).clip(0, _UNKNOWN)
    return to_base64(packed)


def _spread(
    audits: Sequence[ModelAudit], name: str, places: npt.NDArray[np.int64], listed: int
) -> list[float | None]:
    """Returns a measure of the listed galaxies from all audits; None if unknown."""
    found = np.full(listed, np.nan)
    for each in audits:
        at = places[each.galaxies]
        found[at[at >= 0]] = each.audit.galaxies[name].to_numpy(dtype=float)[at >= 0]
    return [finite_or_none(float(f"{value:.4g}")) for value in found]
