from urllib.parse import unquote

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from data_prep.cutouts.names import MAX_NAME, differ_only_in_case, file_name, position_names

STRANGE = [
    "NGC 1234", "a/b", "a\\b", "..", ".hidden", "ends.", "a b ", "con", "COM1.x", "a:b*c?", "ü", "日本",
    "%41", "a\nb", "~x", "-1", "J1234+56", "a.jpg", "x" * 120 + "/", "\x00",
]  # fmt: skip


@pytest.mark.parametrize("name", ["1237648720693755918", "J123456.7-012345", "NGC 1234", "a.b_c+d", "-1"])
def test_ordinary_ids_are_file_names(name):
    assert file_name(name) == name


@pytest.mark.parametrize("name", STRANGE)
def test_file_names_are_safe_and_reversible(name, tmp_path):
    for encode_case in (False, True):
        encoded = file_name(name, encode_case=encode_case)
        assert unquote(encoded) == name
        assert encoded.isascii()
        assert not set(encoded) & set('/\\:*?"<>|\n\0')
        assert encoded[0] not in ". "
        assert encoded[-1] not in ". "
        assert encoded.partition(".")[0].lower() not in ("con", "com1")
        (tmp_path / f"{encoded}.jpg").touch()


def test_long_ids_have_different_short_names(tmp_path):
    names = [file_name(prefix * 300 + end) for prefix in ("a", "/", "é") for end in ("1", "2", "A")]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert len(name) <= MAX_NAME
        (tmp_path / f".{name}.partial-0123456789ab.fits").touch()


def test_ids_that_differ_only_in_case_have_different_names_without_case():
    ids = np.array(["abc", "Abc", "ABC", "xyz", "Xy", "É", "é"], dtype=object)
    alike = differ_only_in_case(ids)
    assert alike.tolist() == [True, True, True, False, False, True, True]
    names = [file_name(each, encode_case=flag) for each, flag in zip(ids, alike, strict=True)]
    assert names == ["abc", "%41bc", "%41%42%43", "xyz", "Xy", "%c3%89", "%c3%a9"]
    assert len({name.casefold() for name in names}) == len(names)


def test_names_by_position_are_truncated():
    ra, dec = np.array([188.7365, 0, 359.9999999, 10.0]), np.array([12.5824, -0.00001, 89.99999, -0.0])
    assert position_names(ra, dec).tolist() == [
        "J123456.76+123456.6",
        "J000000.00-000000.0",
        "J235959.99+895959.9",
        "J004000.00+000000.0",
    ]


def test_a_position_written_with_the_digits_of_the_name_keeps_them():
    generator = np.random.default_rng(0)
    words = [
        f"{hour:02d}:{minute:02d}:{second:05.2f} +{degree:02d}:{minute:02d}:{tenth:04.1f}"
        for hour, minute, second, degree, tenth in zip(
            generator.integers(0, 24, 500).tolist(),
            generator.integers(0, 60, 500).tolist(),
            (generator.integers(0, 6000, 500) / 100).tolist(),
            generator.integers(0, 90, 500).tolist(),
            (generator.integers(0, 600, 500) / 10).tolist(),
            strict=True,
        )
    ]
    sky = SkyCoord(words, unit=(units.hourangle, units.deg))
    expected = [f"J{word.replace(':', '').replace(' ', '')}" for word in words]
    assert position_names(sky.ra.deg, sky.dec.deg).tolist() == expected
