import json

import pytest

from data_prep.arrays.folds import make_folds
from data_prep.arrays.format import open_arrays
from data_prep.common.text_layout import display_width
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.evaluation.crossval import summarise
from galaxy_lightning.evaluation.held_out import HeldOutPredictions
from galaxy_lightning.runs.reader import read_run
from tests.many_classes import class_names, make_arrays, make_run

CALIBRATION = {"temperature": 1.0, "target_accuracy": 0.9, "threshold": 0.5, "coverage": 1.0, "zooms": None}


def make_crossval(folder, arrays):
    """The runs and the galaxy arrays of two folds, made without training."""
    folds = [open_arrays(fold) for fold in make_folds(arrays, folder / "folds", 2)]
    runs = [
        read_run(make_run(folder / str(number), fold, "one", skill=0.5, calibration=CALIBRATION), fold)
        for number, fold in enumerate(folds)
    ]
    return runs, folds


def test_the_figures_name_the_model_once(tmp_path, monkeypatch):
    titles = []
    monkeypatch.setattr(HeldOutPredictions, "write", lambda self, out, *names: titles.extend(names))
    runs, folds = make_crossval(tmp_path, make_arrays(tmp_path / "arrays", CLASSES, images_per_class=8))
    lines = summarise(runs, folds, tmp_path / "summary")
    assert titles == ["2 folds, 24 galaxies", "one"]
    assert lines[0] == "Cross-validation of one, 2 folds, 24 galaxies:"


@pytest.mark.parametrize("classes", [CLASSES, class_names(37)], ids=len)
def test_a_cross_validation_describes_the_classes(tmp_path, classes):
    descriptions = CLASS_DESCRIPTIONS if classes == CLASSES else {classes[1]: "undecided votes"}
    arrays = make_arrays(tmp_path / "arrays", classes, descriptions=descriptions)
    runs, folds = make_crossval(tmp_path, arrays)
    lines = summarise(runs, folds, tmp_path / "summary")
    summary = json.loads((tmp_path / "summary/summary.json").read_text())
    assert summary["class_descriptions"] == dict(descriptions)
    described = [line for line in lines if "undecided votes" in line]
    if classes == CLASSES:
        assert described == ["irregular:  undecided votes, not a morphology"]
    else:
        assert described == [f"{classes[1]}: undecided votes"]
    assert len(lines) < len(classes) + 35
    assert max(display_width(line) for line in lines if not line.startswith("Saved to:")) <= 80
    assert (tmp_path / "summary/confusion_matrix.png").is_file()
