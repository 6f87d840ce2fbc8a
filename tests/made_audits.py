"""Audits without models: the right format, with random content."""

from dataclasses import replace

import numpy as np
import pandas as pd

from data_prep.common.files import sha256
from galaxy_lightning.audit.colour import BLUE, GREY, ORIGINAL, RED, ColourAudit
from galaxy_lightning.audit.recall_curves import recall_curves
from galaxy_lightning.audit.recolouring import SHIFTS
from galaxy_lightning.audit.results import Audit, write_audit
from galaxy_lightning.audit.source_measures import MEASURES
from galaxy_lightning.runs.names import PREDICTIONS
from galaxy_lightning.runs.predictions import predicted_classes, read_predictions

SIDE = 28
_KEYS = ["objid", "asset_id"]


def make_results(classes=("elliptical", "irregular", "spiral"), number=60, seed=0):
    """Returns an audit of random predictions; some values are missing, as in a real one."""
    generator = np.random.default_rng(seed)
    classes, wide = list(classes), len(classes)
    labels = generator.integers(0, wide, number)
    labels[:2] = 0, 1
    probabilities = generator.dirichlet([1] * wide, number)
    probabilities[np.arange(number), labels] += 0.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    galaxies = pd.DataFrame(
        {
            "objid": 587722981742084097 + np.arange(number),
            "id": [f"{each:04}" for each in range(number)],
            "asset_id": [str(each) for each in range(number)],
            "label": np.array(classes, dtype=object)[labels],
        }
    )
    nearest = galaxies[_KEYS].assign(
        nearest_objid=587722981742085097, nearest_asset_id="9", nearest_label=classes[0]
    )
    mapped = np.arange(4) * 3
    return _make(galaxies, labels, probabilities, classes, nearest, mapped, generator, has_gaps=True)


def make_audit(run, arrays, explained=20, **reasons):
    """Writes an audit of the test galaxies of a run; ``reasons`` name parts that could not be computed."""
    generator = np.random.default_rng(1)
    classes, rows = arrays.classes, arrays.rows("test")
    table = read_predictions(run / PREDICTIONS, classes)
    probabilities, _ = predicted_classes(table[table["split"] == "test"].reset_index(drop=True), classes)
    galaxies = arrays.catalog[[*_KEYS, "label"]].iloc[rows].reset_index(drop=True)
    similar = generator.choice(arrays.rows("train"), (len(rows), 3)).ravel()
    own = galaxies[_KEYS].iloc[np.repeat(np.arange(len(rows)), 3)].reset_index(drop=True)
    other = arrays.catalog[[*_KEYS, "label"]].iloc[similar].add_prefix("nearest_")
    nearest = pd.concat([own, other.reset_index(drop=True)], axis=1).assign(distance=1.0)
    mapped = np.arange(min(explained, len(rows)))
    audit = _make(galaxies, arrays.labels[rows], probabilities, classes, nearest, mapped, generator)
    about = {name: {"reason": reason} for name, reason in reasons.items()}
    audit = replace(audit, summary=audit.summary | {"predictions": sha256(run / PREDICTIONS)} | about)
    write_audit(audit, run)
    return audit


def _make(galaxies, labels, probabilities, classes, nearest, mapped, generator, has_gaps=False):
    """Returns an audit of some galaxies with random measures."""
    number, predicted = len(galaxies), probabilities.argmax(axis=1)
    changes = [GREY, BLUE, RED, *(f"{shift:+.1f} mag" for shift in SHIFTS)]
    others = {name: generator.dirichlet([1] * len(classes), number) for name in changes}
    colour = ColourAudit({ORIGINAL: probabilities} | others, 0.2, 0.9)
    measures = pd.DataFrame({name: generator.random(number) for name in MEASURES})
    places = pd.DataFrame(generator.random((number, 2)), columns=["map_x", "map_y"])
    if has_gaps:
        measures.loc[1, "colour"] = np.nan
        places.loc[number - 1] = np.nan
    names = np.array(classes, dtype=object)[predicted]
    table = galaxies.assign(
        predicted=names, **{f"p_{name}": probabilities[:, at] for at, name in enumerate(classes)}
    )
    table = pd.concat([table, measures, places], axis=1).assign(
        colour_reliance=colour.reliance,
        label_quality=generator.random(number),
        flagged=(predicted != labels) & (generator.random(number) < 0.5),
        suggested=names,
    )
    summary = {
        "model": "galaxy_cnn",
        "kind": "test",
        "classes": list(classes),
        "galaxies": number,
        "accuracy": float((predicted == labels).mean()),
        "colour": colour.summarise(labels, galaxies["objid"].to_numpy(), classes),
        "label_limit": {
            "accuracy_limit": 0.912,
            "interval": [0.9, 0.92],
            "repeated": 0.85,
            "galaxies": number,
        },
        "wrong_labels": {"flagged": int(table["flagged"].sum())},
    }
    recall = recall_curves(measures, labels, predicted == labels, classes)
    maps = generator.integers(-127, 128, (len(mapped), SIDE, SIDE)).astype(np.int8)
    return Audit(summary, table, recall, nearest, maps, mapped)
