"""How much of a classification depends on the colour of a galaxy instead of its shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_prep.common.json_files import finite_or_none
from galaxy_lightning.audit.recolouring import SHIFTS, colour_slope, make_grey, shift_colours
from galaxy_lightning.audit.source_measures import GREEN_RED
from galaxy_lightning.evaluation.measures import confusion_matrix, recalls
from galaxy_lightning.evaluation.significance import bootstrap_interval

BLUE: Final = "blue"
RED: Final = "red"
GREY: Final = "grey"
ORIGINAL: Final = "unchanged"
TYPICAL: Final = (0.1, 0.9)
"""The quantiles of the galaxies' colours that are called typical blue and red colours."""

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ColourAudit:
    """The probabilities of galaxies whose colour has been changed.

    Attributes:
        probabilities: ``[N, classes]`` by the name of the change, ``ORIGINAL`` first; NaN for a galaxy whose
            colour is unknown, where the change needs it.
        blue: The typical blue colour, in magnitudes.
        red: The typical red colour.
    """

    probabilities: Mapping[str, Probabilities]
    blue: float
    red: float

    @property
    def reliance(self) -> npt.NDArray[np.float64]:
        """``[N]`` the colour reliance of each galaxy; NaN if its colour is unknown.

        This is the probability that moves from one class to another if the same galaxy has a typical red
        colour instead of a typical blue one: the total variation distance of the two predictions. It is 0 if
        the model ignores the colour, and 1 if the colour alone decides.
        """
        return moved_probability(self.probabilities[BLUE], self.probabilities[RED])

    def summarise(
        self, labels: npt.NDArray[np.int64], galaxies: npt.NDArray[np.int64], classes: Sequence[str]
    ) -> dict[str, Any]:
        """Returns the colour reliance with its 95% interval, and the results of every change, as JSON types.

        Args:
            labels: ``[N]`` true class numbers.
            galaxies: ``[N]`` galaxy of each image.
            classes: The class names, in order.
        """
        reliance = self.reliance
        known = np.isfinite(reliance)
        low, high = bootstrap_interval(reliance[known], galaxies[known]) if known.any() else (np.nan, np.nan)
        return {
            "colour_reliance": _number(reliance[known].mean() if known.any() else np.nan),
            "interval": [_number(low), _number(high)],
            "galaxies": int(known.sum()),
            "by_class": {
                name: _number(reliance[known & (labels == label)].mean())
                for label, name in enumerate(classes)
                if (known & (labels == label)).any()
            },
            "typical_colours": {BLUE: _number(self.blue), RED: _number(self.red)},
            "changes": {name: self._summarise_change(name, labels, classes) for name in self.probabilities},
        }

    def _summarise_change(
        self, name: str, labels: npt.NDArray[np.int64], classes: Sequence[str]
    ) -> dict[str, Any]:
        changed = self.probabilities[name]
        known = np.isfinite(changed).all(axis=1)
        predicted = changed[known].argmax(axis=1)
        original = self.probabilities[ORIGINAL][known]
        found = recalls(confusion_matrix(labels[known], predicted, len(classes)))
        return {
            "galaxies": int(known.sum()),
            "accuracy": _number((predicted == labels[known]).mean()) if known.any() else None,
            "moved_probability": _number(moved_probability(original, changed[known]).mean())
            if known.any()
            else None,
            "other_class": _number((predicted != original.argmax(axis=1)).mean()) if known.any() else None,
            "recall": {title: _number(value) for title, value in zip(classes, found, strict=True)},
        }


@dataclass(frozen=True)
class ColourChanges:
    """The changes of the colour of ``N`` galaxies.

    Attributes:
        shifts: ``[N]`` changes of the colour in magnitudes, by name; NaN for a galaxy of unknown colour.
        slope: Change of the colour green minus red per change of blue minus green.
        blue: The typical blue colour.
        red: The typical red colour.
    """

    shifts: Mapping[str, npt.NDArray[np.float64]]
    slope: float
    blue: float
    red: float

    @property
    def names(self) -> list[str]:
        """The names of all predictions, in order."""
        return [ORIGINAL, GREY, *self.shifts]

    def apply(
        self,
        name: str,
        images: npt.NDArray[np.uint8],
        sky: npt.NDArray[np.float64],
        part: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.uint8]:
        """Changes images of galaxies.

        Args:
            name: The name of the change.
            images: ``[B, H, H, 3]``: red, green and blue.
            sky: ``[B, 3]`` brightness of the sky.
            part: ``[B]`` numbers of the galaxies.
        """
        if name == ORIGINAL:
            return images
        if name == GREY:
            return make_grey(images, sky)
        return shift_colours(images, sky, np.nan_to_num(self.shifts[name][part]), self.slope)


def plan_changes(
    measures: pd.DataFrame, labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> ColourChanges:
    """Plans the changes: bluer and redder by ``SHIFTS``, typical blue and red, and the mean of each class.

    Args:
        measures: ``N`` rows with the colours; see :mod:`~.source_measures`.
        labels: ``[N]`` true class numbers.
        classes: The class names, in order.
    """
    colours = measures["colour"].to_numpy(dtype=np.float64)
    known = np.isfinite(colours)
    slope = colour_slope(colours, measures[GREEN_RED].to_numpy(dtype=np.float64))
    blue, red = np.quantile(colours[known], TYPICAL) if known.any() else (np.nan, np.nan)
    shifts = {BLUE: blue - colours, RED: red - colours}
    for label, name in enumerate(classes):
        if (chosen := known & (labels == label)).any():
            shifts[f"mean colour of {name}"] = colours[chosen].mean() - colours
    shifts |= {f"{shift:+.1f} mag": np.full(len(colours), shift) for shift in SHIFTS}
    return ColourChanges(shifts, slope, float(blue), float(red))


def moved_probability(one: Probabilities, other: Probabilities) -> npt.NDArray[np.float64]:
    """Returns the total variation distance of predictions: the probability that moves between classes.

    Args:
        one: ``[N, classes]``.
        other: ``[N, classes]``.
    """
    return np.asarray(np.abs(one - other).sum(axis=1) / 2)


def _number(value: float) -> float | None:
    """Returns a number for JSON, rounded; None if it is not defined."""
    return finite_or_none(round(float(value), 6))
