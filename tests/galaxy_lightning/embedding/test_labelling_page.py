"""The labelling page, as people use it, in headless Chromium."""

import itertools

import numpy as np
import pandas as pd
import pytest

from data_prep.cli import main as data_prep
from galaxy_lightning.cli.main import main
from galaxy_lightning.embedding.labelling_page import page_data, shortcut_keys, write_labelling_page
from galaxy_lightning.embedding.reading import EmbeddingTable
from tests.galaxy_lightning.cli.test_audit import error
from tests.galaxy_lightning.embedding.made_tables import draw_features, make_table, write_galaxy
from tests.galaxy_lightning.report.test_page import violations

MARKUP = ["<script>window.hacked=1</script>", '"><img src=x onerror=window.hacked=1>', "</script><b>&amp;"]


@pytest.fixture(scope="module")
def labelling(survey, tmp_path_factory):
    """A page for 12 images, and the table of suggested galaxies."""
    folder = tmp_path_factory.mktemp("page")
    out, page = folder / "suggested.csv", folder / "labelling.html"
    main(["suggest", "-n=12", f"--in={survey.of_images}", f"--out={out}", f"--page={page}"])
    return page, pd.read_csv(out, dtype=str)


def progress(page):
    return page.locator("#progress").inner_text()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def download(page, action):
    with page.expect_download() as waiting:
        action()
    assert waiting.value.suggested_filename == "labels.csv"
    return waiting.value.path()


def test_galaxies_are_labelled_by_keyboard_resumed_and_read_by_label(
    browser, labelling, survey, tmp_path, capsys
):
    path, table = labelling
    requests = []
    context = browser.new_context()
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert progress(page) == "1 of 12 · 0 labelled"
    assert page.locator("#save").is_disabled()
    press(page, "1", "3", "s", "2")
    assert progress(page) == "5 of 12 · 3 labelled, 1 skipped"
    page.close()  # Closing the tab loses nothing.
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    for _ in range(50):  # The browser writes what a page keeps a moment after the page is closed.
        if progress(page) == "5 of 12 · 3 labelled, 1 skipped":
            break
        page.wait_for_timeout(100)
        page.reload()
    assert progress(page) == "5 of 12 · 3 labelled, 1 skipped"
    press(page, "Backspace", "ArrowLeft")
    assert page.locator("#skip").get_attribute("aria-pressed") == "true"
    assert page.locator("#name").inner_text() == table["id"][2]
    press(page, "ArrowRight")
    assert page.locator("#classes button").nth(1).get_attribute("aria-pressed") == "true"
    saved = download(page, lambda: press(page, "Control+s"))
    found = pd.read_csv(saved, dtype=str)
    assert list(found) == ["id", "path", "label"]
    assert found["id"].tolist() == table["id"][[0, 1, 3]].tolist()
    assert found["path"].tolist() == table["path"][[0, 1, 3]].tolist()
    assert found["label"].tolist() == ["elliptical", "spiral", "irregular"]
    for action in (lambda: press(page, "d"), lambda: page.click("#save")):
        assert download(page, action).read_text() == saved.read_text()
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)
    labels, sample = tmp_path / "labels.csv", tmp_path / "sample.csv"
    labels.write_bytes(saved.read_bytes())
    context.close()
    data_prep(["label", "--table", str(labels), "--images", str(survey.images), "--out", str(sample)])
    assert "3 of 3 eligible galaxies" in capsys.readouterr().out
    assert sorted(pd.read_csv(sample)["label"]) == ["elliptical", "irregular", "spiral"]


def test_all_galaxies_are_labelled_by_touch(open_page, labelling):
    page = open_page(labelling[0], width=390, height=844)
    for number in range(12):
        assert progress(page).startswith(f"{number + 1} of 12")
        page.locator("#classes button").nth(number % 3).click()
    assert progress(page) == "All 12 shown · 12 labelled"
    assert "Save the labels" in page.locator("#finished").inner_text()
    press(page, "1", "ArrowRight", "s")  # There is nothing left to label.
    assert progress(page) == "All 12 shown · 12 labelled"
    page.click("#back")
    page.click("#skip")
    assert progress(page) == "All 12 shown · 11 labelled, 1 skipped"


def test_the_prediction_is_hidden_until_it_is_wanted(open_page, labelling):
    path, table = labelling
    page = open_page(path)
    assert page.locator("#prediction").is_hidden()
    page.check("#show")
    first = table.iloc[0]
    share = round(100 * float(first[f"p_{first['predicted']}"]))
    text = page.locator("#prediction").inner_text()
    assert text.startswith(f"The model: {first['predicted']} ")
    assert abs(int(text.split()[3].rstrip("%,")) - share) <= 1
    press(page, "2")
    assert page.locator("#prediction").is_visible()


@pytest.mark.parametrize(("width", "dark"), [*itertools.product((1280, 390), (False, True))])
def test_the_page_is_accessible_and_fits_its_window(open_page, labelling, width, dark):
    page = open_page(labelling[0], width, dark=dark)
    page.check("#show")
    assert not violations(page)
    press(page, "1", "ArrowLeft")
    assert not violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    size = page.locator("#image").evaluate("image => [image.naturalWidth, image.width, image.height]")
    assert size[0] == 448
    assert size[1] == size[2] > 300


def test_a_browser_that_keeps_no_data_says_so(browser, labelling):
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"
    )
    page = context.new_page()
    page.goto(labelling[0].as_uri())
    press(page, "1")
    assert "keeps no data" in page.locator("#kept").inner_text()
    assert progress(page) == "2 of 12 · 1 labelled"
    context.close()


def test_markup_in_names_stays_text_and_many_classes_have_letters(open_page, tmp_path):
    classes = [*MARKUP, *(f"class {number}" for number in range(9))]
    number = 5
    names = [f"<b>{row}</b>" for row in range(number)]
    for row in range(number):
        write_galaxy(tmp_path / f"{row}.png", row, side=32)
    shares = np.random.default_rng(0).dirichlet(np.ones(12), number)
    path = make_table(
        tmp_path / "t.parquet",
        draw_features(number),
        info={
            "classes": classes,
            "class_descriptions": {classes[0]: MARKUP[1]},
            "galaxies": {"images": str(tmp_path), "settings": {"crop": 32}, "pixel_scale": None},
        },
        objid=None,
        id=names,
        path=[f"{row}.png" for row in range(number)],
        predicted=np.array(classes)[shares.argmax(axis=1)],
        **{f"p_{name}": shares[:, index] for index, name in enumerate(classes)},
    )
    table = EmbeddingTable(path)
    notes = write_labelling_page(tmp_path / "page.html", table, table.galaxies)
    assert not notes
    page = open_page(tmp_path / "page.html")
    page.check("#show")
    assert not violations(page)
    buttons = page.locator("#classes button")
    assert [buttons.nth(index).inner_text().split("\n")[0] for index in (0, 9)] == [
        f"1 {MARKUP[0]}",
        "A class 6",
    ]
    press(page, "a", "1", "c")
    assert progress(page) == "4 of 5 · 3 labelled"
    found = pd.read_csv(download(page, lambda: press(page, "d")))
    assert found["label"].tolist() == ["class 6", MARKUP[0], "class 8"]
    assert found["id"].tolist() == names[:3]
    assert page.evaluate("window.hacked") is None


def test_keys_of_the_classes():
    assert shortcut_keys(3) == ["1", "2", "3"]
    keys = shortcut_keys(100)
    assert len(keys) == 100
    given = [key for key in keys if key]
    assert len(set(given)) == len(given) == 33
    assert not {"s", "d", "0"} & set(given)


def test_images_with_one_file_per_band_are_found_by_their_ids(tmp_path):
    path = make_table(
        tmp_path / "t.parquet", draw_features(2), path=["a_g.fits|a_r.fits", "b_g.fits|b_r.fits"]
    )
    table = EmbeddingTable(path)
    assert page_data(table, table.galaxies, ["data:", "gone"])["paths"] is None


def test_single_missing_images_are_said_and_shown(open_page, survey, tmp_path, capsys):
    for row in range(3):
        write_galaxy(tmp_path / f"{row}.jpg", row, side=32)
    path = make_table(
        tmp_path / "t.parquet",
        draw_features(3),
        groups=1,
        info={"galaxies": {"images": str(tmp_path), "settings": {"crop": 32}, "pixel_scale": None}},
    )
    (tmp_path / "1.jpg").unlink()
    page_path = tmp_path / "page.html"
    main(["suggest", f"--in={path}", f"--out={tmp_path / 's.csv'}", f"--page={page_path}"])
    assert "no image of 1 of the galaxies on the page" in capsys.readouterr().out
    place = pd.read_csv(tmp_path / "s.csv")["path"].tolist().index("1.jpg")
    page = open_page(page_path)
    press(page, *["ArrowRight"] * place)
    assert page.locator("#problem").inner_text() == "No image: the file does not exist any more"
    assert not violations(page)
    assert "ends in .html" in error(
        capsys, "suggest", f"--in={path}", f"--out={tmp_path / 'x.csv'}", "--page=page.pdf"
    )
