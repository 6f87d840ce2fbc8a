"""Pixel scales that depend on the size of each galaxy."""

import pytest

from data_prep.images.relative_scale import RelativeScale


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.396, (0.396, None)),
        ("0.396", (0.396, None)),
        ("0.02*petroR90_r", (0.02, "petroR90_r")),
        (" 2e-2 * petroR90_r ", (0.02, "petroR90_r")),
        ("scale", (1.0, "scale")),
        (0, None),
        (-1, None),
        ("0*r90", None),
        ("1e999", None),
        ("1.2.3*r", None),
        ("-1", None),
        ("nan", None),
        ("1_0", (1.0, "1_0")),
        ("0.02*", None),
        ("r*0.02", None),
        ("", None),
        (None, None),
        (True, None),
        ([1], None),
    ],
)
def test_scales_are_read(value, expected):
    assert RelativeScale.parse(value) == expected


def test_scales_are_written_as_they_are_read():
    for text in ("0.396", "0.02*petroR90_r"):
        assert str(RelativeScale.parse(text)) == text
