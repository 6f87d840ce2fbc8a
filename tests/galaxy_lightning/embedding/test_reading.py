"""Tables of features that are read, or refused in one sentence."""

import contextlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from data_prep.common.errors import GalaxyError
from galaxy_lightning.embedding.reading import EmbeddingTable
from galaxy_lightning.embedding.table_info import METADATA
from tests.galaxy_lightning.embedding.made_tables import draw_features, make_table


def refusal(path):
    with pytest.raises(GalaxyError) as caught:
        EmbeddingTable(path).read_features()
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_the_features_of_rows_are_read_from_their_row_groups(tmp_path):
    features = draw_features(50)
    table = EmbeddingTable(make_table(tmp_path / "t.parquet", features, groups=7))
    assert np.array_equal(table.read_features().features, features)
    for rows in ([], [0], [49], [3, 7, 8, 30], list(range(50))):
        read = table.read_features(np.array(rows, dtype=np.int64))
        assert read.rows.tolist() == rows
        assert np.array_equal(read.features, features[rows])


def test_missing_features_and_those_that_are_not_finite_are_left_out(tmp_path):
    features = draw_features(9)
    features[2, 0] = np.nan
    features[5] = np.nan
    values = [features[row].tolist() for row in range(9)]
    if int(pa.__version__.partition(".")[0]) >= 26:  # Older versions cannot read what they write here.
        values[5] = None
    lists = pa.array(values, pa.list_(pa.float32(), 6))
    read = EmbeddingTable(make_table(tmp_path / "t.parquet", features, embedding=lists)).read_features()
    assert read.rows.tolist() == [0, 1, 3, 4, 6, 7, 8]
    assert np.array_equal(read.features, features[read.rows])


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    assert "does not exist" in refusal(path)
    path.mkdir()
    assert "is not a file" in refusal(path)
    path = tmp_path / "u.parquet"
    path.write_text("objid,path\n1,2\n")
    assert "cannot be read as Parquet" in refusal(path)
    pd.DataFrame({"objid": [1]}).to_parquet(path)
    assert "not a table of features" in refusal(path)
    features = draw_features(9)
    assert "not a table of features" in refusal(make_table(path, features, info={}))
    assert "no column embedding" in refusal(make_table(path, features, embedding=None))
    assert "no column p_spiral" in refusal(make_table(path, features, p_spiral=None))
    assert "no column objid or id" in refusal(make_table(path, features, objid=None))
    assert "has 6 features, but the metadata name 7" in refusal(
        make_table(path, features, info={"features": 7})
    )
    assert "holds list" in refusal(make_table(path, features, embedding=pa.array([[1.0]] * 9)))
    assert "does not hold numbers" in refusal(make_table(path, features, p_spiral=["x"] * 9))
    assert "holds no galaxies" in refusal(make_table(path, features[:0], groups=1))


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"model": 3}', b"null", b"\xff", json.dumps({"a": 1}).encode()]
)
def test_invalid_metadata_are_refused(tmp_path, content):
    path = make_table(tmp_path / "t.parquet", draw_features(5))
    table = parquet.read_table(path).replace_schema_metadata({METADATA: content})
    parquet.write_table(table, path)
    assert "metadata are invalid" in refusal(path)


def test_a_damaged_file_is_refused(tmp_path):
    path = make_table(tmp_path / "t.parquet", draw_features(200))
    whole = path.read_bytes()
    for size in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "may be damaged or incomplete" in refusal(path)
    generator = np.random.default_rng(0)
    for _ in range(60):  # Parquet has no checksums by default: some damage is not found, but nothing crashes.
        broken = bytearray(whole)
        start = int(generator.integers(4, len(whole) - 40))
        broken[start : start + 30] = generator.bytes(30)
        path.write_bytes(broken)
        with contextlib.suppress(GalaxyError):
            EmbeddingTable(path).read_features()
