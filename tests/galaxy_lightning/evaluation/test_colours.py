import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from galaxy_lightning.evaluation.colours import COLOURS, KNOWN_COLOURS, model_colours

DEFICIENCIES = {
    "none": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "protanopia": (
        *(0.152286, 1.052583, -0.204868),
        *(0.114503, 0.786281, 0.099216),
        *(-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        *(0.367322, 0.860646, -0.227968),
        *(0.280085, 0.672501, 0.047413),
        *(-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        *(1.255528, -0.076749, -0.178779),
        *(-0.078411, 0.930809, 0.147602),
        *(0.004733, 0.691367, 0.303900),
    ),
}
"""How readers see linear RGB (Machado, Oliveira & Fernandes 2009, severity 1)."""


def linear(colour):
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Returns CIELAB coordinates for linear sRGB under D65."""
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(matrix @ np.clip(rgb, 1e-3, 1) / np.array([0.9505, 1, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_all_pairs_of_colours_can_be_distinguished(deficiency):
    assert len(set(COLOURS)) == len(COLOURS) == 12
    seen = [lab(np.reshape(DEFICIENCIES[deficiency], (3, 3)) @ linear(colour)) for colour in COLOURS]
    smallest = min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2))
    assert smallest > (6 if deficiency == "tritanopia" else 10)


def test_no_colour_is_black_or_pale():
    luminances = [linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in COLOURS]
    assert all(1.05 / (luminance + 0.05) > 2.2 for luminance in luminances)
    assert min(luminances) > 0.05


def test_models_of_the_package_have_fixed_colours():
    names = ["my_net", "scratch-full", "galaxy_cnn", "scratch", "galaxy_cnn (epochs 30)", "keras_own"]
    colours = model_colours(names)
    assert list(colours) == names
    assert len(set(colours.values())) == 6
    for name in ("scratch-full", "galaxy_cnn", "scratch"):
        assert colours[name] == KNOWN_COLOURS[name]
    assert model_colours(["keras (epochs 5)"]) == {"keras (epochs 5)": KNOWN_COLOURS["keras"]}
    pair = model_colours(["majority (epochs 1)", "majority"])
    assert pair["majority"] == KNOWN_COLOURS["majority"] != pair["majority (epochs 1)"]


def test_colours_repeat_after_twelve_models():
    names = [f"model {index}" for index in range(30)]
    colours = list(model_colours(names).values())
    assert colours[:12] == list(COLOURS)
    assert colours[12:24] == list(COLOURS)
    assert model_colours(names) == model_colours(names)
    assert model_colours([]) == {}
    mixed = model_colours([*names[:11], "galaxy_cnn"])
    assert len(set(mixed.values())) == 12
