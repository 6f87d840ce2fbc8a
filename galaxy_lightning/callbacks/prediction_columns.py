"""The columns of a table of predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from galaxy_lightning.data.seen_galaxies import SEEN, SeenFlags
from galaxy_lightning.evaluation.calibration import Calibration, entropy
from galaxy_lightning.evaluation.ensemble import combine
from galaxy_lightning.evaluation.novelty import NOVELTY
from galaxy_lightning.runs.writer import as_flags, prediction_table, probability_columns
from galaxy_lightning.training.network_outputs import NetworkOutputs

IS_UNCERTAIN: Final = "is_uncertain"
NETWORKS: Final = "networks"
NOVEL: Final = 99.0
"""Novelty from which galaxies are counted as unlike those of the training."""
COUNTS: Final = ("uncertain", "seen", "unknown", "novel", "unrated")
"""The names of what :func:`count_flags` counts."""


@dataclass(frozen=True)
class PredictionColumns:
    """Makes the columns of a table of predictions from the outputs of networks.

    Attributes:
        galaxies: The identifiers of each galaxy, by row.
        classes: The class names, in order.
        seen: For each network, the galaxies that it has seen. Without them, the table has only probabilities
            and predicted classes, as in a run folder.
    """

    galaxies: pd.DataFrame
    classes: Sequence[str]
    seen: Sequence[SeenFlags] = field(default=())

    def make(
        self,
        outputs: NetworkOutputs,
        rows: npt.NDArray[np.int64],
        images: npt.NDArray[np.uint8],
        calibration: Calibration,
    ) -> tuple[pd.DataFrame, dict[str, int]]:
        """Makes the columns of a batch.

        Args:
            outputs: The outputs of ``M`` networks for ``B`` galaxies.
            rows: ``[B]`` rows of the galaxies.
            images: uint8 ``[B, H, W, bands]``.
            calibration: The calibration of the network or, if there are several, of their mean.

        Returns:
            A row per galaxy, and what is counted, by the names in ``COUNTS``.
        """
        galaxies = self.galaxies.iloc[rows]
        if not self.seen:
            return prediction_table(galaxies, outputs.probabilities[0], self.classes), dict.fromkeys(
                COUNTS, 0
            )
        flags = [each.find(images, rows) for each in self.seen]
        several = len(flags) > 1
        known = np.stack([flag.fillna(value=False).to_numpy(dtype=bool) for flag in flags])
        if several:
            combined = combine(outputs.probabilities, known, calibration.temperature, outputs.novelty)
            probabilities, novelty = combined.probabilities.astype(np.float32), combined.novelty
        else:
            probabilities, novelty = outputs.probabilities[0], outputs.novelty[0]
        table = prediction_table(galaxies, probabilities, self.classes)
        if several:
            for name, spread in zip(probability_columns(self.classes), combined.spread.T, strict=True):
                table[f"{name}_std"] = spread.round(6)
            table[NETWORKS] = combined.networks
        uncertain = calibration.flag_uncertain(probabilities)
        unknown = np.any([flag.isna().to_numpy() for flag in flags], axis=0)
        seen = pd.Series(known.all(axis=0), dtype="boolean").mask(unknown)
        table = table.assign(entropy=entropy(probabilities).round(6))
        table[IS_UNCERTAIN] = as_flags(uncertain)
        table[SEEN], table[NOVELTY] = seen.astype("Int8"), novelty.round(2)
        return table, count_flags(table)


def count_flags(table: pd.DataFrame) -> dict[str, int]:
    """Counts galaxies by the names in ``COUNTS``.

    Args:
        table: Predictions with the columns ``is_uncertain``, ``seen_in_training`` and ``novelty``.
    """
    seen, novelty = table[SEEN], table[NOVELTY]
    return {
        "uncertain": int((table[IS_UNCERTAIN] == 1).sum()),
        "seen": int((seen == 1).sum()),
        "unknown": int(seen.isna().sum()),
        "novel": int((novelty >= NOVEL).sum()),
        "unrated": int(novelty.isna().sum()),
    }


def add_counts(total: dict[str, int], counts: Mapping[str, int]) -> None:
    """Adds the counts of a batch to those of a table."""
    for name, number in counts.items():
        total[name] += number
