"""The label rules that come with the package."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_prep.samples import presets
from data_prep.samples.galaxy_zoo_1 import LABEL_RULES, label_galaxies
from data_prep.samples.presets import preset_folder, preset_names
from data_prep.samples.rules import read_rules
from data_prep.schema import CLASS_DESCRIPTIONS, CLASSES, FLAG_THRESHOLD, VOTE_THRESHOLD
from data_prep.tables.galaxy_zoo import read_table2

FOLDER = Path(__file__).parents[3] / "configs/labels"
GZ2 = [name for name in preset_names() if name.startswith("gz2_")]


@pytest.fixture(scope="module")
def gz2_sample():
    folder = os.environ.get("GALAXY_GZ2_SAMPLE")
    if not folder:
        pytest.skip("GALAXY_GZ2_SAMPLE does not name the real galaxies' folder")
    return pd.read_csv(Path(folder) / "gz2_hart16.csv"), pd.read_csv(Path(folder) / "derived_label.csv")


def generated(rules, n=4000):
    """A table in which every answer of every question occurs with every vote fraction."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame({name: rng.beta(0.4, 0.4, n) for name in rules.columns})
    for name in table.filter(regex="star|artifact|Class1.3"):
        table[name] /= 2
    for name in table.filter(regex="^(SPIRAL|ELLIPTICAL|UNCERTAIN)$"):
        table[name] = rng.integers(0, 2, n)
    for name in table.filter(regex="total|NVOTE"):
        table[name] = rng.integers(0, 80, n)
    return table


def test_all_presets_are_found():
    # In a wheel, the folder is a copy.
    assert {path.name: path.read_bytes() for path in preset_folder().iterdir()} == {
        path.name: path.read_bytes() for path in FOLDER.iterdir()
    }
    assert {FOLDER / f"{name}.yaml" for name in preset_names()} == set(FOLDER.iterdir())
    assert {"gz1_threshold", "gz1_flags", "gz2_three", "decals_three", "kaggle_three"} <= set(preset_names())


def test_without_the_folder_there_are_none(monkeypatch, tmp_path):
    monkeypatch.setattr(presets, "_FOLDERS", (tmp_path / "missing",))
    assert preset_folder() is None
    assert preset_names() == []


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_gives_each_of_its_described_classes(name):
    rules = read_rules(name)
    assert rules.name == name
    assert 2 <= len(rules.classes) <= 8
    assert all(10 < len(text) < 100 for text in (rules.description, *rules.classes.values()))
    assert rules.id_columns
    table = generated(rules)
    labelled = rules.apply(table)
    assert {label for label in labelled.labels if label} == set(rules.classes)
    assert not [note for note in labelled.notes if "matches no galaxy" in note]
    assert labelled.votes["n_votes"].notna().any() == (rules.votes.count is not None)
    fractions = labelled.votes.drop(columns="n_votes")
    assert fractions.columns.tolist() == [f"vote_{label}" for label in rules.votes.fractions]
    assert ((fractions >= 0) & (fractions <= 1)).all(axis=None)
    rest = {rules.votes.rest} - {None}
    assert {*rules.votes.fractions, *rest} == set(rules.classes)


@pytest.mark.parametrize(
    "name", [name for name in preset_names() if name.startswith("gz1") or "three" in name]
)
def test_the_classes_of_the_course_project(name):
    rules = read_rules(name)
    assert tuple(rules.classes) == CLASSES
    assert rules.classes["irregular"] == CLASS_DESCRIPTIONS["irregular"]
    if name.startswith("gz1"):  # Their samples can also be drawn by extract.
        assert rules.classes == CLASS_DESCRIPTIONS
    assert rules.votes.rest == "irregular"
    assert rules.parameters.get("threshold", VOTE_THRESHOLD) == VOTE_THRESHOLD
    assert rules.votes.threshold == (
        FLAG_THRESHOLD if name == "gz1_flags" else None if name == "kaggle_three" else VOTE_THRESHOLD
    )


def reference_labels(table, rule, threshold):
    """The rules of the course project and of Galaxy Zoo 1, as code."""
    if rule == "flags":
        spiral, elliptical, uncertain = (
            table[name].to_numpy() == 1 for name in ("SPIRAL", "ELLIPTICAL", "UNCERTAIN")
        )
        known = spiral.astype(int) + elliptical + uncertain == 1
    else:
        known = (table["P_CS_DEBIASED"].notna() & table["P_EL_DEBIASED"].notna()).to_numpy()
        spiral, elliptical = (
            table[name].to_numpy() >= threshold for name in ("P_CS_DEBIASED", "P_EL_DEBIASED")
        )
    return np.select([~known, spiral, elliptical], ["", "spiral", "elliptical"], default="irregular").tolist()


@pytest.mark.parametrize("rule", LABEL_RULES)
def test_the_rules_of_galaxy_zoo_1_agree_with_the_reference(rule):
    rng = np.random.default_rng(2)
    names = ["P_CS_DEBIASED", "P_EL_DEBIASED", "SPIRAL", "ELLIPTICAL", "UNCERTAIN"]
    table = pd.DataFrame(rng.uniform(size=(5000, 5)).round(2), columns=names)
    table[names[2:]] = rng.integers(0, 2, (5000, 3))
    table = table.mask(rng.uniform(size=(5000, 5)) < 0.1)
    for threshold in (0.5, 0.65, 0.8, 1.0):
        expected = reference_labels(table, rule, threshold)
        assert label_galaxies(table, rule, threshold).tolist() == expected
        assert set(expected) == {"", *CLASSES}


def test_questions_that_nobody_was_asked():
    rules = read_rules("decals_four")
    smooth = {"smooth-or-featured_smooth_fraction": 1.0, "smooth-or-featured_featured-or-disk_fraction": 0.0}
    disc = {"smooth-or-featured_smooth_fraction": 0.1, "smooth-or-featured_featured-or-disk_fraction": 0.9}
    edge = {"disk-edge-on_yes_fraction": 0.8, "disk-edge-on_no_fraction": 0.2}
    table = pd.DataFrame([smooth, disc | edge, {}], columns=list(rules.columns))
    labelled = rules.apply(table)
    assert labelled.labels.tolist() == ["elliptical", "edge-on", ""]
    assert labelled.votes.loc[0, ["vote_edge-on", "vote_spiral", "vote_elliptical"]].tolist() == [0, 0, 1]
    assert np.isnan(labelled.votes.loc[1, "vote_spiral"])


@pytest.mark.real
@pytest.mark.parametrize("name", GZ2)
def test_real_votes_of_galaxy_zoo_2(name, gz2_sample):
    table, _ = gz2_sample
    rules = read_rules(name)
    assert set(rules.columns) < set(table.columns)
    assert rules.id_columns[0] in table
    labelled = rules.apply(table)
    counts = pd.Series(labelled.labels).value_counts()
    assert set(counts.index) - {""} == set(rules.classes)
    assert counts.get("", 0) < 0.1 * len(table)
    assert labelled.votes.notna().all(axis=None)


@pytest.mark.real
def test_four_classes_agree_with_labels_that_somebody_made_from_the_same_votes(gz2_sample):
    table, derived = gz2_sample
    labels = pd.Series(read_rules("gz2_four").apply(table).labels, index=table["dr7objid"])
    theirs = derived.set_index("dr7objid")["derived_label"].reindex(labels.index)
    known = labels != ""
    assert (labels == theirs)[known].mean() > 0.9


@pytest.mark.real
def test_real_flags_of_galaxy_zoo_1(real_sample):
    table = read_table2(real_sample / "GalaxyZoo1_DR_table2.csv")
    labelled = read_rules("gz1_flags").apply(table)
    assert labelled.labels.tolist() == reference_labels(table, "flags", VOTE_THRESHOLD)
    assert pd.Series(labelled.labels).value_counts().to_dict() == {
        "spiral": 460,
        "elliptical": 242,
        "irregular": 298,
    }
