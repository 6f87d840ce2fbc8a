"""The settings of images: valid ones survive JSON, any others are refused with one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.common.errors import GalaxyError
from data_prep.images.image_settings import ImageSettings
from data_prep.images.stretch import Stretch
from tests.fuzzing import succeeds_or_explains, tries

FULL = ImageSettings(
    crop=64,
    bands=("g", "r"),
    pattern="{id}_{band}.fits",
    stretch=Stretch("linear", (0.0, 1.0), (5.0, 6.0)),
    pixel_scale=0.4,
    target_scale=0.8,
)


@pytest.mark.parametrize("settings", [ImageSettings(224), ImageSettings(64, size=80), FULL])
def test_settings_survive_json(settings):
    assert ImageSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_missing_entries_have_the_defaults():
    assert ImageSettings.from_json({"crop": 8}) == ImageSettings(8)
    assert ImageSettings(8).bands == ("R", "G", "B")
    assert not ImageSettings(8).scales
    assert FULL.scales
    other = Stretch("linear", (0.0, 0.0), (1.0, 1.0))
    assert FULL.with_stretch(other).stretch == other


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"crop": 0}, "the crop must be 1 to 8,192 pixels, not 0"),
        ({"crop": True}, "the crop must be"),
        ({"crop": 8.0}, "the crop must be"),
        ({"crop": 10**30}, "the crop must be"),
        ({"crop": None}, "the crop must be"),
        ({"size": 63}, "the size of 63 pixels is smaller than the crop of 64"),
        ({"size": "80"}, "the size must be 1 to 8,192 pixels, not '80'"),
        ({"size": 64, "target_scale": 1}, "size and target scale exclude each other"),
        ({"bands": []}, "bands must be a list of 1 to 8 names"),
        ({"bands": list("abcdefghi")}, "bands must be a list of 1 to 8 names"),
        ({"bands": "RGB"}, "bands must be a list of 1 to 8 names, not 'RGB'"),
        ({"bands": ["g", "g"]}, "two bands have the same name: g, g"),
        ({"bands": ["../x"]}, "letters, digits and the characters _.+-, not '../x'"),
        ({"bands": [""]}, "letters, digits"),
        ({"bands": ["x" * 33]}, "letters, digits"),
        ({"bands": [1]}, "letters, digits"),
        ({"bands": [["g"]]}, "letters, digits"),
        ({"pattern": "{id}.fits"}, "the pattern must contain {id} and {band} once each"),
        ({"pattern": "{id}{id}_{band}"}, "once each"),
        ({"pattern": "{id}_{band}_{x}"}, "once each"),
        ({"pattern": "../{id}_{band}.fits"}, "a relative path without .."),
        ({"pattern": "/{id}_{band}.fits"}, "a relative path without .."),
        ({"pattern": "{id}_{band}" + "x" * 200}, "the pattern must be text"),
        ({"pattern": "{id}\n{band}"}, "the pattern must be text"),
        ({"pattern": 1}, "the pattern must be text"),
        ({"pixel_scale": 0}, "the pixel scale must be a positive number of arcsec per pixel, not 0"),
        ({"pixel_scale": -1}, "the pixel scale"),
        ({"target_scale": float("nan")}, "the target scale must be"),
        ({"target_scale": 1e300}, "the target scale must be"),
        ({"target_scale": True}, "the target scale must be"),
        ({"target_scale": 10**400}, "the target scale must be"),
        ({"stretch": 1}, "stretch: expected a JSON object"),
        (
            {"stretch": {"name": "linear", "minimum": [0], "maximum": [1]}},
            "the stretch has 1 bands, the images 3",
        ),
        ({"zoom": 1}, "unknown entry 'zoom'; known: crop, size, bands"),
    ],
)
def test_invalid_entries_are_refused(entries, message):
    with pytest.raises(GalaxyError) as caught:
        ImageSettings.from_json({"crop": 64} | entries, "dataset.json, images")
    assert str(caught.value).startswith("dataset.json, images: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_anything_else_is_refused():
    for content in (None, [], 1, "x", {}, {"size": 3}):
        with pytest.raises(GalaxyError, match="expected a JSON object|the entry crop is missing"):
            ImageSettings.from_json(content)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    LEAVES | st.sampled_from([8, "r", "{id}{band}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = JSON | st.lists(st.floats(), max_size=3)
STRETCH = st.fixed_dictionaries(
    {"name": st.sampled_from(["lupton", "asinh", "linear"])},
    optional=dict.fromkeys(("minimum", "maximum", "stretch", "Q", "a"), NUMBERS),
)
OPTIONAL = dict.fromkeys(("size", "bands", "pattern", "pixel_scale", "target_scale", "extra"), JSON)


@tries(5_000, 300)
@given(
    content=st.fixed_dictionaries(
        {"crop": JSON | st.just(8)}, optional=OPTIONAL | {"stretch": STRETCH | JSON}
    )
)
def test_any_json_is_read_or_refused(content):
    succeeds_or_explains(lambda: ImageSettings.from_json(content).to_json())
