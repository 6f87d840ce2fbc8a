"""The search for similar galaxies in a table."""

import numpy as np
import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.embedding.reading import EmbeddingTable
from galaxy_lightning.embedding.similar import (
    find_ids,
    find_similar,
    queries_from_rows,
)
from galaxy_lightning.evaluation.neighbours import Scale
from tests.galaxy_lightning.embedding.made_tables import draw_features, make_table


def search(path, names, number):
    table = EmbeddingTable(path)
    scaled = table.read_features()
    Scale.of(scaled.features).apply_in_place(scaled.features)
    return table, find_similar(
        table, scaled, queries_from_rows(table, find_ids(table, names), scaled), number
    )


def test_the_neighbours_are_those_of_a_brute_force_search(tmp_path):
    features = draw_features(60)
    path = make_table(tmp_path / "t.parquet", features)
    table, found = search(path, [str(587722981742084097 + row) for row in (0, 31)], 5)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    for row, result in zip((0, 31), found, strict=True):
        distances = np.sqrt(((scaled - scaled[row]) ** 2).sum(axis=1))
        expected = np.argsort(distances)[1:6]
        assert result.index.tolist() == expected.tolist()
        np.testing.assert_allclose(result["distance"], distances[expected], atol=1e-3)
        assert result["rank"].tolist() == [1, 2, 3, 4, 5]
        assert (result["galaxy"] == str(587722981742084097 + row)).all()
        assert result["objid"].tolist() == table.galaxies["objid"].iloc[expected].tolist()


def test_copies_of_the_galaxy_are_left_out_but_not_its_other_images(tmp_path):
    features = draw_features(30)
    features[7] = features[4]  # A copy, with the same id.
    features[9] = features[4]  # The same pixels under another id.
    objid = 587722981742084097 + np.arange(30)
    objid[[7, 12]] = objid[4]  # 12 is another image of the galaxy.
    path = make_table(tmp_path / "t.parquet", features, objid=objid)
    table, (first, *others) = search(path, [str(objid[4])], 28)
    assert len(others) == 2
    assert first["galaxy"].iloc[0] == "4.jpg"
    assert 4 not in first.index
    assert 7 not in first.index
    assert first.index[0] == 9
    assert 12 in first.index
    assert len(first) == 28
    assert len(table.galaxies) == 30


def test_ids_are_found_as_they_are_written(tmp_path):
    ids = ["007", "7", *(f"NGC {number}" for number in range(8))]
    path = make_table(tmp_path / "t.parquet", draw_features(10), id=ids, objid=None)
    table = EmbeddingTable(path)
    assert {name: rows.tolist() for name, rows in find_ids(table, ["007", "7", "NGC 3"]).items()} == {
        "007": [0],
        "7": [1],
        "NGC 3": [5],
    }
    with pytest.raises(GalaxyError, match=r"NGC 33 is neither an image file nor .* ids: NGC 3"):
        find_ids(table, ["NGC 33"])


@pytest.mark.parametrize("number", [1, 4])
def test_alike_galaxies_and_more_neighbours_than_galaxies(tmp_path, number):
    path = make_table(tmp_path / "t.parquet", np.ones((number, 5), np.float32), groups=1)
    _, (found,) = search(path, ["587722981742084097"], 20)
    assert len(found) == number - 1
    assert (found["distance"] == 0).all()


def test_galaxies_whose_features_are_not_finite_are_left_out(tmp_path):
    features = draw_features(12)
    features[3, 1], features[8] = np.nan, np.inf
    path = make_table(tmp_path / "t.parquet", features)
    _, (found,) = search(path, ["587722981742084097"], 20)
    assert not {3, 8} & set(found.index)
    assert len(found) == 9
    assert np.isfinite(found["distance"]).all()
    with pytest.raises(GalaxyError, match="not finite"):
        search(path, [str(587722981742084097 + 3)], 2)
