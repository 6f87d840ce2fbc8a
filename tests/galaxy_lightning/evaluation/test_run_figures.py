import numpy as np
import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.evaluation import run_figures
from galaxy_lightning.evaluation.calibration import Calibration
from galaxy_lightning.evaluation.held_out import split_title
from galaxy_lightning.evaluation.run_figures import (
    optional_figures,
    validation_predictions,
    write_run_figures,
)
from galaxy_lightning.runs.names import HISTORY_COLUMNS, RUN_FIGURES
from tests.many_classes import class_names, make_arrays

HISTORY = [dict.fromkeys(HISTORY_COLUMNS, 0.5) | {"epoch": epoch} for epoch in range(3)]


@pytest.fixture
def arrays(tmp_path):
    return make_arrays(tmp_path / "arrays", class_names(10))


@pytest.fixture
def validation(arrays):
    rows = arrays.rows("val", "test")
    probabilities = np.random.default_rng(0).dirichlet([0.3] * 10, len(rows)).astype(np.float32)
    return validation_predictions(arrays, probabilities)


def files(run):
    return {path.name for path in (run / "figures").iterdir()}


def test_the_predictions_are_those_of_the_validation_galaxies(arrays):
    rows = arrays.rows("val", "test")
    probabilities = np.eye(10)[arrays.labels[rows]]
    probabilities[arrays.catalog["split"].iloc[rows].to_numpy() == "test"] = np.nan
    found = validation_predictions(arrays, probabilities, Calibration(1.0, 0.8, 0.5))
    assert found.correct.all()
    assert len(found.labels) == len(arrays.rows("val"))
    assert (found.target_accuracy, found.uncertain.any()) == (0.8, False)
    assert validation_predictions(arrays, probabilities).uncertain is None


def test_a_run_has_four_figures_as_png_and_pdf(validation, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/.coverage.partial-0123.png").touch()  # A killed fit leaves such files.
    write_run_figures(tmp_path, "my $net$ 銀河", HISTORY, 2, validation)
    assert files(tmp_path) == set(RUN_FIGURES)
    assert len(RUN_FIGURES) == 8


def test_what_has_no_data_is_not_drawn(arrays, validation, tmp_path):
    write_run_figures(tmp_path / "final", "a", HISTORY, 2, None)
    assert files(tmp_path / "final") == {"learning_curves.png", "learning_curves.pdf"}
    equal = validation_predictions(arrays, np.full((len(arrays.rows("val", "test")), 10), 0.1))
    write_run_figures(tmp_path / "majority", "a", [], None, equal)
    assert {name.split(".")[0] for name in files(tmp_path / "majority")} == {
        "confusion_matrix",
        "reliability",
    }


@pytest.mark.parametrize("error", [ValueError("no such font\nat all"), GalaxyError("no such font")])
def test_a_failure_to_draw_is_a_line_on_stderr(validation, tmp_path, monkeypatch, capsys, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(run_figures, "plot_run_curves", fail)
    with optional_figures(tmp_path):
        write_run_figures(tmp_path, "a", HISTORY, 2, validation)
    captured = capsys.readouterr()
    assert captured.err == f"The figures in {tmp_path}/figures are incomplete: no such font\n"
    assert captured.out == ""


def test_the_titles_count_the_galaxies_of_the_split(validation):
    title = split_title("val", 1200)
    assert title == "validation, 1,200 galaxies"
    assert split_title("test", 1) == "test, 1 galaxy"
    assert [figure.get_suptitle() for _, figure in validation.figures(title, "a")] == [
        f"a: {title}",
        title,
        title,
    ]
