"""Which galaxies of a table are suggested."""

import numpy as np
import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.embedding import choosing
from galaxy_lightning.embedding.reading import EmbeddingTable
from galaxy_lightning.embedding.suggesting import suggest
from tests.galaxy_lightning.embedding.made_tables import draw_features, make_table


def test_seen_galaxies_copies_and_invalid_values_are_left_out(tmp_path):
    features = draw_features(30)
    features[20, 0] = np.nan
    probabilities = np.random.default_rng(2).dirichlet(np.ones(3), 30)
    probabilities[21] = np.nan
    hashes = np.arange(30)
    hashes[[5, 6]] = hashes[0]  # Copies of a galaxy that the model has seen.
    hashes[8] = hashes[7]
    seen = [row < 3 for row in range(30)]
    path = make_table(
        tmp_path / "t.parquet",
        features,
        probabilities=probabilities,
        pixel_hash=hashes,
        seen_in_training=seen,
    )
    found = suggest(EmbeddingTable(path), 100)
    assert set(found.galaxies.index) == set(range(30)) - {0, 1, 2, 5, 6, 8, 20, 21}
    assert (found.seen, found.unknown, found.copies, found.invalid) == (5, 0, 1, 2)
    assert found.galaxies["rank"].tolist() == list(range(1, 23))
    assert list(found.galaxies)[:3] == ["rank", "objid", "path"]


def test_the_choice_is_that_of_choose_next_among_the_most_uncertain(tmp_path, monkeypatch):
    monkeypatch.setattr(choosing, "MAX_CANDIDATES", 12)
    features = draw_features(40)
    table = EmbeddingTable(make_table(tmp_path / "t.parquet", features))
    chosen = suggest(table, 5, seed=2).galaxies.index.tolist()
    assert chosen == choosing.choose_next(features, table.probabilities, 5, seed=2).tolist()
    assert chosen == suggest(table, 5, seed=2).galaxies.index.tolist()
    assert set(chosen) <= set(table.galaxies["entropy"].nlargest(12).index)


def test_what_the_model_has_seen_may_be_unknown(tmp_path):
    features = draw_features(10)
    unknown = [None, True, *[False] * 8]
    table = EmbeddingTable(make_table(tmp_path / "t.parquet", features, seen_in_training=unknown))
    found = suggest(table, 20)
    assert (found.seen, found.unknown, len(found.galaxies)) == (1, 1, 9)
    table = EmbeddingTable(make_table(tmp_path / "u.parquet", features, seen_in_training=[True] * 10))
    with pytest.raises(GalaxyError, match="no galaxy is left to label: of 10"):
        suggest(table, 5)
