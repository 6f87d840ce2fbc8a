import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from galaxy_lightning.evaluation.colours import GRID, KNOWN_COLOURS, REFERENCE
from galaxy_lightning.evaluation.learning_curves import plot_learning_curves, plot_run_curves
from tests.galaxy_lightning.evaluation.texts import legend_texts, misplaced

NAMES = [
    "galaxy_cnn", "keras", "scratch",
    "a model of a very long name, with settings (learning_rate 0.001, epochs 3)",
    "銀河ネット", "$x$_net", "W" * 80, *(f"model {index}" for index in range(5)),
]  # fmt: skip


def history(epochs, start, val=True):
    losses = np.array([start / (epoch + 1) for epoch in range(epochs)])
    validation = losses + 0.1 if val else np.full(epochs, np.nan)
    return pd.DataFrame(
        {
            "epoch": range(epochs),
            "train_loss": losses,
            "train_accuracy": losses,
            "val_loss": validation,
            "val_accuracy": validation,
        }
    )


def curves(axes, style):
    """Returns the lines of a style, without those to compare with."""
    return [line for line in axes.lines if line.get_linestyle() == style]


def stars(axes):
    return [line.get_xydata()[0].tolist() for line in axes.lines if line.get_marker() == "*"]


def test_the_training_is_dashed_and_the_validation_solid():
    runs = {"galaxy_cnn": [history(4, 1.0)], "my net": [history(2, 2.0)]}
    figure = plot_learning_curves(runs, "loss", {"galaxy_cnn": [2], "my net": [None]})
    (axes,) = figure.axes
    dashed, solid = curves(axes, "--"), curves(axes, "-")
    assert [line.get_xdata().tolist() for line in dashed] == [[1, 2, 3, 4], [1, 2]]
    np.testing.assert_allclose(dashed[0].get_ydata(), [1, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_allclose(solid[0].get_ydata(), dashed[0].get_ydata() + 0.1)
    for lines in (dashed, solid):
        assert [line.get_color() == KNOWN_COLOURS["galaxy_cnn"] for line in lines] == [True, False]
    np.testing.assert_allclose(stars(axes), [[3, 1 / 3 + 0.1]])
    assert legend_texts(figure) == ["galaxy_cnn", "my net", "training", "validation", "weights used"]
    assert axes.get_xlabel() == "Epoch"
    assert axes.get_ylabel() == "Loss"


def test_several_runs_are_thin_and_their_mean_is_thick():
    figure = plot_learning_curves({"a": [history(3, 1.0), history(5, 2.0)]}, "loss", {"a": [1, 4]})
    (axes,) = figure.axes
    lines = curves(axes, "--")
    widths = [line.get_linewidth() for line in lines]
    assert widths[0] == widths[1] < widths[2]
    assert [len(line.get_xdata()) for line in lines] == [3, 5, 3]
    np.testing.assert_allclose(lines[2].get_ydata(), [1.5, 0.75, 0.5])
    assert [point[0] for point in stars(axes)] == [2, 5]
    assert legend_texts(figure)[-2:] == ["mean of all runs", "single runs"]


def test_values_to_compare_with_are_dotted():
    figure = plot_learning_curves({"a": [history(3, 1.0)]}, "accuracy", baselines={"most common class": 0.3})
    (line,) = curves(figure.axes[0], ":")
    assert set(line.get_ydata()) == {0.3}
    assert line.get_color() == REFERENCE
    assert legend_texts(figure)[-1] == "most common class"
    assert to_hex(figure.axes[0].xaxis.get_gridlines()[0].get_color()) == GRID


def test_epochs_without_validation_are_left_out():
    run = history(3, 1.0)
    run.loc[1, "val_loss"] = np.nan
    figure = plot_learning_curves({"a": [run], "b": [history(0, 1.0)]}, "loss", {"a": [2], "b": [None]})
    assert [line.get_xdata().tolist() for line in curves(figure.axes[0], "-")] == [[1, 3]]


def test_a_fit_without_validation_has_its_star_on_the_training():
    figure = plot_learning_curves({"a": [history(3, 1.0, val=False)]}, "loss", {"a": [2]})
    np.testing.assert_allclose(stars(figure.axes[0]), [[3, 1 / 3]])
    assert "validation" not in legend_texts(figure)


def test_single_epochs_are_points_beside_each_other():
    runs = {name: [history(1, 1.0)] for name in "abc"}
    figure = plot_learning_curves(runs, "loss", {name: [0] for name in runs})
    places = [point[0] for point in stars(figure.axes[0])]
    assert len(set(places)) == 3
    assert np.mean(places) == pytest.approx(1)
    for line in curves(figure.axes[0], "--"):
        assert (line.get_marker(), to_hex(line.get_markerfacecolor())) == ("o", "#ffffff")
    keys = figure.legends[1].get_lines()
    assert [line.get_marker() for line in keys] == ["o", "o", "*"]
    assert keys[0].get_linestyle() == "None"


def test_an_outlier_does_not_set_the_limit_of_the_loss():
    run = history(40, 1.0)
    run.loc[0, "train_loss"] = 1e6
    assert plot_learning_curves({"a": [run]}, "loss").axes[0].get_ylim()[1] < 3
    assert plot_learning_curves({"a": [history(15, 1.0)]}, "loss").axes[0].get_ylim()[1] > 1.1


@pytest.mark.parametrize(("models", "seeds"), [(1, 1), (1, 3), (5, 1), (5, 3), (12, 10)])
@pytest.mark.parametrize(("epochs", "scale"), [(1, 1), (1, 1e6), (20, 1e6), (20, 1e-6)])
def test_all_texts_are_inside_and_apart(models, seeds, epochs, scale):
    runs = {name: [history(epochs, scale)] * seeds for name in NAMES[:models]}
    bests = {name: [0] * seeds for name in runs}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_learning_curves(runs, "loss", bests, {"most common class": 0.4})
        assert misplaced(figure) == ([], [])
    assert figure.get_size_inches()[0] == 5.2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("epochs", [1, 12])
def test_the_curves_of_a_run_are_side_by_side(name, epochs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_run_curves(history(epochs, 1.0), 0, name)
        assert misplaced(figure) == ([], [])
    assert [axes.get_ylabel() for axes in figure.axes] == ["Loss", "Accuracy"]
    assert [stars(axes)[0][0] for axes in figure.axes] == [1, 1]
    assert legend_texts(figure) == ["training", "validation", "weights used (epoch 1)"]
    width, height = figure.get_size_inches()
    assert width == 8.4
    assert height == pytest.approx(3.6, abs=0.3)
