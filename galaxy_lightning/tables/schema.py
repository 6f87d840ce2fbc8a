"""What the columns of a table of predictions mean: descriptions, units and UCDs.

The UCDs are of the IVOA's UCD1+ controlled vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["id", "integer", "float", "flag", "text", "guessed"]
"""The type of a column.

An ``id`` is a 64-bit integer if all ids of the table are integers, else text. A ``flag`` is a Boolean. The
type of a ``guessed`` column follows from its cells.
"""

_CLASS: Final = "meta.code.class;src.morph.type"


@dataclass(frozen=True)
class ColumnInfo:
    """What a column means.

    Attributes:
        kind: The type.
        description: One line for the reader; empty if unknown.
        ucd: The UCD, if known.
        unit: The unit, as in VOTable and FITS; None if the column has none.
    """

    kind: Kind
    description: str = ""
    ucd: str | None = None
    unit: str | None = None

    def describe(self, column: Any) -> None:
        """Gives a column of an astropy table its description, unit and UCD."""
        column.description = self.description or None
        column.unit = self.unit
        if self.ucd:
            column.meta["ucd"] = self.ucd


COLUMNS: Final = {
    "objid": ColumnInfo("id", "object id", "meta.id;meta.main"),
    "id": ColumnInfo("id", "id of the galaxy", "meta.id;meta.main"),
    "asset_id": ColumnInfo("id", "id of the image", "meta.id"),
    "ra": ColumnInfo("float", "right ascension (ICRS)", "pos.eq.ra;meta.main", "deg"),
    "dec": ColumnInfo("float", "declination (ICRS)", "pos.eq.dec;meta.main", "deg"),
    "path": ColumnInfo("text", "image file", "meta.id;meta.file"),
    "split": ColumnInfo("text", "part of the galaxy arrays: train, val or test", "meta.code"),
    "label": ColumnInfo("text", "true class", _CLASS),
    "predicted": ColumnInfo("text", "class with the highest probability", _CLASS),
    "entropy": ColumnInfo("float", "entropy of the class probabilities", "stat.value", "bit"),
    "networks": ColumnInfo("integer", "number of networks that classified the galaxy", "meta.number"),
    "novelty": ColumnInfo(
        "float",
        "how unlike the training galaxies: percentage of held-out galaxies that are more like them",
        "stat.rank;src.morph",
    ),
    "is_uncertain": ColumnInfo(
        "flag", "whether the top probability is below the threshold for the target accuracy", "meta.code.qual"
    ),
    "seen_in_training": ColumnInfo(
        "flag", "whether the model was trained or calibrated on this galaxy", "meta.code.qual"
    ),
    "fold": ColumnInfo("integer", "fold whose model classified the galaxy", "meta.code"),
    "label_quality": ColumnInfo(
        "float", "how well the label agrees with the predictions, 0 to 1", "stat.value"
    ),
    "label_issue": ColumnInfo("flag", "whether the label is likely wrong", "meta.code.qual"),
}
"""The columns with fixed names."""

PARAMETERS: Final = {
    "model": ("MODEL", "name of the model"),
    "checkpoint_sha256": ("CKPTSHA", "SHA-256 of the checkpoint, or of several"),
    "galaxy_lightning": ("GLVERS", "version of galaxy-lightning"),
    "temperature": ("TEMPERAT", "temperature of the calibration"),
    "threshold": ("THRESHLD", "top probability below which is_uncertain is set"),
    "target_accuracy": ("TARGACC", "target accuracy of the other galaxies"),
    "zooms": ("ZOOMS", "zooms averaged per galaxy"),
    "folds": ("FOLDS", "folds of the cross-validation"),
    "source": ("GLSOURCE", "file of the predictions"),
    "catalogue": ("GLCAT", "catalogue joined to the predictions"),
    "radesys": ("RADESYS", "frame of the positions of the catalogue"),
    "equinox": ("EQUINOX", "equinox of the positions of the catalogue"),
}
"""The FITS keyword and the description of each entry of a table's metadata."""

Metadata = Mapping[str, str | int | float]
"""What is known about a table; the keys are among ``PARAMETERS``."""


def describe_column(name: str, classes: Sequence[str], descriptions: Mapping[str, str]) -> ColumnInfo:
    """Returns what a column means.

    Args:
        name: Its name.
        classes: The class names.
        descriptions: Descriptions of the classes by name; any may be missing.
    """
    if name in COLUMNS:
        return COLUMNS[name]
    for label in classes:
        if name not in (f"p_{label}", f"p_{label}_std"):
            continue
        meaning = f"{label} ({descriptions[label]})" if descriptions.get(label) else label
        if name == f"p_{label}":
            return ColumnInfo(
                "float", f"calibrated probability of the class {meaning}", "stat.probability;src.morph.type"
            )
        text = f"standard deviation of the probability of the class {meaning} over the networks"
        return ColumnInfo("float", text, "stat.stdev;stat.probability")
    return ColumnInfo("guessed")


def classes_in(names: Sequence[str]) -> list[str]:
    """Returns the class names in the header of a table of predictions, in order.

    ``p_<class>_std`` belongs to a class only if there is ``p_<class>`` too.

    Args:
        names: The column names.
    """
    probabilities = [name for name in names if name.startswith("p_")]
    return [
        name.removeprefix("p_")
        for name in probabilities
        if not (name.endswith("_std") and name.removesuffix("_std") in probabilities)
    ]


def known_metadata(**values: Any) -> dict[str, str | int | float]:
    """Returns the metadata whose values are known.

    Args:
        values: Values by their names in ``PARAMETERS``; unknown ones are None.
    """
    return {name: values[name] for name in PARAMETERS if values.get(name) is not None}
