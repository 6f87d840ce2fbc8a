"""The page of a report, as its readers use it, in headless Chromium."""

import itertools
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from galaxy_lightning.cli.main import main
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.inputs import read_inputs
from galaxy_lightning.report.writer import write_page
from tests.many_classes import make_arrays, make_run

CLASSES = ["elliptical", "irregular", "spiral"]
MARKUP = [
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "</script><b>&amp;",
    "{{ 7 * 7 }} `${1}`",
]


def make_survey(folder, classes=CLASSES, models=(("galaxy_cnn", 0.8), ("keras", 0.1)), seeds=(0,), **options):
    """Writes arrays, runs and their page; returns what the tests compare."""
    columns = {
        "RA": lambda number: np.linspace(10, 350, number),
        "DEC": lambda number: np.linspace(-20, 60, number),
        "NVOTE": lambda number: np.arange(number) + 20,
    }
    arrays = make_arrays(folder / "arrays", classes, **({"images_per_class": 60} | columns | options))
    runs = [
        make_run(folder / f"run_{number}_{seed}", arrays, name, seed=seed, skill=skill)
        for number, (name, skill) in enumerate(models)
        for seed in seeds
    ]
    report = Report(*read_inputs(runs))
    write_page(folder / "report.html", report)
    return SimpleNamespace(arrays=arrays, runs=runs, report=report, page=folder / "report.html")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return make_survey(tmp_path_factory.mktemp("page"))


@pytest.fixture
def page(open_page, survey):
    return open_page(survey.page)


def predictions(survey, model):
    """The table of predictions of the test galaxies, with the confidence."""
    table = pd.read_csv(survey.report.models[model].runs[0].folder / "predictions.csv")
    table = table[table["split"] == "test"].reset_index(drop=True)
    return table.assign(
        confidence=table.filter(regex="^p_").max(axis=1), right=table.label == table.predicted
    )


def shown_ids(page):
    return page.locator("#tiles .tile").evaluate_all("tiles => tiles.map(tile => tile.title)")


def count(page):
    return int(page.locator("#count").inner_text().split(" of ")[0].replace(",", ""))


def violations(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    results = axe.Axe().run(page)
    return results.generate_report() if results.violations_count else ""


@pytest.mark.parametrize(("width", "dark"), [*itertools.product((1280, 390), (False, True))])
def test_the_page_is_accessible_and_fits_its_window(open_page, survey, width, dark):
    page = open_page(survey.page, width, dark=dark)
    assert not violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (
        sum(map(int, re.findall(r"\d+", background)[:3])) < 200
        if dark
        else background == "rgb(255, 255, 255)"
    )
    page.locator("#tiles .tile").first.click()
    assert page.locator("dialog").is_visible()
    assert not violations(page)


def test_it_begins_with_the_findings(page, survey):
    lead = page.locator(".lead").inner_text()
    best, second = survey.report.summary["models"]
    assert f"{best['name']} is the most accurate" in lead
    assert f"its lead of {best['mean']['accuracy'] - second['mean']['accuracy']:.3f} over keras" in lead
    counts = np.array(best["runs"][0]["confusion"])
    np.fill_diagonal(counts, 0)
    true, predicted = np.unravel_index(counts.argmax(), counts.shape)
    assert f"{CLASSES[true]} galaxies as {CLASSES[predicted]}" in lead


def test_the_best_value_of_each_row_is_bold(page):
    rows = page.locator("#results table").first.locator("tbody tr")
    accuracy = rows.filter(has_text="accuracy").first
    assert accuracy.locator("td").nth(0).locator("strong").count() == 1
    assert accuracy.locator("td").nth(1).locator("strong").count() == 0


@pytest.mark.parametrize("model", [0, 1])
def test_the_filters_select_the_galaxies_that_the_tables_select(page, survey, model):
    table, other = predictions(survey, model), predictions(survey, 1 - model)
    page.select_option("[name=model]", str(model))
    assert count(page) == len(table)
    conditions = {
        "truth": lambda rows: rows.label == "spiral",
        "predicted": lambda rows: rows.predicted == "irregular",
        "outcome": lambda rows: ~rows.right,
        "low": lambda rows: rows.confidence.round(4) >= 0.5,
        "high": lambda rows: rows.confidence.round(4) <= 0.8,
        "disagree": lambda rows: rows.predicted != other.predicted,
    }
    actions = {
        "truth": lambda: page.select_option("[name=truth]", "2"),
        "predicted": lambda: page.select_option("[name=predicted]", "1"),
        "outcome": lambda: page.select_option("[name=outcome]", "wrong"),
        "low": lambda: page.fill("[name=low]", "50"),
        "high": lambda: page.fill("[name=high]", "80"),
        "disagree": lambda: page.check("[name=disagree]"),
    }
    for names in (*([name] for name in conditions), ["truth", "outcome", "low"], ["predicted", "disagree"]):
        page.click("button[type=reset]")
        page.select_option("[name=model]", str(model))
        selected = np.ones(len(table), dtype=bool)
        for name in names:
            actions[name]()
            selected &= conditions[name](table).to_numpy()
        assert count(page) == selected.sum(), names
        assert {int(found) for found in shown_ids(page)} == set(table.objid[selected]), names
    page.click("button[type=reset]")
    page.fill("[name=id]", str(table.objid[3]))
    assert shown_ids(page) == [str(table.objid[3])]


def test_galaxies_are_sorted_by_confidence(page, survey):
    table = predictions(survey, 0).set_index("objid")
    for order, direction in (("sure", -1), ("unsure", 1)):
        page.select_option("[name=sort]", order)
        confidences = table.loc[[int(found) for found in shown_ids(page)], "confidence"].to_numpy()
        assert (np.diff(direction * confidences) > -1e-4).all()
    page.select_option("[name=sort]", "order")
    assert shown_ids(page) == [str(found) for found in table.index]


def test_a_cell_of_the_confusion_matrix_shows_its_galaxies(page, survey):
    table = predictions(survey, 1)
    expected = ((table.label == "spiral") & (table.predicted == "elliptical")).sum()
    cell = page.locator(".confusion button[data-model='1'][data-truth='2'][data-predicted='0']")
    assert cell.locator("small").inner_text() == str(expected)
    cell.click()
    assert count(page) == expected == page.locator("#tiles .tile").count()
    assert page.evaluate("document.activeElement.className") == "tile"


def test_each_confusion_has_a_row_of_its_most_confident_galaxies(page, survey):
    for model in (0, 1):
        page.select_option("#confusions-model", str(model))
        table = predictions(survey, model)
        wrong = table[~table.right]
        sizes = wrong.groupby(["label", "predicted"]).size()
        rows = page.locator(".confusion-row")
        assert rows.count() == len(sizes)
        for row in rows.all():
            label, predicted = row.locator("strong").all_inner_texts()
            found = row.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.title)")
            group = wrong[(wrong.label == label) & (wrong.predicted == predicted)]
            surest = group.sort_values("confidence", ascending=False, kind="stable").objid[:12]
            assert f"{len(group)} galax" in row.locator("h3").inner_text()
            assert [int(each) for each in found] == list(surest)


def test_the_keyboard_moves_between_galaxies_and_opens_them(page):
    ids = shown_ids(page)
    tiles = page.locator("#tiles .tile")
    tiles.first.focus()
    columns = page.evaluate(
        "[...tiles.children].findIndex(tile => tile.offsetTop > tiles.firstElementChild.offsetTop)"
    )
    focused = "document.activeElement.title"
    for key, expected in (
        ("ArrowRight", 1),
        ("ArrowDown", 1 + columns),
        ("ArrowLeft", columns),
        ("ArrowUp", 0),
    ):
        page.keyboard.press(key)
        assert page.evaluate(focused) == ids[expected]
    page.keyboard.press("End")
    assert page.evaluate(focused) == ids[-1]
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    title = page.locator("#dialog-title")
    assert title.inner_text() == ids[0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert title.inner_text() == ids[1]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")  # On the button of the next galaxy, which keeps the focus.
    page.keyboard.press("Enter")
    assert title.inner_text() == ids[3]
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    # The browser reports the closing of the dialog a moment later.
    page.wait_for_function("id => document.activeElement.title === id", arg=ids[3])


def test_the_arrow_keys_in_a_single_row_stay_in_it(page):
    page.fill("[name=id]", shown_ids(page)[0][-3:])
    ids = shown_ids(page)
    page.locator("#tiles .tile").first.focus()
    for key in ("ArrowDown", "ArrowUp", "PageDown", "PageUp"):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.title") == ids[0]


def test_a_click_outside_closes_the_dialog_and_one_inside_does_not(page):
    page.locator("#tiles .tile").first.click()
    dialog = page.locator("dialog")
    box = dialog.bounding_box()
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    assert dialog.is_visible()
    page.mouse.click(5, 5)
    assert not dialog.is_visible()


def test_a_galaxy_shows_the_probabilities_of_every_model_its_votes_and_links(page, survey):
    page.select_option("[name=sort]", "order")
    page.locator("#tiles .tile").nth(4).click()
    row = survey.arrays.catalog.iloc[survey.arrays.rows("test")].iloc[4]
    dialog = page.locator("dialog")
    assert dialog.locator("#dialog-title").inner_text() == str(row.objid)
    assert f"True class: {row.label}" in dialog.inner_text()
    for model, bars in enumerate(dialog.locator(".bars").all()):
        table = predictions(survey, model)
        widths = bars.locator("i").evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width))")
        assert np.allclose(widths, 100 * table.filter(regex="^p_").iloc[4], atol=0.006)
    links = dialog.locator("a").evaluate_all("links => links.map(link => link.href)")
    position = f"ra={round(float(row.RA), 5)}&dec={round(float(row.DEC), 5)}"
    assert [link.split("/")[2] for link in links] == ["skyserver.sdss.org", "www.legacysurvey.org"]
    assert all(position in link for link in links), links
    dialog.locator("summary").click()
    assert dialog.locator(".votes").inner_text().split() == ["NVOTE", str(row.NVOTE)]
    width = dialog.locator("img").evaluate(
        "async image => { await image.decode(); return image.naturalWidth }"
    )
    assert width == survey.arrays.image_size


def test_texts_of_the_user_are_never_markup(tmp_path, open_page):
    ids = itertools.cycle(MARKUP)
    survey = make_survey(
        tmp_path,
        MARKUP,
        [(MARKUP[0], 1.0), (MARKUP[1], 0.5)],
        id=lambda number: [f"{next(ids)} {k}" for k in range(number)],
    )
    page = open_page(survey.page)
    page.locator("#tiles .tile").first.click()
    assert page.evaluate("window.hacked") is None
    assert page.locator("b, img[onerror]").count() == 0
    assert page.locator("#dialog-title").inner_text().startswith(tuple(name[:8] for name in MARKUP))
    assert not violations(page)


def test_without_the_arrays_there_are_no_images_and_a_sentence_says_so(tmp_path, open_page, capsys):
    survey = make_survey(tmp_path)
    survey.arrays.folder.rename(tmp_path / "moved")
    main(["report", "--run", str(survey.runs[0])])
    note = "has no images, votes or positions, since the galaxy arrays in"
    assert note in capsys.readouterr().out
    page = open_page(survey.runs[0] / "report.html")
    assert note in page.locator("header").inner_text()
    assert page.locator("img").count() == 0
    assert count(page) == 45
    page.locator("#tiles .tile").first.click()
    assert page.locator("dialog a, dialog img, dialog .votes").count() == 0
    assert not violations(page)
    main(["report", "--run", str(survey.runs[0]), "--data.arrays", str(tmp_path / "moved")])
    assert open_page(survey.runs[0] / "report.html").locator("#tiles img").count() == 45


@pytest.mark.parametrize(
    ("classes", "models", "seeds", "per_class"),
    [
        (CLASSES, [("galaxy_cnn", 1.0)], (0,), 8),
        ([f"class {number}" for number in range(37)], [("a", 1.0), ("b", 0.3)], (0,), 8),
        (CLASSES, [(f"network {number}", number / 12) for number in range(12)], range(10), 12),
        (["early", "late"], [("galaxy_cnn", 0.2)], (0, 1), 600),
    ],
    ids=["one model", "37 classes", "12 models with 10 seeds", "several pages"],
)
def test_any_number_of_classes_models_and_seeds(tmp_path, open_page, classes, models, seeds, per_class):
    survey = make_survey(tmp_path, classes, models, seeds, images_per_class=per_class)
    page = open_page(survey.page, 390)
    assert count(page) == len(survey.arrays.rows("test"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not violations(page)
    last = min(60, count(page))
    page.locator("#tiles .tile").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    expected = "page 2 of" if count(page) > last else "page 1 of 1"
    assert page.locator("#page").text_content().startswith(expected)


def test_a_class_without_galaxies_and_a_single_galaxy(tmp_path, open_page):
    survey = make_survey(tmp_path, images_per_class=4)
    for run in survey.runs:
        table = pd.read_csv(run / "predictions.csv")
        test = table.index[table["split"] == "test"]
        table.drop(test[1:]).to_csv(run / "predictions.csv", index=False)
    survey.arrays.folder.rename(tmp_path / "moved")
    report = Report(*read_inputs(survey.runs))
    write_page(survey.page, report)
    page = open_page(survey.page)
    assert "1 test galaxy" in page.locator("header").inner_text()
    assert count(page) == 1
    assert not violations(page)


def test_it_prints_without_its_controls_and_in_light_colours(open_page, survey, tmp_path):
    page = open_page(survey.page, dark=True)
    content = page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    assert content.startswith(b"%PDF")
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert page.locator("#results table").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
