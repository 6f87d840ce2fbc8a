"""The targets of the training galaxies that are not their labels: votes and auxiliary targets."""

from collections.abc import Sequence
from typing import Literal

from data_prep.arrays.format import GalaxyArrays
from galaxy_lightning.data.auxiliary_targets import standardise_columns
from galaxy_lightning.data.datasets import ArrayDataset
from galaxy_lightning.data.vote_targets import vote_targets

Targets = Literal["labels", "votes"]


def add_targets(
    dataset: ArrayDataset, arrays: GalaxyArrays, targets: Targets, auxiliary: Sequence[str]
) -> None:
    """Adds targets to a dataset of training galaxies.

    Args:
        dataset: The dataset.
        arrays: Its galaxy arrays.
        targets: labels adds none, since the dataset has them; votes adds class probabilities and weights.
        auxiliary: Catalogue columns of the auxiliary targets.

    Raises:
        GalaxyError: Votes or auxiliary targets are missing.
    """
    if targets == "votes":
        probabilities, weights = vote_targets(arrays, dataset.rows)
        dataset.set_targets(targets=probabilities, weights=weights)
    if auxiliary:
        dataset.set_targets(auxiliary=standardise_columns(arrays, dataset.rows, auxiliary))
