"""Calibrates a model's probabilities, and finds the threshold below which a classification is uncertain.

Both are learnt on the validation galaxies, which the weights have not seen.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from galaxy_lightning.evaluation.measures import accuracy_at_coverage

_ROUNDING: Final = 1e-6
"""How far a probability in float32 may lie below the threshold that it set."""

LARGEST_TEMPERATURE: Final = 20.0
"""Beyond it, or below its inverse, the temperature says that nothing was learnt, and is not followed."""


@dataclass(frozen=True)
class Calibration:
    """What a checkpoint keeps of a calibration.

    Attributes:
        temperature: What logits are divided by: above 1 the model was too sure of itself.
        target_accuracy: The accuracy wanted of the galaxies that are not flagged as uncertain.
        threshold: The probability that the predicted class needs for it; what lies below is
            uncertain. Above 1 where no threshold reaches the target accuracy.
        coverage: The share of the validation galaxies that reach it.
        zooms: The number of zooms of the answers it was fitted to. None if it was not fitted, or by a version
            that did not record it.
    """

    temperature: float = 1.0
    target_accuracy: float = 0.9
    threshold: float = 0.0
    coverage: float = 1.0
    zooms: int | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether it was fitted; the largest of several probabilities is never 0."""
        return self.threshold > 0

    def uncertain(self, probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_] | None:
        """Returns ``[N]`` which answers do not reach the threshold; None if there is no threshold.

        Args:
            probabilities: ``[N, classes]``, calibrated.
        """
        if not self.is_fitted:
            return None
        return np.asarray(probabilities.max(axis=1) < self.threshold - _ROUNDING)

    def state(self) -> dict[str, float | int | None]:
        """Returns it as plain numbers."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Calibration":
        """Makes it from plain numbers again."""
        zooms = state.get("zooms")
        # Older checkpoints call the target accuracy so.
        state = {"target_accuracy" if name == "precision" else name: value for name, value in state.items()}
        numbers = {name: float(value) for name, value in state.items() if name != "zooms"}
        return cls(**numbers, zooms=None if zooms is None else int(zooms))


@dataclass(frozen=True)
class Calibrations:
    """A model's calibrations: each is valid for answers with one number of zooms.

    Attributes:
        own: For the answers that were validated last.
        single: For answers with one zoom, where ``own`` is for more.
    """

    own: Calibration
    single: Calibration | None = None

    def for_zooms(self, zooms: int) -> Calibration:
        """Returns the calibration for answers with that many zooms; one that is not fitted if there is none.

        One of a version that did not record the zooms stands for any number.
        """
        if self.own.zooms is None:
            return self.own
        known = (each for each in (self.own, self.single) if each is not None and each.zooms == zooms)
        return next(known, Calibration(target_accuracy=self.own.target_accuracy))

    def describe(self, zooms: int) -> str:
        """Says how the galaxies that are flagged as uncertain were found, in words."""
        found, target = self.for_zooms(zooms), f"{self.own.target_accuracy:.3g}"
        if not found.is_fitted:
            why = (
                f"this model is not calibrated for {zooms} zoom{'s' if zooms > 1 else ''}"
                if self.own.is_fitted
                else "this checkpoint is not calibrated: it was not validated after its last training step"
            )
            return f"{why}. The probabilities are the network's own, and the column uncertain is empty"
        if found.threshold > 1:
            return f"no threshold reaches an accuracy of {target} on the validation galaxies"
        return (
            f"top probability below {found.threshold:.2f}, the threshold for an accuracy of {target} on the "
            "validation galaxies"
        )

    def state(self) -> dict[str, Any]:
        """Returns them as a checkpoint keeps them."""
        single = {} if self.single is None else {"calibration_single_zoom": self.single.state()}
        return {"calibration": self.own.state(), **single}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Calibrations":
        """Makes them from what a checkpoint keeps."""
        single = state.get("calibration_single_zoom")
        return cls(
            Calibration.from_state(state["calibration"]),
            None if single is None else Calibration.from_state(single),
        )


def calibrate(
    logits: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int64],
    target_accuracy: float,
    zooms: int | None = None,
) -> Calibration:
    """Calibrates a model on galaxies that it was not trained on.

    Args:
        logits: ``[N, classes]``.
        labels: ``[N]`` true class numbers.
        target_accuracy: The accuracy wanted of the galaxies that are not flagged as uncertain.
        zooms: The number of zooms of these answers.

    Returns:
        The calibration; one that is not fitted if a logit is not finite.
    """
    if not np.isfinite(logits).all():
        return Calibration(target_accuracy=target_accuracy)
    temperature = fit_temperature(logits, labels)
    threshold, coverage = find_threshold(softmax(logits / temperature, axis=1), labels, target_accuracy)
    return Calibration(temperature, target_accuracy, threshold, coverage, zooms)


def fit_temperature(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> float:
    """Fits the temperature that makes the labels most likely (Guo et al. 2017, section 4.2).

    One number for all classes: it changes how sure a model is, never which class it names.

    Args:
        logits: ``[N, classes]``.
        labels: ``[N]`` true class numbers.

    Returns:
        The temperature, between ``1 / LARGEST_TEMPERATURE`` and ``LARGEST_TEMPERATURE``.
    """
    rows = np.arange(len(labels))
    scores = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(scores / np.exp(log_temperature), axis=1)[rows, labels].mean())

    bound = np.log(LARGEST_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


def find_threshold(
    probabilities: npt.NDArray[np.floating], labels: npt.NDArray[np.int64], target_accuracy: float
) -> tuple[float, float]:
    """Finds the lowest probability from which on answers are as often right as asked for.

    Args:
        probabilities: ``[N, classes]``.
        labels: ``[N]`` true class numbers.
        target_accuracy: The accuracy wanted of those above the threshold.

    Returns:
        That probability, and the share of galaxies that reach it; 2 and 0 where none does.
    """
    coverages, accuracies, lowest = accuracy_at_coverage(
        labels, probabilities.argmax(axis=1), np.asarray(probabilities, dtype=np.float64)
    )
    reached = np.flatnonzero(accuracies >= target_accuracy)
    if not len(reached):
        return 2.0, 0.0
    return float(lowest[reached[-1]]), float(coverages[reached[-1]])


def entropy(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Returns ``[N]`` entropies in bits, from 0 (certain) to ``log2(classes)`` (all classes equally likely).

    Args:
        probabilities: ``[N, classes]``.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    logs = np.log2(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(np.abs((p * logs).sum(axis=1)))
