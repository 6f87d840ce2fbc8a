"""Calibrates a model's probabilities, and finds the threshold below which a classification is uncertain.

Both are fitted to the validation galaxies, on which the weights are not trained.
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
"""Tolerance of the threshold for float32 rounding."""

LARGEST_TEMPERATURE: Final = 20.0
"""Upper bound of the temperature; its inverse is the lower bound. Only a model that has learnt nothing, or a
model without errors, would exceed them."""


@dataclass(frozen=True)
class Calibration:
    """A calibration, as stored in a checkpoint.

    Attributes:
        temperature: Divisor of the logits; above 1 if the model was overconfident.
        target_accuracy: Target accuracy of the galaxies that are not flagged as uncertain.
        threshold: Top probability below which a galaxy is flagged as uncertain; above 1 if no threshold
            reaches the target accuracy, 0 if the calibration is not fitted.
        coverage: Fraction of the validation galaxies that are not flagged as uncertain.
        zooms: Number of zooms of the logits that it was fitted to; None if it is not fitted, or by a version
            that did not record it.
    """

    temperature: float = 1.0
    target_accuracy: float = 0.9
    threshold: float = 0.0
    coverage: float = 1.0
    zooms: int | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether the calibration was fitted; a fitted threshold is never 0."""
        return self.threshold > 0

    def flag_uncertain(self, probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_] | None:
        """Returns ``[N]`` whether each galaxy is uncertain; None if the calibration is not fitted.

        Args:
            probabilities: ``[N, classes]``, calibrated.
        """
        if not self.is_fitted:
            return None
        return np.asarray(probabilities.max(axis=1) < self.threshold - _ROUNDING)

    def state(self) -> dict[str, float | int | None]:
        """Returns the calibration as a dictionary of numbers."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Calibration":
        """Makes a calibration from the output of :meth:`state`."""
        zooms = state.get("zooms")
        # Older checkpoints call the target accuracy "precision".
        state = {"target_accuracy" if name == "precision" else name: value for name, value in state.items()}
        numbers = {name: float(value) for name, value in state.items() if name != "zooms"}
        return cls(**numbers, zooms=None if zooms is None else int(zooms))


@dataclass(frozen=True)
class Calibrations:
    """The calibrations of a model; each is valid for one number of zooms.

    Attributes:
        main: Calibration for the number of zooms of the last validation.
        single_zoom: Calibration for one zoom, if ``main`` is for several.
    """

    main: Calibration
    single_zoom: Calibration | None = None

    def for_zooms(self, zooms: int) -> Calibration:
        """Returns the calibration for a number of zooms, or one that is not fitted.

        A calibration without a recorded number of zooms is used for any number.
        """
        if self.main.zooms in (None, zooms):
            return self.main
        if self.single_zoom is not None and self.single_zoom.zooms == zooms:
            return self.single_zoom
        return Calibration(target_accuracy=self.main.target_accuracy)

    def describe(self, zooms: int) -> str:
        """Returns the criterion for flagging galaxies as uncertain, in words."""
        calibration, target = self.for_zooms(zooms), f"{100 * self.main.target_accuracy:.3g}% accuracy"
        if not calibration.is_fitted:
            cause = (
                f"this model is not calibrated for {zooms} zoom{'s' if zooms > 1 else ''}"
                if self.main.is_fitted
                else "this checkpoint is not calibrated: it was not validated after its last training step"
            )
            return f"{cause}. The probabilities are uncalibrated, and column 'is_uncertain' is empty"
        if calibration.threshold > 1:
            return f"no threshold reaches {target} on held-out galaxies"
        return (
            f"top probability below {calibration.threshold:.2f}, the threshold for {target} on held-out "
            "galaxies"
        )

    def state(self) -> dict[str, Any]:
        """Returns the entries of a checkpoint."""
        state: dict[str, Any] = {"calibration": self.main.state()}
        if self.single_zoom is not None:
            state["calibration_single_zoom"] = self.single_zoom.state()
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Calibrations":
        """Makes calibrations from the entries of a checkpoint."""
        single_zoom = state.get("calibration_single_zoom")
        return cls(
            Calibration.from_state(state["calibration"]),
            None if single_zoom is None else Calibration.from_state(single_zoom),
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
        target_accuracy: Target accuracy of the galaxies that are not flagged as uncertain.
        zooms: Number of zooms of the logits.

    Returns:
        The calibration, which is not fitted if a logit is not finite.
    """
    if not np.isfinite(logits).all():
        return Calibration(target_accuracy=target_accuracy)
    temperature = fit_temperature(logits, labels)
    threshold, coverage = find_threshold(softmax(logits / temperature, axis=1), labels, target_accuracy)
    return Calibration(temperature, target_accuracy, threshold, coverage, zooms)


def fit_temperature(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.int64]) -> float:
    """Fits the temperature by maximum likelihood (Guo et al. 2017, section 4.2).

    The temperature is the same for all classes: it changes probabilities, but never the predicted class.

    Args:
        logits: ``[N, classes]``.
        labels: ``[N]`` true class numbers.

    Returns:
        The temperature, between ``1 / LARGEST_TEMPERATURE`` and ``LARGEST_TEMPERATURE``.

    Examples:
        A model gives a probability of 0.95 to classes that are right in three of four cases. Divided by the
        temperature, its logits give 0.75:

        >>> logits = np.log(np.array([[0.95, 0.05]] * 4))
        >>> temperature = fit_temperature(logits, np.array([0, 0, 0, 1]))
        >>> softmax(logits / temperature, axis=1)[0].round(2).tolist()
        [0.75, 0.25]
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
    """Finds the lowest top probability at and above which the accuracy reaches a target.

    Args:
        probabilities: ``[N, classes]``.
        labels: ``[N]`` true class numbers.
        target_accuracy: Target accuracy of the galaxies at and above the threshold.

    Returns:
        The threshold, and the fraction of galaxies at and above it; 2 and 0 if none reaches the target.
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
