"""The files of an audit, in the folder ``audit`` of a run folder.

=================  ================================================================================
``audit.json``     all numbers: colour reliance, limit of the labels, numbers of galaxies, settings
``galaxies.csv``   each galaxy: identity, prediction, measures, colour reliance, label quality, place on map
``recall.csv``     recall of each class in bins of each measure
``nearest.csv``    the most similar training galaxies of each galaxy
``maps.npz``       attribution maps
``figures/``       figures as PNG and PDF
=================  ================================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_folder
from data_prep.common.json_files import read_json, write_json
from data_prep.tables.csv_tables import read_table
from galaxy_lightning.audit.label_errors import FLAGGED
from galaxy_lightning.evaluation.figure_files import save_figure
from galaxy_lightning.runs.names import IMAGE_KEYS
from galaxy_lightning.runs.writer import as_flags

AUDIT: Final = "audit"
SUMMARY: Final = "audit.json"
GALAXIES: Final = "galaxies.csv"
RECALL: Final = "recall.csv"
NEAREST: Final = "nearest.csv"
MAPS: Final = "maps.npz"
FIGURES: Final = "figures"
CONTENTS: Final = (SUMMARY, GALAXIES, RECALL, NEAREST, MAPS, FIGURES)
"""The files and folders of an audit."""
FORMAT: Final = 1
_RECALL_COLUMNS: Final = {
    "measure": "str",
    **dict.fromkeys(("low", "high", "median"), "float64"),
    "class": "str",
    "galaxies": "int64",
    **dict.fromkeys(("recall", "recall_low", "recall_high"), "float64"),
}
_SECTIONS: Final = frozenset(
    {"model", "classes", "galaxies", "accuracy", "colour", "label_limit", "wrong_labels"}
)


@dataclass(frozen=True)
class Audit:
    """The results of an audit of ``N`` galaxies.

    Attributes:
        summary: All figures, as JSON types.
        galaxies: ``N`` rows: ``objid``, ``id`` (if any), ``asset_id``, ``label``, ``predicted``,
            ``p_<class>``, the measures, ``colour_reliance``, ``label_quality``, ``flagged``, ``suggested``,
            ``map_x`` and ``map_y``; what could not be computed is missing.
        recall: Recall of each class in bins of each measure; see :mod:`~.recall_curves`.
        nearest: Rows with ``objid`` and ``asset_id`` of a galaxy and ``nearest_objid``, ``nearest_asset_id``
            and ``nearest_label`` of a similar training galaxy, the most similar first.
        maps: int8 ``[M, side, side]`` attribution maps of the predicted class, scaled to 127 each.
        mapped: ``[M]`` rows of their galaxies.
    """

    summary: dict[str, Any]
    galaxies: pd.DataFrame
    recall: pd.DataFrame
    nearest: pd.DataFrame
    maps: npt.NDArray[np.int8]
    mapped: npt.NDArray[np.int64]


def write_audit(audit: Audit, run: Path, figures: Mapping[str, Figure] | None = None) -> Path:
    """Writes an audit into a run folder, atomically; an earlier one is replaced.

    Args:
        audit: The results.
        run: The run folder.
        figures: The figures by name.

    Returns:
        The folder of the audit.
    """
    folder = run / AUDIT
    with new_folder(folder, overwrite=True, contents=CONTENTS) as partial:
        write_json(partial / SUMMARY, audit.summary | {"format": FORMAT})
        galaxies = audit.galaxies
        if FLAGGED in galaxies:
            galaxies = galaxies.assign(**{FLAGGED: as_flags(galaxies[FLAGGED].to_numpy(dtype=bool))})
        for name, table in ((GALAXIES, galaxies), (RECALL, audit.recall), (NEAREST, audit.nearest)):
            table.to_csv(partial / name, index=False)
        np.savez_compressed(partial / MAPS, maps=audit.maps, mapped=audit.mapped)
        (partial / FIGURES).mkdir()
        for name, figure in (figures or {}).items():
            save_figure(figure, partial / FIGURES / name)
    return folder


def read_audit(run: Path, keys: pd.DataFrame) -> Audit | None:
    """Reads the audit of a run.

    Args:
        run: The run folder.
        keys: ``objid`` and ``asset_id`` of the galaxies that the audit must be of.

    Returns:
        The audit; None if there is none.

    Raises:
        GalaxyError: It is damaged, or of other galaxies.
    """
    folder = run / AUDIT
    if not (folder / SUMMARY).is_file():
        return None
    remedy = "run audit again"
    summary = read_json(folder / SUMMARY)
    if summary.get("format") != FORMAT:
        raise GalaxyError(f"{folder} is of another version of this program: {remedy}")
    try:
        ids = {"objid": "int64", "asset_id": "str"}
        identity = ids | {"label": "str", "predicted": "str"}
        galaxies = read_table(folder / GALAXIES, identity, optional={"id": "str"}, keep_others=True)
        if FLAGGED in galaxies:
            galaxies[FLAGGED] = galaxies[FLAGGED].astype(bool)
        nearest_ids = {"nearest_objid": "int64", "nearest_asset_id": "str", "nearest_label": "str"}
        nearest = read_table(folder / NEAREST, ids | nearest_ids)
        recall = read_table(folder / RECALL, _RECALL_COLUMNS)
        with np.load(folder / MAPS, allow_pickle=False) as stored:
            maps, mapped = stored["maps"], stored["mapped"]
        if len(galaxies) != summary["galaxies"] or not set(summary) >= _SECTIONS:
            raise ValueError("its files are inconsistent")
        if (
            maps.ndim != 3
            or mapped.shape != (len(maps),)
            or not np.isin(mapped, np.arange(len(galaxies))).all()
        ):
            raise ValueError(f"{MAPS} is invalid")
    except Exception as error:  # A damaged file may raise any exception.
        raise GalaxyError(f"{folder} is damaged ({error}): {remedy}") from None
    known = pd.MultiIndex.from_frame(keys[IMAGE_KEYS])
    if not pd.MultiIndex.from_frame(galaxies[IMAGE_KEYS]).isin(known).all():
        raise GalaxyError(f"{folder} is of other galaxies: {remedy}")
    return Audit(summary, galaxies, recall, nearest, maps, mapped)


def scale_maps(maps: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.int8]:
    """Averages attribution maps down and scales each to -127 to 127.

    Args:
        maps: ``[M, h, h]``.
        side: The side of the result.

    Returns:
        ``[M, side, side]``.
    """
    from PIL import Image

    found = np.zeros((len(maps), side, side), dtype=np.int8)
    for index, each in enumerate(maps):
        small = np.asarray(Image.fromarray(each).resize((side, side), Image.Resampling.BOX))
        extreme = np.abs(small).max()
        if extreme > 0:
            found[index] = np.rint(127 * small / extreme)
    return found
