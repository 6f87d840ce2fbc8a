"""Broken catalogues in all formats: they are read, or refused with the project's own error."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.tables.catalogue_ids import parse_ids
from data_prep.tables.catalogue_positions import read_positions
from data_prep.tables.catalogues import open_catalogue
from data_prep.tables.cells import MISSING
from data_prep.tables.column_guesses import guess_columns
from data_prep.tables.text_records import SEPARATOR_NAMES
from tests.data_prep.tables.test_catalogues import FORMATS, as_bytes
from tests.data_prep.test_fuzz import tables
from tests.fuzzing import damaged, succeeds_or_explains, tries

pytestmark = pytest.mark.soak

COLUMNS = ["objid", "class", "ra", "share"]


def use(path):
    """Reads what the command ``label`` reads."""
    catalogue = open_catalogue(path)
    guess_columns(catalogue.names)
    table = catalogue.read(text=["objid", "class"], numbers=["share"])
    parse_ids(table["objid"], path, "objid", catalogue.place)
    read_positions(catalogue, "ra", "share")


@pytest.mark.parametrize("kind", FORMATS)
@tries(1_000, usual=40)
@given(st.data())
def test_damaged_catalogues(tmp_path_factory, kind, data):
    path = tmp_path_factory.getbasetemp() / "catalogue"
    content = data.draw(damaged(as_bytes(kind)))
    path.write_bytes(gzip.compress(content) if data.draw(st.booleans()) else content)
    succeeds_or_explains(lambda: use(path))


@tries(2_500)
@given(tables(COLUMNS) | st.binary(max_size=300) | st.text().map(str.encode))
def test_any_text(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "catalogue"
    path.write_bytes(content)
    succeeds_or_explains(lambda: use(path))


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6).map(str.strip)


@tries(2_500)
@given(
    st.lists(st.tuples(CELL, CELL, st.floats(allow_nan=True, allow_infinity=False)), min_size=1, max_size=5),
    st.sampled_from([separator for separator in SEPARATOR_NAMES if separator != " "]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_tables_written_by_pandas_are_read_exactly(tmp_path_factory, rows, separator, encoding, end):
    path = tmp_path_factory.getbasetemp() / "catalogue"
    frame = pd.DataFrame(rows, columns=["some_text", "other_text", "number"])
    frame.to_csv(path, sep=separator, encoding=encoding, lineterminator=end, index=False)
    catalogue = open_catalogue(path)
    assert catalogue.names == ["some_text", "other_text", "number"]
    table = catalogue.read(text=["some_text", "other_text"], numbers=["number"])
    for name in ("some_text", "other_text"):
        expected = [None if cell in MISSING else cell for cell in frame[name]]
        assert [cell and cell.replace("\r\n", "\n") for cell in table[name]] == expected
    np.testing.assert_array_equal(table["number"], frame["number"])
