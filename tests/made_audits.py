"""Audits of made runs, without models: the right format, with random content."""

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


def make_audit(run, arrays, explained=20, **reasons):
    """Writes an audit of the test galaxies of a run; ``reasons`` name parts that could not be computed."""
    generator = np.random.default_rng(1)
    classes, rows = arrays.classes, arrays.rows("test")
    table = read_predictions(run / PREDICTIONS, classes)
    table = table[table["split"] == "test"].reset_index(drop=True)
    probabilities, predicted = predicted_classes(table, classes)
    labels, number = arrays.labels[rows], len(rows)
    names = [ORIGINAL, GREY, BLUE, RED, *(f"{shift:+.1f} mag" for shift in SHIFTS)]
    others = {name: generator.dirichlet([1] * len(classes), number) for name in names[1:]}
    colour = ColourAudit({ORIGINAL: probabilities} | others, 0.1, 0.8)
    measures = pd.DataFrame({name: generator.random(number) for name in MEASURES})
    galaxies = arrays.catalog[["objid", "asset_id", "label"]].iloc[rows].reset_index(drop=True)
    galaxies["predicted"] = np.array(classes, dtype=object)[predicted]
    for at, name in enumerate(classes):
        galaxies[f"p_{name}"] = probabilities[:, at]
    galaxies = pd.concat([galaxies, measures], axis=1).assign(
        colour_reliance=colour.reliance,
        label_quality=generator.random(number),
        flagged=(predicted != labels) & (generator.random(number) < 0.5),
        suggested=galaxies["predicted"],
        map_x=generator.random(number),
        map_y=generator.random(number),
    )
    summary = {
        "model": "made",
        "predictions": sha256(run / PREDICTIONS),
        "kind": "test",
        "classes": classes,
        "galaxies": number,
        "accuracy": float((predicted == labels).mean()),
        "colour": colour.summarise(labels, galaxies["objid"].to_numpy(), classes),
        "label_limit": {
            "accuracy_limit": 0.9,
            "interval": [0.88, 0.92],
            "repeated": 0.85,
            "galaxies": number,
        },
        "wrong_labels": {"flagged": int(galaxies["flagged"].sum())},
    } | {name: {"reason": reason} for name, reason in reasons.items()}
    recall = recall_curves(measures, labels, predicted == labels, classes)
    training = arrays.rows("train")
    similar = generator.choice(training, (number, 3)).ravel()
    own = arrays.catalog[["objid", "asset_id"]].iloc[np.repeat(rows, 3)].reset_index(drop=True)
    other = arrays.catalog[["objid", "asset_id", "label"]].iloc[similar].add_prefix("nearest_")
    nearest = pd.concat([own, other.reset_index(drop=True)], axis=1).assign(distance=1.0)
    mapped = np.arange(min(explained, number))
    maps = generator.integers(-127, 128, (len(mapped), SIDE, SIDE)).astype(np.int8)
    audit = Audit(summary, galaxies, recall, nearest, maps, mapped)
    write_audit(audit, run)
    return audit
