"""compare killed at any moment: no report mixes two comparisons, and a resumed one has the same figures."""

import json

import pytest

from baselines.cli import main
from baselines.comparison import jobs as training
from data_prep.common.errors import GalaxyError
from tests.killing import KILLS, command

SETUP = """
from galaxy_lightning.runtime.noise import quieten
quieten()
from matplotlib.figure import Figure
from baselines import cli, majority
from baselines.comparison import compare
from baselines.comparison import jobs as training
from baselines.scratch import training as scratch
from galaxy_lightning.evaluation import run_figures
from galaxy_lightning.report import charts, writer

training.run_module = lambda words, **_: cli.main(words[1:])
fit = scratch.fit_scratch
scratch.fit_scratch = lambda *places, **settings: fit(*places, **settings | {"epochs": 5})

def draw(content, *more, **options):
    figure = Figure((1, 1))
    figure.text(0, 0, len(content))
    return figure

writer.plot_confusion_matrices = draw
charts.plot_learning_curves = charts.plot_reliability_diagram = charts.plot_coverage_curve = draw
run_figures.write_run_figures = lambda *_: None
"""
"""Trains in the same process, whose end is the training's too, and not for long; draws little."""


@pytest.fixture(scope="module")
def killed():
    with command("baselines.cli", SETUP) as killed:
        yield killed


@pytest.fixture
def compare(small_arrays):
    def words(out, *models):
        return ["compare", "--data", small_arrays, "--out", out, "--models", *models]

    return words


def without_times(summary):
    """Removes values that differ between repeated trainings."""
    if isinstance(summary, list):
        return [without_times(each) for each in summary]
    if not isinstance(summary, dict):
        return summary
    differ = ("seconds", "images_per_second", "peak_memory_mb", "folder")
    return {name: without_times(each) for name, each in summary.items() if name not in differ}


def files(report):
    """Returns the files of a report by their relative path."""
    paths = [*report.glob("[!.]*"), *report.glob("figures/[!.]*")]
    return {str(path.relative_to(report)): path.read_bytes() for path in paths if path.is_file()}


@pytest.mark.soak
def test_a_killed_comparison_resumes_to_the_same_figures(killed, compare, tmp_path):
    words = compare(tmp_path / "whole", "majority", "scratch")
    killed.run(*words)
    whole = files(tmp_path / "whole")
    figures = without_times(json.loads(whole["metrics.json"]))

    def check(report):
        """Checks the files of a report; returns whether all exist."""
        found = files(report)
        if "metrics.json" in found:
            assert without_times(json.loads(found["metrics.json"])) == figures
        for name, content in found.items():
            assert name == "metrics.json" or content[-8:] == whole[name][-8:]
        return found.keys() == whole.keys()

    report = tmp_path / "begun"
    for kill in range(KILLS):
        killed.kill(*compare(report, "majority", "scratch"))
        if check(report):
            report = tmp_path / f"begun_after_{kill}"
    killed.run(*compare(report, "majority", "scratch"))
    assert check(report)


@pytest.mark.soak
def test_no_report_mixes_two_comparisons(killed, compare, tmp_path):
    out, reports = tmp_path / "report", []
    commands = [compare(out, "majority", "scratch"), compare(out, "majority")]
    killed.run(*commands[0])
    for words in commands:
        killed.run(*words)
        reports.append(files(out))
    assert reports[0] != reports[1]
    for kill in range(KILLS):
        killed.kill(*commands[kill % 2])
        found = files(out)
        assert "metrics.json" in found
        assert any(found.items() <= report.items() for report in reports)
    for words, report in zip(commands, reports, strict=True):
        killed.run(*words)
        assert files(out) == report


def test_a_training_that_outlived_a_killed_comparison_is_used(compare, tmp_path, monkeypatch, capsys):
    def both(words, **_):
        main(words[1:])
        raise GalaxyError("the second to finish finds that there is one")

    monkeypatch.setattr(training, "run_module", both)
    main([str(word) for word in compare(tmp_path / "report", "majority")])
    assert "majority  test accuracy" in capsys.readouterr().out
