"""The galaxies that a report is about: their labels, votes, positions and images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.arrays.format import GalaxyArrays, id_column
from data_prep.arrays.positions import positions_in_degrees
from data_prep.schema import VOTE_COLUMNS, VOTE_COUNT, VOTE_PREFIX
from galaxy_lightning.runs.names import IDENTITY_COLUMNS

_VOTES: Final = (*VOTE_COLUMNS, VOTE_COUNT)


@dataclass(frozen=True)
class ReportGalaxies:
    """The galaxies that all models of a report classify, ``N`` of them, in a fixed order.

    Attributes:
        classes: The class names, in order.
        identities: ``N`` rows with the columns ``objid``, ``id`` (if any), ``asset_id`` and ``label``.
        descriptions: Descriptions of the classes by name; any may be missing.
        arrays: The galaxy arrays; None if they are not available.
        rows: ``[N]`` row numbers in the arrays; None without arrays.
        note: Why there are no images; empty if there are.
        kind: What the galaxies are: ``"test"``, or ``"left-out"`` in a cross-validation.
    """

    classes: list[str]
    identities: pd.DataFrame
    descriptions: Mapping[str, str] = field(default_factory=dict)
    arrays: GalaxyArrays | None = None
    rows: npt.NDArray[np.int64] | None = None
    note: str = ""
    kind: str = "test"

    @classmethod
    def from_arrays(cls, arrays: GalaxyArrays) -> Self:
        """Returns the test galaxies of galaxy arrays.

        Args:
            arrays: The galaxy arrays.
        """
        rows = arrays.rows("test")
        identities = arrays.identities.iloc[rows].reset_index(drop=True)
        return cls(arrays.classes, identities, arrays.class_descriptions, arrays, rows)

    @classmethod
    def from_predictions(cls, classes: Sequence[str], table: pd.DataFrame, note: str, **about: Any) -> Self:
        """Returns the galaxies of a table of predictions, without galaxy arrays.

        Args:
            classes: The class names, in order.
            table: The rows of a ``predictions.csv``.
            note: Why there are no arrays.
            about: Further attributes.
        """
        names = [name for name in (*IDENTITY_COLUMNS, "id") if name in table]
        return cls(list(classes), table[names].reset_index(drop=True), note=note, **about)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """``[N]`` true class numbers."""
        return pd.Index(self.classes).get_indexer(pd.Index(self.identities["label"])).astype(np.int64)

    @property
    def objids(self) -> npt.NDArray[np.int64]:
        """``[N]`` object ids."""
        return self.identities["objid"].to_numpy(dtype=np.int64)

    @property
    def ids(self) -> list[str]:
        """The ``N`` ids by which the user knows the galaxies."""
        objids = self.identities["objid"]
        ids = self.identities[id_column(self.identities)]
        return [str(value) for value in ids.where(ids.notna(), objids)]

    @property
    def counts(self) -> dict[str, int]:
        """The number of galaxies of each class."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    @property
    def label_source(self) -> str:
        """Where the labels come from; empty if not known."""
        dataset = self.arrays.dataset if self.arrays else {}
        if dataset.get("label_description"):
            return str(dataset["label_description"])
        rule = dataset.get("label_rule")
        if rule == "threshold":
            return f"debiased vote fraction of at least {dataset.get('threshold')}"
        if rule == "flags":
            return "Galaxy Zoo 1 flags"
        return f"label rule {rule}" if rule else ""

    @property
    def are_simulated(self) -> bool:
        """Whether the galaxies are known to be simulated; their positions hold no galaxies."""
        sample = self.arrays.dataset.get("sample") if self.arrays else None
        return isinstance(sample, dict) and sample.get("simulated") is True

    def describe_number(self) -> str:
        """Returns the number of the galaxies and what they are, such as ``150 test galaxies``."""
        number = len(self.identities)
        return f"{number:,} {self.kind} {'galaxy' if number == 1 else 'galaxies'}"

    def positions(self) -> pd.DataFrame | None:
        """Returns ``N`` rows with ``ra`` and ``dec`` in degrees, NaN if missing; None if there are none.

        Simulated galaxies have none: a survey's viewer would show another part of the sky.
        """
        if self.are_simulated:
            return None
        table = positions_in_degrees(self._catalogue())
        return None if table.isna().all(axis=None) else table

    def votes(self) -> pd.DataFrame:
        """Returns ``N`` rows with the volunteers' votes: all columns of votes that hold any."""
        catalogue = self._catalogue()
        names = [
            name
            for name in catalogue
            if (str(name).startswith(VOTE_PREFIX) or name in _VOTES)
            and pd.api.types.is_numeric_dtype(catalogue[name])
        ]
        return catalogue[names].dropna(axis="columns", how="all")

    def _catalogue(self) -> pd.DataFrame:
        """Returns the galaxies' rows of the catalogue; no columns without arrays."""
        if self.arrays is None or self.rows is None:
            return pd.DataFrame(index=range(len(self.identities)))
        return self.arrays.catalog.iloc[self.rows].reset_index(drop=True)
