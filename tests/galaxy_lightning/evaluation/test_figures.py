import warnings

import numpy as np
import pytest
from scipy.stats import beta

from galaxy_lightning.evaluation.colours import KNOWN_COLOURS, model_colours
from galaxy_lightning.evaluation.figures import (
    plot_coverage_curve,
    plot_reliability_diagram,
)
from galaxy_lightning.evaluation.measures import accuracy_at_coverage, calibration_error, reliability_bins
from tests.galaxy_lightning.evaluation.test_learning_curves import NAMES
from tests.galaxy_lightning.evaluation.texts import legend_texts, misplaced

NAN = float("nan")
BINS = (np.array([NAN, 0.4, 0.6, 0.9]), np.array([NAN, 0.0, 1.0, 0.9]), np.array([0, 2, 1, 100]))


def predictions(galaxies, seed):
    """Returns labels, predicted classes and probabilities."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, galaxies)
    probabilities = generator.dirichlet([0.5] * 3, galaxies)
    probabilities[np.arange(galaxies), labels] += 0.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labels, probabilities.argmax(axis=1), probabilities


def test_a_reliability_diagram_shows_intervals_and_the_numbers_of_galaxies():
    figure = plot_reliability_diagram({"keras": BINS}, {"keras": 0.0456}, "validation, 103 galaxies")
    above, below = figure.axes
    (points,) = [line for line in above.lines if line.get_marker() == "o"]
    assert points.get_xydata().tolist() == [[0.4, 0.0], [0.9, 0.9]]
    assert points.get_color() == KNOWN_COLOURS["keras"]
    segments = above.containers[0].lines[2][0].get_segments()
    expected = beta.interval(0.68, np.array([0.5, 90.5]), np.array([2.5, 10.5]))
    assert segments[0][:, 1].tolist() == pytest.approx([0, expected[1][0]])
    assert segments[1][:, 1].tolist() == pytest.approx([expected[0][1], expected[1][1]])
    assert [text.get_text() for text in below.texts] == ["2", "1", "100"]
    np.testing.assert_array_equal(below.patches[0].get_data().values, BINS[2])
    assert figure.get_suptitle() == "validation, 103 galaxies"
    texts = legend_texts(figure)
    assert texts[0] == "keras: calibration error 0.046"
    assert texts[1:] == ["perfect calibration", "68% interval", "bins with one galaxy have no point"]
    without = BINS[0], BINS[1], np.array([0, 2, 3, 100])
    assert "one galaxy" not in str(legend_texts(plot_reliability_diagram({"a": without}, {"a": 0.1})))


def test_several_reliability_diagrams_are_lines():
    names = ["galaxy_cnn", "keras", "my net"]
    for number in (2, 3):
        chosen = names[:number]
        figure = plot_reliability_diagram(dict.fromkeys(chosen, BINS), dict.fromkeys(chosen, 0.1))
        (axes,) = figure.axes
        lines = [line for line in axes.lines if line.get_marker() == "o"]
        assert [line.get_color() for line in lines] == list(model_colours(chosen).values())
        assert {line.get_linestyle() for line in lines} == {"-"}
        assert len(axes.containers) == (2 if number == 2 else 0)
        assert ("68% interval" in legend_texts(figure)) == (number == 2)


def test_a_coverage_curve_marks_the_chosen_threshold():
    curve = np.array([0.5, 1.0]), np.array([0.95, 0.8])
    figure = plot_coverage_curve({"keras": curve}, 100, {"keras": (0.6, 0.91)}, 0.9, "test, 100 galaxies")
    drawn = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert [[0.5, 0.95], [1.0, 0.8]] in drawn
    assert [[0.6, 0.91]] in drawn
    assert legend_texts(figure) == [
        "keras",
        "threshold from the validation galaxies",
        "target accuracy (0.9)",
    ]
    assert len(legend_texts(plot_coverage_curve({"a": curve}, 100))) == 1


@pytest.mark.parametrize(("galaxies", "first"), [(3, 1), (20, 4), (50, 10), (150, 10), (5000, 50)])
def test_a_coverage_curve_starts_after_the_noise_of_the_first_galaxies(galaxies, first):
    curve = np.arange(1, galaxies + 1) / galaxies, np.linspace(1, 0.8, galaxies)
    (line,) = plot_coverage_curve({"a": curve}, galaxies).axes[0].lines
    assert line.get_xdata()[0] == pytest.approx(first / galaxies)
    assert line.get_xdata()[-1] == 1


def test_equal_confidences_are_a_point():
    (line,) = plot_coverage_curve({"a": (np.array([1.0]), np.array([0.4]))}, 50).axes[0].lines
    assert line.get_marker() == "o"


@pytest.mark.parametrize(
    ("models", "galaxies"), [(1, 1), (1, 150), (1, 30_000), (2, 15), (5, 150), (12, 3000)]
)
def test_all_texts_are_inside_and_apart(models, galaxies):
    data = {name: predictions(galaxies, seed) for seed, name in enumerate(NAMES[:models])}
    bins = {name: reliability_bins(*each) for name, each in data.items()}
    errors = {name: calibration_error(*each) for name, each in data.items()}
    curves = {name: accuracy_at_coverage(*each)[:2] for name, each in data.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in (
            plot_reliability_diagram(bins, errors, f"validation, {galaxies:,} galaxies of 銀河"),
            plot_coverage_curve(curves, galaxies, dict.fromkeys(data, (0.5, 0.9)), 0.9, "a title " * 10),
        ):
            assert misplaced(figure) == ([], [])
            assert figure.get_size_inches()[0] == 5.2
