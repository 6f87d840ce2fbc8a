"""Suggests which galaxies of a table to label next."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.seen_galaxies import SEEN
from galaxy_lightning.embedding.choosing import choose_next, max_candidates
from galaxy_lightning.embedding.reading import EmbeddingTable
from galaxy_lightning.embedding.table_info import ENTROPY, PIXEL_HASH

RANK: Final = "rank"


class Suggestion(NamedTuple):
    """The galaxies to label next.

    Attributes:
        galaxies: ``rank``, the identifiers, ``p_<class>``, ``predicted`` and ``entropy`` in bits. The index
            holds the rows in the table.
        seen: Number of galaxies left out because the model was trained on them.
        unknown: Number of galaxies of which this is unknown; they are not left out.
        copies: Number of galaxies left out because they are exact copies of others.
        invalid: Number of galaxies left out because a value is missing or not finite.
    """

    galaxies: pd.DataFrame
    seen: int
    unknown: int
    copies: int
    invalid: int


def suggest(table: EmbeddingTable, number: int, seed: int = 0) -> Suggestion:
    """Suggests galaxies to label next; see :func:`~.choosing.choose_next`.

    Only the features of the most uncertain galaxies are read.

    Args:
        table: The table.
        number: Number of galaxies; all are suggested if there are fewer.
        seed: The random seed.

    Raises:
        GalaxyError: No galaxy is left, or the table is damaged.
    """
    galaxies, columns = table.galaxies, table.info.probability_columns
    flags = galaxies.get(SEEN, pd.Series(pd.NA, index=galaxies.index)).astype("boolean")
    is_seen = flags.fillna(False).to_numpy(dtype=bool)
    is_finite = np.isfinite(galaxies[[*columns, ENTROPY]].to_numpy(dtype=np.float64)).all(axis=1)
    # A copy of a galaxy of the training is one that the model has seen, whatever its id says.
    hashes = galaxies[PIXEL_HASH]
    is_seen |= hashes.isin(hashes[is_seen]).to_numpy()
    left = galaxies[~is_seen & is_finite]
    is_copy = left[PIXEL_HASH].duplicated()
    left = left[~is_copy]
    size = max_candidates(table.info.features, len(columns), number)
    rows = np.sort(left[ENTROPY].sort_values(ascending=False, kind="stable").index[:size].to_numpy())
    features, kept = table.read_features(rows)
    invalid = int((~is_finite & ~is_seen).sum()) + len(rows) - len(kept)
    if not len(kept):
        raise GalaxyError(
            f"no galaxy is left to label: of {len(galaxies):,}, the model was trained on "
            f"{int(is_seen.sum()):,}"
            + (f", and {invalid:,} have values that are missing or not finite" if invalid else "")
        )
    chosen = kept[choose_next(features, table.probabilities[kept], number, seed)]
    names = [name for name in galaxies if name in ("objid", "id", "asset_id", "split", "label", "path")]
    found = galaxies.loc[chosen, [*names, *columns, "predicted", ENTROPY]]
    found.insert(0, RANK, np.arange(1, len(found) + 1))
    unknown = int(flags[left.index].isna().sum())
    return Suggestion(found, int(is_seen.sum()), unknown, int(is_copy.sum()), invalid)
