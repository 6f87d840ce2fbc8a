"""Simulates the votes of Galaxy Zoo 1: answers, debiasing and flags."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from data_prep.schema import FLAG_THRESHOLD
from data_prep.simulate.galaxies import Galaxy

# The numbers below are assumptions that make the votes resemble those of Galaxy Zoo 1; they are not fitted.

ANSWERS: Final = ("P_EL", "P_CW", "P_ACW", "P_EDGE", "P_DK", "P_MG")
"""The possible answers: elliptical, clockwise or anticlockwise spiral, other spiral (edge-on or of unclear
winding), "don't know", merger (Lintott et al. 2008)."""

AGREEMENT: Final = 25.0
"""Concentration of the Dirichlet distribution of the answers; the larger, the more similar are the votes of
galaxies with the same parameters."""

SEEING: Final = 1.4
"""Typical full width at half maximum of the point-spread function [arcsec]."""


def visibility(galaxy: Galaxy) -> float:
    """Returns the visibility of a galaxy's features, from 0 (lost in the blur) to 1."""
    resolved = 1 / (1 + np.exp(-(np.log(galaxy.half_light_radius / SEEING) - 0.55) / 0.22))
    bright = 1 / (1 + np.exp((galaxy.surface_brightness - 21.8) / 0.3))
    return float(resolved * bright)


def answer_probabilities(galaxy: Galaxy) -> NDArray[np.float64]:
    """Returns the mean probability of each answer in :data:`ANSWERS`, shape ``[6]``."""
    seen = visibility(galaxy)
    flat = float(np.clip((0.62 - galaxy.axis_ratio) / 0.4, 0.0, 1.0))
    smooth = np.array([0.86 - 0.38 * flat, 0.014, 0.014, 0.045 + 0.35 * flat, 0.06, 0.007])
    match galaxy.shape:
        case "elliptical":
            mean = smooth
        case "lenticular":
            mean = _mix(smooth, [0.40, 0.04, 0.04, 0.42, 0.09, 0.01], 0.4 + 0.5 * seen * flat)
        case "spiral":
            mean = _spiral(galaxy, seen, smooth)
        case "edge-on":
            mean = _mix(smooth, [0.06, 0.01, 0.01, 0.89, 0.025, 0.005], 0.6 + 0.4 * seen)
        case "irregular":
            weight = 0.35 + 0.65 * galaxy.disturbance * seen
            mean = _mix(smooth, [0.22, 0.06, 0.06, 0.16, 0.40, 0.10], weight)
        case "merger":
            weight = (0.3 + 0.7 * galaxy.disturbance) * (0.5 + 0.5 * seen)
            mean = _mix(smooth, [0.20, 0.04, 0.04, 0.07, 0.10, 0.55], weight)
        case shape:
            raise ValueError(f"unknown shape: {shape}")
    probabilities: NDArray[np.float64] = mean / mean.sum()
    return probabilities


def draw_votes(galaxy: Galaxy, rng: np.random.Generator) -> dict[str, float | int]:
    """Simulates the votes on a galaxy.

    Args:
        galaxy: The galaxy.
        rng: The random number generator.

    Returns:
        The vote and flag columns of Table 2, in its order and rounding.
    """
    voters = _number_of_voters(rng)
    probabilities = rng.dirichlet(AGREEMENT * answer_probabilities(galaxy) + 1e-3)
    counts = rng.multinomial(voters, probabilities)
    fractions = dict(zip(ANSWERS, counts / voters, strict=True))
    spiral = float(counts[1:4].sum() / voters)
    elliptical_debiased, spiral_debiased = debias(fractions["P_EL"], spiral, _bias(galaxy, rng))
    row: dict[str, float | int] = {"NVOTE": voters}
    row |= {name: round(float(share), 3) for name, share in fractions.items()}
    row |= {
        "P_CS": round(spiral, 3),
        "P_EL_DEBIASED": round(elliptical_debiased, 3),
        "P_CS_DEBIASED": round(spiral_debiased, 3),
    }
    row["SPIRAL"] = int(row["P_CS_DEBIASED"] > FLAG_THRESHOLD)
    row["ELLIPTICAL"] = int(row["P_EL_DEBIASED"] > FLAG_THRESHOLD)
    row["UNCERTAIN"] = 1 - row["SPIRAL"] - row["ELLIPTICAL"]
    return row


def debias(elliptical: float, spiral: float, bias: float) -> tuple[float, float]:
    """Debiases votes for features that are hidden by distance (after Bamford et al. 2009).

    Args:
        elliptical: Vote fraction of elliptical.
        spiral: Vote fraction of any spiral.
        bias: Decimal logarithm of the factor by which distance increases the ratio of the two.

    Returns:
        The debiased vote fractions; their sum does not change.
    """
    total = elliptical + spiral
    corrected = elliptical * 10**-bias
    if corrected + spiral == 0:
        return 0.0, 0.0
    return total * corrected / (corrected + spiral), total * spiral / (corrected + spiral)


def _mix(smooth: NDArray[np.float64], featured: list[float], weight: float) -> NDArray[np.float64]:
    """Mixes the answers of volunteers who see features (share ``weight``) or a smooth galaxy (the others)."""
    share = float(np.clip(weight, 0.0, 1.0))
    return (1 - share) * smooth + share * np.asarray(featured)


def _spiral(galaxy: Galaxy, seen: float, smooth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the answers for a spiral: the winding if it is recognised, otherwise "other spiral"."""
    arms = seen * np.clip(1.6 * galaxy.contrast, 0.0, 1.0)
    recognised = arms * np.clip((galaxy.axis_ratio - 0.35) / 0.4, 0.1, 1.0)
    right, wrong = 0.95 * recognised, 0.05 * recognised
    clockwise, anticlockwise = (right, wrong) if galaxy.winding > 0 else (wrong, right)
    featured = [0.03, 0.92 * clockwise, 0.92 * anticlockwise, 0.92 * (1 - recognised), 0.04, 0.01]
    return _mix(smooth, featured, 0.25 + 0.75 * arms)


def _number_of_voters(rng: np.random.Generator) -> int:
    """Draws the number of votes: about 30, or about 55 for a third of the galaxies, as in Galaxy Zoo 1."""
    mean, spread = (30.0, 5.5) if rng.random() < 0.66 else (55.0, 9.0)
    return int(np.clip(round(rng.normal(mean, spread)), 13, 82))


def _bias(galaxy: Galaxy, rng: np.random.Generator) -> float:
    """Draws the decimal logarithm of the bias: larger for small galaxies, and 0 for about a tenth of all."""
    expected = 0.45 - 0.35 * np.log(galaxy.half_light_radius / 3.2)
    return float(np.clip(rng.normal(expected, 0.18), 0.0, 1.06))
