import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from galaxy_lightning.evaluation.figures import (
    plot_coverage_curve,
    plot_gallery,
    plot_reliability_diagram,
    plot_training_curves,
)


def history(epochs, start):
    losses = [start / (epoch + 1) for epoch in range(epochs)]
    columns = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    return pd.DataFrame({"epoch": range(epochs)} | dict.fromkeys(columns, losses))


def test_the_evolution_shows_every_run_and_their_mean():
    figure = plot_training_curves(
        {"a": [history(3, 1.0), history(5, 2.0)], "b": [history(1, 0.5)]},
        "loss",
        baselines={"train": 0.3, "val": 0.4},
    )
    training, validation = figure.axes
    assert [len(line.get_xdata()) for line in validation.lines] == [3, 5, 5, 1, 2]
    np.testing.assert_allclose(validation.lines[2].get_ydata()[:3], [1.5, 0.75, 0.5])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "Most common class"]
    assert training.get_title() == "Training galaxies"


def test_epochs_without_validation_leave_a_gap():
    run = history(3, 1.0)
    run.loc[1, "val_loss"] = np.nan
    figure = plot_training_curves({"a": [run], "b": [history(0, 1.0)]}, "loss")
    assert [len(line.get_xdata()) for line in figure.axes[1].lines] == [2, 0]


def test_a_gallery_shows_its_images_and_captions():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    figure = plot_gallery(images, list("wxyz"), "mistakes")
    assert [axes.get_title() for axes in figure.axes][:4] == list("wxyz")
    assert sum(len(axes.images) for axes in figure.axes) == 4
    assert not plot_gallery(images[:0], [], "none").axes[0].images


def test_long_captions_are_wrapped_without_formulas():
    images = np.zeros((2, 8, 8, 3), np.uint8)
    name = "$unbarred$ spiral with loose arms and a bulge, variant 1"
    figure = plot_gallery(images, [f"true {name}", f"predicted {name} (0.93)"], "mistakes")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes[:2]:
        assert axes.title.get_window_extent(canvas.get_renderer()).width < figure.bbox.width / 3
        assert not axes.title.get_parse_math()


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_images_of_any_number_of_bands_are_shown(bands):
    image = np.arange(4 * bands, dtype=np.uint8).reshape(1, 2, 2, bands)
    figure = plot_gallery(image, ["a"], "mistakes")
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, image[0] if bands == 3 else image[0].mean(axis=-1))


def test_a_reliability_diagram_shows_bins_with_galaxies_and_their_uncertainty():
    nan = float("nan")
    galaxies = np.array([0, 1, 0, 100])
    figure = plot_reliability_diagram(
        np.array([nan, 0.4, nan, 0.9]), np.array([nan, 0.0, nan, 0.9]), galaxies
    )
    (bars,) = figure.axes[0].containers
    np.testing.assert_array_equal(bars.lines[0].get_xdata(), [0.4, 0.9])
    lengths = [np.ptp(segment[:, 1]) for segment in bars.lines[2][0].get_segments()]
    assert lengths[0] > 0.4
    assert lengths[1] == pytest.approx(2 * np.sqrt(0.9 * 0.1 / 100), rel=0.05)


def test_a_coverage_curve_marks_the_chosen_threshold():
    coverages, accuracies = np.array([0.5, 1.0]), np.array([0.95, 0.8])
    axes = plot_coverage_curve(coverages, accuracies, (0.6, 0.91), 0.9).axes[0]
    drawn = [line.get_xydata().tolist() for line in axes.lines]
    assert [[0.5, 0.95], [1.0, 0.8]] in drawn
    assert [[0.6, 0.91]] in drawn
