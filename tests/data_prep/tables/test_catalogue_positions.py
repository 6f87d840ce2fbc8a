"""Positions are converted to degrees as astropy does, or refused with their row."""

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.coordinates import Angle
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from data_prep.common.errors import GalaxyError
from data_prep.tables.angles import InvalidAngleError, to_degrees
from data_prep.tables.catalogue_positions import read_positions
from data_prep.tables.catalogues import open_catalogue


def positions(tmp_path, ra, dec):
    path = tmp_path / "table.csv"
    pd.DataFrame({"id": range(len(ra)), "RA": ra, "DEC": dec}).to_csv(path, index=False)
    return read_positions(open_catalogue(path), "ra", "dec")


def test_decimal_degrees_are_kept_exactly(tmp_path):
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 99), rng.uniform(-90, 90, 99)
    found = positions(tmp_path, ra, dec)
    np.testing.assert_array_equal(found["ra"], ra)
    np.testing.assert_array_equal(found["dec"], dec)


@pytest.mark.parametrize("form", [":", " ", "hms", "symbols", "h m s"])
def test_sexagesimal_positions_agree_with_astropy(tmp_path, form):
    rng = np.random.default_rng(0)
    ra = Angle([*rng.uniform(0, 360, 99), 0, 359.999999], units.deg)
    dec = Angle([*rng.uniform(-90, 90, 97), -0.25, -1e-4, 90, -90], units.deg)
    separators = {":": ":", " ": " ", "hms": ("h", "m", "s"), "h m s": ("h ", "m ", "s")}
    ra_text = ra.to_string(units.hour, sep=separators.get(form, ("h", "m", "s")), precision=6, pad=True)
    signs = {"symbols": ("\u00b0", "\u2032", "\u2033"), "hms": ("d", "m", "s"), "h m s": ("d ", "m ", "s")}
    dec_text = dec.to_string(
        units.deg, sep=signs.get(form, separators.get(form)), precision=6, alwayssign=True
    )
    found = positions(tmp_path, ra_text, dec_text)
    np.testing.assert_allclose(found["ra"], Angle(ra_text, units.hour).deg, rtol=0, atol=1e-12)
    parsed = [text.translate(str.maketrans("\u2032\u2033", "'\"")) for text in dec_text]
    np.testing.assert_allclose(found["dec"], Angle(parsed, units.deg).deg, rtol=0, atol=1e-12)


@given(
    st.integers(0, 89),
    st.integers(0, 59),
    st.decimals(0, 59, places=3),
    st.sampled_from(["{}:{}:{}", "{} {} {}", "{}d{}m{}s", "{}\u00b0{}'{}\"", "{}:{:02d}:{}", "{} : {} : {}"]),
    st.sampled_from(["", "+", "-"]),
)
def test_any_sexagesimal_angle_agrees_with_astropy(degrees, minutes, seconds, form, sign):
    text = sign + form.format(degrees, minutes, seconds)
    expected = Angle(f"{sign}{degrees}d{minutes}m{seconds}s").deg
    assert to_degrees(pd.Series([text]), hours=False)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "hours", "expected"),
    [
        ("10:30", True, 157.5),
        ("10h", True, 150),
        ("150d30m", True, 150.5),
        ("150\u00b030'", True, 150.5),
        ("-00:30:00", False, -0.5),
        ("\u221200:30:00", False, -0.5),
        ("-0d30m36''", False, -0.51),
        ("1:60:00", False, 2),
        ("12:30.5", False, 12 + 30.5 / 60),
    ],
)
def test_forms_of_angles(text, hours, expected):
    assert to_degrees(pd.Series([text]), hours=hours)[0] == pytest.approx(expected)


@pytest.mark.parametrize("ra", [["", "10:00:00", None], ["", "150.0", None]])
def test_missing_positions_are_nan(tmp_path, ra):
    found = positions(tmp_path, ra, ["1", "-1", ""])
    np.testing.assert_array_equal(found["ra"], [np.nan, 150, np.nan])
    np.testing.assert_array_equal(found["dec"], [1, -1, np.nan])
    assert positions(tmp_path, ["", None], [None, ""]).isna().all(axis=None)


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ("361", "0", "line 3, column ra: 361 is not a right ascension: it must be 0 to 360 degrees"),
        ("-1", "0", "column ra: -1 is not a right ascension"),
        ("inf", "0", "column ra: inf is not a right ascension"),
        ("1", "90.5", "column dec: 90.5 is not a declination: it must be -90 to 90 degrees"),
        ("1", "-90.5", "column dec: -90.5 is not a declination"),
        ("-9999", "-9999", "column ra: -9999 is not a right ascension"),
        ("10:00:00", "0", "line 3, column ra: '10:00:00': it is not in decimal degrees, unlike '1.5'"),
        ("east", "0", "line 3, column ra: 'east': it is not in decimal degrees"),
        ("1_0", "0", "line 3, column ra: '1_0'"),
        ("1", "0,5", "line 3, column dec: '0,5'"),
    ],
)
def test_invalid_positions_are_refused_with_their_row(tmp_path, ra, dec, message):
    with pytest.raises(GalaxyError, match=f"table.csv, {message if 'line' in message else f'.*{message}'}"):
        positions(tmp_path, ["1.5", ra], ["0.5", dec])


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ("24:00:01", "0:0:0", "column ra: 24:00:01 is not a right ascension"),
        ("10:61:00", "0:0:0", "column ra: '10:61:00': minutes and seconds must be at most 60"),
        ("10.5", "0:0:0", "column ra: '10.5': it is not sexagesimal, unlike others in this column"),
        ("10:00:00:00", "0:0:0", "column ra: '10:00:00:00': it is not an angle"),
        ("1:0:0", "10h0m0s", "column dec: '10h0m0s': a declination is in degrees, not hours"),
        ("1:0:0", "south", "column dec: 'south': it is not an angle"),
    ],
)
def test_invalid_sexagesimal_positions_are_refused_with_their_row(tmp_path, ra, dec, message):
    with pytest.raises(GalaxyError, match=f"table.csv, line 3, {message}"):
        positions(tmp_path, ["1:00:00", ra], ["0:30:00", dec])


def test_other_units_are_converted_or_refused(tmp_path):
    table = Table({"ra": [1.0, 2.0], "dec": [0.5, -0.5]})
    table["ra"].unit = "hourangle"
    table["dec"].unit = "rad"
    table.write(tmp_path / "table.ecsv", format="ascii.ecsv")
    found = read_positions(open_catalogue(tmp_path / "table.ecsv"), "ra", "dec")
    np.testing.assert_allclose(found["ra"], [15, 30])
    np.testing.assert_allclose(found["dec"], np.degrees([0.5, -0.5]))
    table["ra"].unit = "h"
    table.write(tmp_path / "table.fits")
    with pytest.raises(GalaxyError, match="table.fits, column ra is in h: convert it to degrees"):
        read_positions(open_catalogue(tmp_path / "table.fits"), "ra", "dec")


def test_a_large_column_is_converted_in_seconds():
    import time

    column = pd.Series([f"{k % 24:02d}:{k % 60:02d}:{k % 60}.5" for k in range(240_000)])
    start = time.process_time()
    to_degrees(column, hours=True)
    assert time.process_time() - start < 4


def test_the_error_has_the_row():
    with pytest.raises(InvalidAngleError) as caught:
        to_degrees(pd.Series(["1:0:0", None, "x"]), hours=True)
    assert caught.value.row == 2
