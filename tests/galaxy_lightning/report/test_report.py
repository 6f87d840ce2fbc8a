"""Reports on any number of classes, of any names, from runs that were made without training."""

import csv
import html
import json
import re
import warnings

import pytest
from PIL import Image

from baselines.comparison.compare import compare
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES
from galaxy_lightning.evaluation.confusion_figures import MAX_SIDE_BY_SIDE
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.summary import group_runs, rank_models
from galaxy_lightning.report.tables import MAX_IN_ONE_TABLE
from galaxy_lightning.report.writer import write_report
from galaxy_lightning.runs.reader import read_run
from tests.many_classes import class_names, make_arrays, make_run

MODELS = ("galaxy_cnn", "a *model* | with $signs$")


def report_on(classes, folder, descriptions, models=MODELS):
    arrays = make_arrays(folder / "arrays", classes, descriptions=descriptions)
    runs = [
        read_run(make_run(folder / "runs" / str(number), arrays, model, skill=skill), arrays)
        for number, (model, skill) in enumerate(zip(models, (1.0, 0.5), strict=False))
    ]
    galaxies = ReportGalaxies.from_arrays(arrays)
    compared = rank_models(group_runs(runs), galaxies)
    out = folder / "report"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_report(out, Report(galaxies, compared))
    return out


@pytest.fixture(scope="module", params=[3, 10, 37])
def described(request, tmp_path_factory):
    """The classes, their descriptions, and the report."""
    classes = list(CLASSES) if request.param == 3 else class_names(request.param)
    descriptions = CLASS_DESCRIPTIONS if request.param == 3 else {name: f"is {name}" for name in classes[1:]}
    return classes, descriptions, report_on(classes, tmp_path_factory.mktemp("report"), descriptions)


def cells(page):
    """Returns the text of the table cells of an HTML page, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    found = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[html.unescape(cell) for cell in row] for row in found]


def test_the_classes_are_described_before_the_results(described):
    classes, descriptions, folder = described
    page = (folder / "report.html").read_text()
    before, _, after = page.partition(">Results</h2>")
    rows = cells(before)
    assert rows[0] == ["class", "meaning", "test galaxies"]
    assert rows[1:] == [[name, descriptions.get(name, ""), "2"] for name in classes]
    titles = [row[0] for row in cells(after)]
    assert [title for title in titles if title.startswith("recall, ")] == [f"recall, {x}" for x in classes]


def test_the_results_by_class_are_a_table_of_their_own_if_there_are_many(described):
    classes, _, folder = described
    for name in ("report.html", "report.md"):
        page = (folder / name).read_text()
        assert ("Results by class" in page) is (len(classes) > MAX_IN_ONE_TABLE)
        assert page.count("expected calibration error |") == (name == "report.md")


def test_every_markdown_table_has_as_many_cells_in_every_row(described):
    classes, _, folder = described
    text = (folder / "report.md").read_text()
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table
    assert len(tables[0].splitlines()) == 2 + len(classes)
    assert r"a \*model\* \| with \$signs\$" in text


def test_figures_are_legible_and_of_a_sensible_size(described):
    classes, _, folder = described
    matrices = sorted(path.stem for path in (folder / "figures").glob("confusion*.png"))
    side_by_side = len(classes) <= MAX_SIDE_BY_SIDE
    assert matrices == (["confusion"] if side_by_side else ["confusion_0", "confusion_1"])
    for path in (folder / "figures").glob("*.png"):
        with Image.open(path) as image:
            assert 300 < min(image.size) <= max(image.size) < 3200


def test_the_metrics_hold_the_descriptions(described):
    classes, descriptions, folder = described
    summary = json.loads((folder / "metrics.json").read_text())
    assert summary["classes"] == classes
    assert summary["class_descriptions"] == dict(descriptions)
    assert {f"recall_{name}" for name in classes} <= set(summary["models"][0]["mean"])


def test_the_reference_classes_say_what_irregular_means(tmp_path):
    folder = report_on(CLASSES, tmp_path, CLASS_DESCRIPTIONS)
    text = (folder / "report.md").read_text()
    assert "| irregular | undecided votes, not a morphology | 2 |" in text
    assert "irregular: undecided votes, not a morphology; spiral" in text.split("## Figures")[1]


def test_classes_without_descriptions_have_no_column_for_them(tmp_path):
    folder = report_on(CLASSES, tmp_path, {}, MODELS[:1])
    assert "| class | test galaxies |\n|---|---:|\n| elliptical | 2 |" in (folder / "report.md").read_text()
    assert "meaning" not in (folder / "report.html").read_text()


def test_figures_of_an_earlier_report_are_replaced(tmp_path):
    arrays = make_arrays(tmp_path / "arrays", class_names(8))
    runs = [make_run(tmp_path / name, arrays, name, skill=0.5) for name in ("one", "two")]
    compare(arrays, tmp_path / "report", [], [], runs)
    compare(arrays, tmp_path / "report", [], [], runs[:1])
    found = {path.name for path in (tmp_path / "report/figures").iterdir()}
    names = ("confusion_0", "reliability", "coverage", "loss", "accuracy")
    assert found == {f"{name}.{suffix}" for name in names for suffix in ("png", "pdf")}


def test_predictions_of_any_classes_are_quoted_csv(tmp_path):
    classes = class_names(10)
    arrays = make_arrays(tmp_path / "arrays", classes)
    run = make_run(tmp_path / "run", arrays, "one")
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["objid", "asset_id", "split", "label", *(f"p_{name}" for name in classes), "predicted"]
    assert {row[3] for row in rows} == set(classes)
    assert len(read_run(run, arrays).predicted) == 20
