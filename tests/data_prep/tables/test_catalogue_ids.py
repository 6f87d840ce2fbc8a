"""Ids of catalogues: integers are kept exactly, other texts are hashed, and lost digits are refused."""

import hashlib
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from data_prep.common.errors import GalaxyError
from data_prep.tables import catalogue_ids
from data_prep.tables.catalogue_ids import hash_id, hash_ids, parse_ids
from data_prep.tables.catalogues import open_catalogue
from tests.data_prep.tables.test_objids import DR8, ROUNDINGS, ids

PATH = Path("table.csv")


def parse(cells, **options):
    return parse_ids(pd.Series(cells, dtype=object), PATH, "objid", **options)


@pytest.mark.parametrize(
    ("cells", "objids"),
    [
        (["587722981742084097", "1237648720693755918"], [587722981742084097, DR8]),
        ([" 1 ", "0", "9223372036854775807"], [1, 0, 2**63 - 1]),
        (["'587722981742084097", '="587722981742084099"'], [587722981742084097, 587722981742084099]),
        (["100023.0", "100024.0"], [100023, 100024]),
    ],
)
def test_integers_are_the_object_ids(cells, objids):
    found = parse(cells)
    assert found.objid.tolist() == objids
    assert found.objid.dtype == np.int64
    assert found.text is None
    assert not found.missing.any()


@pytest.mark.parametrize(
    "cells",
    [
        ["J000001.27-002549.7", "587722981742084097"],
        ["-1", "2"],
        ["007", "8"],
        ["9223372036854775808", "3"],
        ["1" * 40, "3"],
        ["1" * 5_000, "3"],
        ["12e34", "ab12"],
        ["caf\u00e9", "\u0663"],
        ["2.5", "3"],
    ],
)
def test_other_ids_are_text_with_a_stable_hash(cells):
    found = parse([*cells, f" {cells[0]}"])
    assert found.text.tolist() == [*cells, cells[0]]
    assert found.objid.tolist() == [hash_id(each) for each in found.text]


def test_the_hash_is_63_bits_of_sha256():
    for text in ("J000001.27-002549.7", "", "caf\u00e9"):
        first = hashlib.sha256(text.encode()).hexdigest()[:16]
        assert hash_id(text) == int(first, 16) % 2**63
    assert hash_id("J000001.27-002549.7") == 3835230352004794704


@given(st.lists(st.text(min_size=1)))
def test_hashes_are_positive_and_follow_the_order(texts):
    hashes = hash_ids(texts, "here")
    assert hashes.tolist() == [hash_id(text) for text in texts]
    assert (hashes > 0).all()


def test_two_texts_with_one_hash_are_refused(monkeypatch):
    monkeypatch.setattr(catalogue_ids, "hash_id", len)
    with pytest.raises(GalaxyError, match="column objid: the ids 'ab' and 'cd' have the same hash"):
        parse(["ab", "x", "cd", "ab"])


@pytest.mark.parametrize("cells", [["7", "", None, " ", np.nan], ["a", "", None, " ", np.nan], [None]])
def test_missing_ids_are_marked(cells):
    found = parse(cells)
    assert found.missing.tolist() == [not isinstance(cell, str) or not cell.strip() for cell in cells]
    assert not found.objid[found.missing].any()


@pytest.mark.parametrize(
    "cell",
    ["5.87722981742084E+17", "5,87723E+17", "5.87723e17", "6E+17", "587722981742084096.0", "6e17"],
)
@pytest.mark.parametrize("others", [["587722981742084097"], ["1.5e3"]])
def test_ids_converted_to_floats_are_refused(cell, others):
    with pytest.raises(GalaxyError, match="table.csv, (row 2|line 3), column objid: .*converted to floats"):
        parse(["7", cell, *others], place=lambda row: f"line {row + 2}")
    with pytest.raises(GalaxyError, match="converted to floats"):
        parse([cell])


def test_ids_converted_to_floats_are_refused_among_texts():
    with pytest.raises(GalaxyError, match="row 2, column objid: '5.87723E.17'"):
        parse(["J0001", "5.87723E+17"])


@pytest.mark.parametrize("program", ROUNDINGS)
def test_rounded_ids_are_refused(program):
    with pytest.raises(GalaxyError, match="table.csv, column objid: every id is a multiple"):
        parse([str(ROUNDINGS[program](objid)) for objid in ids(9)])


def test_ids_of_gaia_are_multiples_of_128():
    cells = [str(int(Decimal(2) ** 58) + 128 * k * 7919) for k in range(50)]
    assert parse_ids(pd.Series(cells), PATH, "source_id").text is None
    with pytest.raises(GalaxyError, match="multiple"):
        parse(cells)


@pytest.mark.parametrize("kind", ["fits", "votable", "ascii.ecsv", "ascii.csv", "parquet"])
@pytest.mark.parametrize("exact", [True, False])
def test_ids_of_each_format_are_exact_or_refused(tmp_path, kind, exact):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    true = ids(20)
    path = tmp_path / "table"
    table = Table({"objid": np.array(true, dtype=np.int64 if exact else np.float64)})
    table.write(path, format=kind)
    catalogue = open_catalogue(path)
    column = catalogue.read(text=["objid"])["objid"]
    if exact:
        assert parse_ids(column, path, "objid", catalogue.place).objid.tolist() == true
    else:
        with pytest.raises(GalaxyError, match="(line|row) .*, column objid: .*converted to floats"):
            parse_ids(column, path, "objid", catalogue.place)


def test_ids_below_two_to_the_53_may_be_floats(tmp_path):
    Table({"id": np.array([100023.0, 2.0**53, np.nan])}).write(tmp_path / "t.fits")
    found = parse_ids(open_catalogue(tmp_path / "t.fits").read(text=["id"])["id"], PATH, "id")
    assert found.objid.tolist() == [100023, 2**53, 0]
    assert found.missing.tolist() == [False, False, True]
