"""The pixel scale in the header of a FITS image."""

import math
from collections.abc import Mapping
from typing import Any, Final

MAX_DIFFERENCE: Final = 0.01
"""Relative difference up to which two pixel scales count as equal."""

_CELESTIAL: Final = ({"RA", "DEC"}, {"GLON", "GLAT"}, {"ELON", "ELAT"}, {"SLON", "SLAT"}, {"HLON", "HLAT"})
_ARCSEC: Final = {
    "deg": 3600.0,
    "degree": 3600.0,
    "degrees": 3600.0,
    "arcmin": 60.0,
    "arcsec": 1.0,
    "mas": 1e-3,
    "rad": math.degrees(3600.0),
}
"""Arcseconds per unit of ``CUNITn``."""


def pixel_scales(header: Mapping[str, Any]) -> tuple[float, float] | None:
    """Returns the pixel scales of a FITS image whose first two axes are celestial coordinates.

    They are those of astropy's ``proj_plane_pixel_scales`` at the reference point of the projection, found
    without a ``WCS`` object, which takes longer to make than a cutout to read.

    Args:
        header: The header of the image: ``CTYPEn`` and ``CUNITn`` with ``CDi_j``, or ``PCi_j`` and
            ``CDELTn``. A rotation by ``CROTAn`` does not change the scale.

    Returns:
        Arcsec per pixel along rows and columns. None if the header has no celestial coordinates or no usable
        scale.
    """
    kinds = {str(header.get(f"CTYPE{axis}", "")).upper()[:5].split("-")[0].strip() for axis in (1, 2)}
    units = [_ARCSEC.get(str(header.get(f"CUNIT{axis}", "deg")).strip().lower()) for axis in (1, 2)]
    if kinds not in _CELESTIAL or None in units:
        return None
    has_matrix = any(f"CD{row}_{column}" in header for row in (1, 2) for column in (1, 2))
    matrix = [
        [
            _number(header, f"CD{row}_{column}", 0.0)
            if has_matrix
            else _number(header, f"PC{row}_{column}", float(row == column))
            * _number(header, f"CDELT{row}", 1.0)
            for column in (1, 2)
        ]
        for row in (1, 2)
    ]
    if not has_matrix and "CDELT1" not in header:
        return None
    matrix = [[value * (unit or 0) for value in row] for row, unit in zip(matrix, units, strict=True)]
    first, second = (math.hypot(*column) for column in zip(*matrix, strict=True))
    determinant = matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0]
    if not (math.isfinite(first * second) and abs(determinant) > 1e-3 * first * second > 0):
        return None
    return first, second


def scales_agree(one: float, other: float) -> bool:
    """Returns whether two pixel scales differ by at most ``MAX_DIFFERENCE``."""
    return abs(one - other) <= MAX_DIFFERENCE * max(one, other)


def _number(header: Mapping[str, Any], name: str, default: float) -> float:
    """Returns a number of a header; NaN if the entry is something else."""
    value = header.get(name, default)
    return float(value) if isinstance(value, int | float) else math.nan
