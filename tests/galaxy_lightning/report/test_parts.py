"""The parts of a report: positions, images, the listed galaxies, sentences and tables."""

import base64
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_prep.arrays.format import open_arrays
from galaxy_lightning.report import page_data, tables, thumbnails
from galaxy_lightning.report.content import Report
from galaxy_lightning.report.galaxies import ReportGalaxies
from galaxy_lightning.report.page_data import choose_galaxies
from galaxy_lightning.report.summary import Model
from galaxy_lightning.runs.reader import Run
from tests.many_classes import class_names, make_arrays

CLASSES = ["elliptical", "spiral"]


def made(labels, *models, devices=("2 CPU threads",) * 9, **about):
    """A report on galaxies with the given labels, and models with the given predicted class numbers."""
    table = pd.DataFrame(
        {"objid": np.arange(len(labels)), "asset_id": "", "label": np.array(CLASSES)[labels]}
    )
    galaxies = ReportGalaxies.from_predictions(CLASSES, table, "")
    read = [
        Model(
            f"m{number}",
            [
                Run(
                    None,
                    {"model": "m", "device": device, "images_per_second": 9.0, **about},
                    pd.DataFrame(),
                    np.eye(2)[predicted],
                    np.array(predicted),
                )
            ],
        )
        for number, (predicted, device) in enumerate(zip(models, devices, strict=False))
    ]
    return Report(galaxies, read)


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        (["12:00:00", "00:00:36"], ["-10:30:00", "+00:00:00"], [[180, -10.5], [0.15, 0]]),
        ([15.25, np.nan], [-3.5, 2], [[15.25, -3.5], [np.nan, np.nan]]),
        ([400.0, 20], [0, 0], [[np.nan, np.nan], [20, 0]]),
        (["nonsense", "x"], ["1", "2"], None),
        ([np.nan, np.nan], [np.nan, np.nan], None),
    ],
)
def test_positions_are_degrees_and_missing_if_invalid(tmp_path, ra, dec, expected):
    arrays = make_arrays(tmp_path / "arrays", CLASSES, images_per_class=4)
    arrays.catalog["RA"], arrays.catalog["dec"] = [ra[0], ra[1]] * 4, [dec[0], dec[1]] * 4
    galaxies = ReportGalaxies.from_arrays(arrays)
    galaxies = replace(galaxies, rows=np.array([0, 1]), identities=galaxies.identities.iloc[:2])
    found = galaxies.positions()
    if expected is None:
        assert found is None
    else:
        assert np.allclose(found.to_numpy(), expected, equal_nan=True)


def test_simulated_galaxies_are_named_so_and_have_no_position_on_the_sky(small_arrays):
    arrays = open_arrays(small_arrays)
    galaxies = ReportGalaxies.from_arrays(arrays)
    assert galaxies.positions() is None
    model = Model("m", [Run(None, {}, pd.DataFrame(), np.eye(3)[galaxies.labels], galaxies.labels)])
    assert "The galaxies and their votes are simulated. Labels: Galaxy Zoo 1's debiased votes (" in (
        Report(galaxies, [model]).about
    )
    arrays.dataset["sample"]["simulated"] = False
    galaxies = ReportGalaxies.from_arrays(arrays)
    assert not galaxies.are_simulated
    assert galaxies.positions().notna().all(axis=None)


def decoded(text):
    return Image.open(io.BytesIO(base64.b64decode(text)))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_images_of_any_bands_become_webp(tmp_path, channels):
    arrays = make_arrays(tmp_path / "arrays", class_names(2), size=64, channels=channels)
    images = thumbnails.encode_thumbnails(arrays.images, np.array([3, 0]))
    assert [decoded(text).size for text in images] == [(64, 64)] * 2
    expected = arrays.images[3] if channels == 3 else arrays.images[3].mean(axis=-1, keepdims=True)
    found = np.asarray(decoded(images[0]).convert("RGB"), dtype=float)
    assert abs(found.mean() - expected.mean()) < 8


def test_images_are_smaller_if_there_are_many(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (50, 224, 224, 3), dtype=np.uint8)
    rows = np.arange(50)
    sizes = []
    for limit in (10_000_000, 600_000, 100_000):
        monkeypatch.setattr(thumbnails, "MAX_BYTES", limit)
        images = thumbnails.encode_thumbnails(noise, rows)
        assert sum(len(base64.b64decode(text)) for text in images) < 1.1 * limit
        sizes.append(decoded(images[0]).width)
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


def test_a_page_lists_the_surest_errors_of_many_galaxies(monkeypatch):
    monkeypatch.setattr(page_data, "MAX_GALAXIES", 100)
    labels = np.zeros(1000, dtype=int)
    predicted = (np.arange(1000) % 10 == 0).astype(int)
    report = made(labels, predicted)
    report.models[0].runs[0].probabilities[np.arange(1000), predicted] = np.linspace(0.6, 1, 1000)
    chosen = choose_galaxies(report.galaxies, report.models)
    assert len(chosen) == len(set(chosen)) == 100
    assert set(range(510, 1000, 10)) <= set(chosen)
    assert (np.diff(chosen) > 0).all()
    few = made(labels[:80], predicted[:80])
    assert choose_galaxies(few.galaxies, few.models).tolist() == list(range(80))


def test_findings_say_whether_a_difference_is_significant():
    labels = [0] * 30 + [1] * 30
    flipped = [1] * 20 + [0] * 10 + [1] * 30
    slightly = [1] * 2 + [0] * 28 + [1] * 30
    (first, second) = made(labels, labels, flipped).findings
    assert first == (
        "Of 2 models, m0 is the most accurate, with 1.000 on 60 test galaxies; its lead of 0.333 over m1 "
        "is significant (p < 0.001)."
    )
    assert second == "m0 misclassifies none of them."
    (first, second) = made(labels, slightly, flipped, flipped).findings
    assert "(95% confidence interval: 0.917 to 1.000); its lead of 0.300 over m1 is significant" in first
    assert "corrected for 3 pairs" in first
    assert second == ("m0 most often classifies elliptical galaxies as spiral: 2 of 30, 100% of its errors.")
    assert "over m1 is not significant (p = 0.50)" in made(labels, labels, slightly).findings[0]
    assert "are equally accurate" in made(labels, flipped, flipped).findings[0]
    assert made([0], [0]).findings[0] == "m0 reaches an accuracy of 1.000 on 1 test galaxy."


def test_times_are_compared_only_on_equal_devices():
    rows = {
        devices: {
            row.title: row.best
            for row in tables.results_table(made([0, 1], [0, 1], [1, 1], devices=devices, seconds=3).summary)
        }
        for devices in (("2 CPU threads", "2 CPU threads"), ("2 CPU threads", "GPU"))
    }
    for devices, found in rows.items():
        assert found["accuracy"] == [0]
        assert found["training time (s)"] == []  # Both take equally long.
        assert tables.same_devices(made([0], [0], [0], devices=devices).summary) is (len(set(devices)) == 1)


def test_settings_that_differ_are_separate():
    report = made([0], [0], [0], hyperparameters={"epochs": 3, "rate": 0.1, "classes": CLASSES, "none": None})
    report.models[1].runs[0].about["hyperparameters"] = {"epochs": 4, "rate": 0.1}
    differing, shared = tables.settings_tables(report.summary)
    assert [(row.title, row.cells) for row in differing] == [("epochs", ["3", "4"])]
    assert [(row.title, row.cells) for row in shared] == [("rate", ["0.1", "0.1"]), ("none", ["-", "-"])]


def test_findings_of_several_runs_are_means():
    report = made([0, 0, 1, 1], [1, 1, 1, 1])
    report.models[0].runs.append(replace(report.models[0].runs[0], predicted=np.array([0, 1, 1, 1])))
    assert "as spiral: on average 1.5 of 2, 100% of its errors" in report.findings[1]
