"""What a report says about the audits of its models."""

import base64
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from galaxy_lightning.cli.main import main
from galaxy_lightning.report.audit_data import audit_data
from galaxy_lightning.report.audits import read_audits
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.inputs import read_inputs
from galaxy_lightning.report.writer import write_page, write_report
from tests.galaxy_lightning.report.test_page import CLASSES, MARKUP, count, shown_ids, violations
from tests.made_audits import make_audit
from tests.many_classes import make_arrays, make_run


def make_report(folder, classes=CLASSES, audited=(0,), per_class=60, **options):
    """Writes two runs, the audits of some, and their page."""
    arrays = make_arrays(folder / "arrays", classes, per_class, size=options.pop("size", 16))
    models = (("galaxy_cnn", 0.8), ("keras", 0.1))
    runs = [make_run(folder / name, arrays, name, skill=skill) for name, skill in models]
    audits = [make_audit(runs[number], arrays, **options) for number in audited]
    galaxies, ranked = read_inputs(runs)
    report = Report(galaxies, ranked, (), *read_audits(galaxies, ranked))
    write_page(folder / "report.html", report)
    return report, audits, folder / "report.html"


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("audited"))


@pytest.fixture
def page(open_page, audited):
    return open_page(audited[2])


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_audit_is_accessible_and_fits_its_window(open_page, audited, width, dark):
    page = open_page(audited[2], width, dark=dark)
    assert not violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#labels-strip .tile").first.click()
    assert not violations(page)


def test_the_table_shows_the_figures_of_the_audit(page, audited):
    summary = audited[1][0].summary
    read = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
    found = page.locator("#audit table tbody tr").evaluate_all(read)
    rows = {title: cells for title, *cells in found}
    low, high = summary["colour"]["interval"]
    assert rows["colour reliance"] == [f"{summary['colour']['colour_reliance']:.3f}", "-"]
    assert rows["colour reliance, 95% confidence interval"] == [f"{low:.3f} to {high:.3f}", "-"]
    assert rows["accuracy, grey images"][0] == f"{summary['colour']['changes']['grey']['accuracy']:.3f}"
    assert rows["estimated limit of the accuracy, from the votes"] == ["0.912", "-"]
    assert rows["likely wrong labels"] == [str(summary["wrong_labels"]["flagged"]), "-"]
    assert page.locator("#audit svg").count() == 2


def test_the_likely_wrong_labels_are_listed_and_filtered(page, audited):
    table = audited[1][0].galaxies
    wrong = table[table["flagged"]].sort_values("label_quality")
    assert (
        page.locator("#labels-title").inner_text().startswith(f"Likely wrong labels: {len(wrong)} galaxies")
    )
    strip = page.locator("#labels-strip .tile").evaluate_all("tiles => tiles.map(tile => tile.title)")
    assert strip == wrong["objid"].astype(str).tolist()[: len(strip)]
    page.select_option("[name=outcome]", "label")
    assert count(page) == len(wrong)
    assert set(shown_ids(page)) <= set(wrong["objid"].astype(str))


def test_a_galaxy_shows_its_audit(page, audited):
    audit = audited[1][0]
    number = int(audit.mapped[3])
    row = audit.galaxies.iloc[number]
    page.fill("[name=id]", str(row["objid"]))
    page.locator("#tiles .tile").first.click()
    dialog = page.locator("dialog")
    text = dialog.inner_text()
    assert f"colour reliance {row['colour_reliance']:.2f}" in text
    assert ("label likely wrong" in text) == row["flagged"]
    similar = audit.nearest[audit.nearest["objid"] == row["objid"]]
    for label, objid in zip(similar["nearest_label"], similar["nearest_objid"], strict=True):
        assert f"{label}\n{objid}" in text
    assert dialog.locator(".similar img").count() == 3
    assert not dialog.locator("canvas").is_visible()
    dialog.locator("input[type=checkbox]").check()
    assert dialog.locator("canvas").is_visible()
    pixels = page.evaluate(
        "() => [...document.querySelector('dialog canvas').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    positive = np.array(pixels).reshape(28, 28, 4)[..., 0] > 128
    strong = np.abs(audit.maps[3]) > 20
    assert (positive == (audit.maps[3] > 0))[strong].all()


def test_the_map_opens_the_galaxy_that_is_chosen(page, audited):
    galaxies = audited[1][0].galaxies
    box = page.locator("#map").bounding_box()
    # A galaxy without others beside it.
    places = galaxies[["map_x", "map_y"]].to_numpy()
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, 9)
    chosen = int(distances.min(axis=1).argmax())
    x, y = places[chosen]
    page.locator("#map").scroll_into_view_if_needed()
    at = {"x": box["width"] * (0.03 + 0.94 * x), "y": box["width"] * (0.97 - 0.94 * y)}
    for colours in ("label", "error", "confidence"):
        page.select_option("#map-colours", colours)
        assert page.locator("#map-legend").inner_text().strip()
    page.locator("#map").hover(position=at)
    assert galaxies["label"][chosen] in page.locator("#map-tip").inner_text()
    page.locator("#map").click(position=at)
    assert page.locator("dialog h2").inner_text() == str(galaxies["objid"][chosen])
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_audits_of_several_models_and_names_that_look_like_markup(tmp_path, open_page):
    report, _, path = make_report(tmp_path, MARKUP, audited=(0, 1), per_class=20)
    page = open_page(path)
    assert len(report.audits) == 2
    page.select_option("#audit-model", "1")
    page.locator("#labels-strip .tile").first.click()
    assert MARKUP[0] in page.locator("dialog").inner_text()
    assert page.evaluate("window.hacked") is None


def test_what_could_not_be_computed_is_said(tmp_path):
    reason = "does not apply: the images have 5 bands, not red, green and blue"
    arrays = make_arrays(tmp_path / "arrays", CLASSES, 12)
    run = make_run(tmp_path / "run", arrays, "galaxy_cnn")
    make_audit(
        run, arrays, colour=reason, label_limit="cannot be computed from flags: the catalogue has no votes"
    )
    galaxies, models = read_inputs([run])
    other = Report(galaxies, models, (), *read_audits(galaxies, models))
    assert f"Colour: {reason}." in other.texts["audit_note"]
    assert "Limit of the labels: cannot be computed from flags" in other.texts["audit_note"]
    assert not [row for row in other.texts["audit_rows"] if "reliance" in row.title]


@pytest.mark.parametrize("problem", ["damaged", "other galaxies", "other model", "older"])
def test_an_audit_that_cannot_be_used_is_left_out_with_its_reason(tmp_path, problem, capsys):
    arrays = make_arrays(tmp_path / "arrays", CLASSES, 20)
    run = make_run(tmp_path / "run", arrays, "galaxy_cnn")
    make_audit(run, arrays)
    table = pd.read_csv(run / "audit/galaxies.csv", dtype={"asset_id": str})
    if problem == "damaged":
        (run / "audit/galaxies.csv").write_bytes((run / "audit/galaxies.csv").read_bytes()[:200])
    elif problem == "other galaxies":
        table.assign(objid=table["objid"] + 1).to_csv(run / "audit/galaxies.csv", index=False)
    elif problem == "other model":
        make_audit(make_run(tmp_path / "other", arrays, "galaxy_cnn", seed=1), arrays)
        shutil.rmtree(run / "audit")
        shutil.copytree(tmp_path / "other/audit", run / "audit")
    else:
        summary = json.loads((run / "audit/audit.json").read_text())
        (run / "audit/audit.json").write_text(json.dumps(summary | {"format": 0}))
    main(["report", f"--run={run}"])
    output = capsys.readouterr().out
    assert "The page leaves out an audit" in output
    assert "run audit again" in output
    assert 'id="audit"' not in (run / "report.html").read_text()


def test_the_markdown_report_has_the_table_too(tmp_path, audited):
    write_report(tmp_path / "out", audited[0])
    text = (tmp_path / "out/report.md").read_text()
    reliance = audited[1][0].summary["colour"]["colour_reliance"]
    assert f"| colour reliance | {reliance:.3f} | - |" in text
    assert (tmp_path / "out/figures/colour_0.pdf").is_file()


def test_the_page_of_many_galaxies_stays_small(tmp_path):
    """10,000 galaxies, with noise as images, which compress worst."""
    *_, path = make_report(tmp_path, audited=(0, 1), per_class=13_400, size=32, explained=5000)
    assert path.stat().st_size < 20e6


def test_values_are_packed_by_listed_galaxy(tmp_path):
    report, audits, _ = make_report(tmp_path, per_class=20)
    listed = np.arange(len(report.galaxies.labels))[::2]
    data, rows = audit_data(report.audits, report.galaxies, listed)
    reliance = np.frombuffer(base64.b64decode(data["models"][0]["reliance"]), "<u2") / 65534
    expected = audits[0].galaxies["colour_reliance"].to_numpy()[listed]
    assert np.abs(reliance - expected).max() < 1e-4
    assert len(data["training"]) == len(rows)
