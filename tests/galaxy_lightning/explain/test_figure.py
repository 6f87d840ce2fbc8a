"""The figure of an explanation."""

import warnings

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from galaxy_lightning.explain.explanation import Explanation, Similar
from galaxy_lightning.explain.figure import MAX_BARS, plot_explanation
from galaxy_lightning.explain.opening import Galaxy
from tests.many_classes import class_names

METHODS = ("integrated gradients", "occlusion", "Grad-CAM")
CLASSES = ("elliptical", "irregular", "spiral")


def make(classes=CLASSES, bands=3, similar=5, methods=2, galaxy_cnn=True, **changes):
    """Returns an explanation with random content."""
    generator, number, radii = np.random.default_rng(0), len(classes), np.linspace(0.02, 0.9, 11)

    def image():
        return generator.integers(0, 256, (32, 32, bands), dtype=np.uint8)

    profile = np.exp(-3 * radii)
    settings = {
        "galaxy": Galaxy("587722981742084097", image(), 1),
        "classes": list(classes),
        "probabilities": generator.dirichlet(np.ones(number)),
        "explained": 0,
        "maps": {name: generator.normal(size=(32, 32)).astype(np.float32) for name in METHODS[:methods]},
        "similar": [
            Similar(f"id {index}", classes[index % number], image(), 1.0) for index in range(similar)
        ],
    }
    if galaxy_cnn:
        settings |= {
            "experts": {name: generator.dirichlet(np.ones(number)) for name in ("shapes", "rings")},
            "radii": radii,
            "profile": profile,
            "class_profiles": {name: np.stack([profile, profile / 2]) for name in classes},
        }
    return Explanation(**settings | changes)


def draw(explanation, model="galaxy_cnn"):
    """Draws the figure; every warning is an error. Returns its texts."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_explanation(explanation, model)
        figure.draw_without_rendering()
    return figure, [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize(
    "settings",
    [
        {"bands": 1, "methods": 3},
        {"bands": 3},
        {"bands": 5, "similar": 0},
        {"similar": 2, "methods": 0, "galaxy_cnn": False},
        {"class_profiles": {}},
        {"classes": class_names(37)},
        {"classes": class_names(10), "similar": 0},
        {"classes": ["_a", "$b", "$\\nothing$"]},
        {"methods": 1, "profile": np.zeros(11), "class_profiles": dict.fromkeys(CLASSES, np.zeros((2, 11)))},
    ],
)
def test_it_is_drawn_without_warnings(settings):
    figure, texts = draw(make(**settings))
    for method in METHODS[: settings.get("methods", 2)]:
        assert method in texts
    similar = "Most similar training galaxies, as the model sees them" in texts
    assert similar == (settings.get("similar", 5) > 0)
    assert figure.get_size_inches()[0] == 11


def test_the_title_says_what_is_known():
    probabilities = np.array([0.1, 0.2, 0.7])
    _, texts = draw(make(probabilities=probabilities))
    assert "587722981742084097: galaxy_cnn says spiral (70%); true class: irregular" in texts
    unknown = Galaxy("m31", np.zeros((32, 32, 3), dtype=np.uint8))
    _, texts = draw(make(probabilities=probabilities, galaxy=unknown))
    assert "m31: galaxy_cnn says spiral (70%)" in texts


def test_of_many_classes_the_most_probable_ones_are_shown():
    explanation = make(classes=[f"class {number}" for number in range(37)])
    figure, texts = draw(explanation)
    first = sorted(np.argsort(-explanation.probabilities)[:MAX_BARS])
    (bars,) = [axes for axes in figure.axes if axes.get_xlabel() == "Probability"]
    assert [label.get_text() for label in bars.get_yticklabels()] == [f"class {number}" for number in first]
    widths = [bar.get_width() for bar in bars.containers[0]]
    np.testing.assert_allclose(widths, explanation.probabilities[first])
    means = [text for text in texts if text.startswith("mean of training galaxies, ")]
    assert means == [f"mean of training galaxies, class {number}" for number in first]
    (profiles,) = [axes for axes in figure.axes if axes.get_ylabel() == "Brightness in rings"]
    assert len({to_hex(line.get_color()) for line in profiles.lines}) == MAX_BARS + 1


def test_red_speaks_for_the_class_and_blue_against():
    values = np.zeros((32, 32), dtype=np.float32)
    values[:8], values[-8:] = 2.0, -1.0
    figure, _ = draw(make(maps={"occlusion": values}))
    (axes,) = [axes for axes in figure.axes if axes.get_title() == "occlusion"]
    drawn = axes.images[-1]
    shown = drawn.to_rgba(drawn.get_array())
    assert shown[0, 0, 0] > shown[0, 0, 2]
    assert shown[-1, 0, 0] < shown[-1, 0, 2]
    assert drawn.get_alpha()[16, 16] == 0
    assert drawn.get_alpha()[0, 0] >= drawn.get_alpha()[-1, 0] > 0.5
