"""Pixel scales of FITS headers against astropy's WCS."""

import math
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from hypothesis import given
from hypothesis import strategies as st

from data_prep.images.pixel_scale import pixel_scales, scales_agree
from tests.fuzzing import tries

SKY = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 10.0,
    "CRVAL2": 20.0,
    "CRPIX1": 5.0,
    "CRPIX2": 5.0,
}


def scales_of_astropy(header):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(fits.Header(header)).celestial
        return [
            scale * unit.to("arcsec")
            for scale, unit in zip(proj_plane_pixel_scales(wcs), wcs.wcs.cunit, strict=True)
        ]


ROTATED = {
    f"CD{i}_{j}": value for (i, j), value in np.ndenumerate([[0, 0, 0], [0, -3e-5, 8e-5], [0, 8e-5, 3e-5]])
}
ROTATED = {name: value for name, value in ROTATED.items() if value}


@pytest.mark.parametrize(
    "entries",
    [
        {"CDELT1": -1.1e-4, "CDELT2": 1.1e-4},
        {"CDELT1": -1.1e-4, "CDELT2": 1.2e-4, "CROTA2": 33.0},
        {"CDELT1": -1.1e-4, "CDELT2": 1.2e-4, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
        {"CDELT1": -1.1e-4, "CDELT2": 1.2e-4, "PC1_2": 0.1},
        {"CD1_1": -1e-4, "CD2_2": 1e-4},
        {"CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 2e-4},
        {"CD1_1": -1e-4, "CD2_2": 1e-4, "CDELT1": 1.0, "CDELT2": 1.0},
        ROTATED,
        {"CDELT1": -0.4, "CDELT2": 0.4, "CUNIT1": "arcsec", "CUNIT2": "arcsec"},
        {"CDELT1": -0.4, "CDELT2": 0.4, "CUNIT1": "deg", "CUNIT2": "deg"},
        {"CDELT1": 2e-6, "CDELT2": 2e-6, "CUNIT1": "rad", "CUNIT2": "rad", "CRVAL1": 0.1, "CRVAL2": 0.2},
        {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CDELT1": -1e-4, "CDELT2": 1e-4},
        {"CTYPE1": "DEC--SIN", "CTYPE2": "RA---SIN", "CDELT1": 1e-4, "CDELT2": 1e-4},
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CD1_1": -1e-4, "CD2_2": 1e-4},
        {
            "NAXIS": 3,
            "NAXIS1": 9,
            "NAXIS2": 9,
            "NAXIS3": 3,
            "CDELT1": -1e-4,
            "CDELT2": 1e-4,
            "CTYPE3": "FREQ",
        },
    ],
)
def test_scales_are_those_of_astropy(entries):
    header = SKY | entries
    np.testing.assert_allclose(pixel_scales(header), scales_of_astropy(header), rtol=1e-9)
    assert pixel_scales(fits.Header(header)) == pixel_scales(header)


@tries(500, 40)
@given(
    matrix=st.lists(st.floats(-2, 2).filter(lambda value: abs(value) > 0.1), min_size=4, max_size=4),
    steps=st.lists(st.floats(1e-6, 1e-2), min_size=2, max_size=2),
    kind=st.sampled_from(["CD", "PC"]),
)
def test_any_matrix_gives_the_scales_of_astropy(matrix, steps, kind):
    names = [f"{kind}{row}_{column}" for row in (1, 2) for column in (1, 2)]
    header = SKY | dict(zip(names, np.array(matrix) * (1e-4 if kind == "CD" else 1), strict=True))
    if kind == "PC":
        header |= {"CDELT1": steps[0], "CDELT2": steps[1]}
    found = pixel_scales(
        {name: float(value) if not isinstance(value, str) else value for name, value in header.items()}
    )
    if found is not None:
        np.testing.assert_allclose(found, scales_of_astropy(header), rtol=1e-6)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"CDELT1": 1e-4, "CDELT2": 1e-4},
        SKY,
        SKY | {"CDELT1": 0.0, "CDELT2": 0.0},
        SKY | {"CDELT1": math.nan, "CDELT2": 1e-4},
        SKY | {"CDELT1": "1e-4", "CDELT2": 1e-4},
        SKY | {"CD1_1": 1e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 1e-4},
        SKY | {"CD1_1": 1e-4},
        SKY | {"CDELT1": 1e200, "CDELT2": 1e200},
        SKY | {"CDELT1": 1e-4, "CDELT2": 1e-4, "CUNIT1": "furlong"},
        SKY | {"CDELT1": 1e-4, "CDELT2": 1e-4, "CTYPE1": "LINEAR", "CTYPE2": "LINEAR"},
        SKY | {"CDELT1": 1e-4, "CDELT2": 1e-4, "CTYPE2": "RA---TAN"},
        SKY | {"CDELT1": 1e-4, "CDELT2": 1e-4, "CTYPE1": 7},
    ],
)
def test_headers_without_a_usable_scale_give_none(header):
    assert pixel_scales(header) is None


def test_scales_agree_within_one_percent():
    assert scales_agree(0.4, 0.4039)
    assert not scales_agree(0.4, 0.405)
