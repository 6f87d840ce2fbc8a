"""Results of an audit, made without a model."""

import numpy as np
import pandas as pd

from galaxy_lightning.audit.colour import BLUE, GREY, ORIGINAL, RED, ColourAudit
from galaxy_lightning.audit.label_errors import likely_wrong_labels
from galaxy_lightning.audit.recall_curves import recall_curves
from galaxy_lightning.audit.recolouring import SHIFTS
from galaxy_lightning.audit.results import Audit
from galaxy_lightning.audit.source_measures import MEASURES


def make_results(classes=("elliptical", "irregular", "spiral"), number=60, seed=0):
    """Returns an audit of random predictions; some values are missing, as in a real one."""
    generator = np.random.default_rng(seed)
    classes, wide = list(classes), len(classes)
    labels = generator.integers(0, wide, number)
    labels[:2] = 0, 1
    probabilities = generator.dirichlet([1] * wide, number)
    probabilities[np.arange(number), labels] += 0.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    changes = [GREY, BLUE, RED, *(f"{shift:+.1f} mag" for shift in SHIFTS)]
    others = {name: generator.dirichlet([1] * wide, number) for name in changes}
    colour = ColourAudit({ORIGINAL: probabilities} | others, 0.2, 0.9)
    measures = pd.DataFrame({name: generator.random(number) for name in MEASURES})
    measures.loc[1, "colour"] = np.nan
    names = np.array(classes, dtype=object)
    table = pd.DataFrame(
        {
            "objid": 587722981742084097 + np.arange(number),
            "id": [f"{each:04}" for each in range(number)],
            "asset_id": [str(each) for each in range(number)],
            "label": names[labels],
            "predicted": names[predicted],
            **{f"p_{name}": probabilities[:, at] for at, name in enumerate(classes)},
        }
    )
    quality = likely_wrong_labels(labels, probabilities, classes)
    places = pd.DataFrame(generator.random((number, 2)), columns=["map_x", "map_y"])
    places.loc[number - 1] = np.nan
    table = pd.concat([table, measures, quality, places], axis=1).assign(colour_reliance=colour.reliance)
    nearest = table[["objid", "asset_id"]].assign(
        nearest_objid=587722981742085097, nearest_asset_id="9", nearest_label=classes[0]
    )
    summary = {
        "model": "galaxy_cnn",
        "kind": "test",
        "classes": classes,
        "galaxies": number,
        "accuracy": float((predicted == labels).mean()),
        "colour": colour.summarise(labels, np.arange(number), classes),
        "label_limit": {
            "accuracy_limit": 0.912,
            "interval": [0.9, 0.92],
            "repeated": 0.85,
            "galaxies": number,
        },
        "wrong_labels": {"flagged": int(quality["flagged"].sum())},
    }
    recall = recall_curves(measures, labels, predicted == labels, classes)
    maps = generator.integers(-127, 128, (4, 28, 28)).astype(np.int8)
    return Audit(summary, table, recall, nearest, maps, np.arange(4) * 3)
