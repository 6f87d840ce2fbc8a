"""Random numbers and object ids of simulated galaxies, which depend only on the survey's seed and the index.

Surveys have seeds of 0 and above. Negative seeds are reserved for pre-training, so that a network that was
pre-trained on simulated galaxies has not seen a galaxy of any survey.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.simulate.galaxies import Galaxy, draw_galaxy

PRETRAINING_SEED: Final = -1
"""Seed of the galaxies that the shipped weights were trained on, which ``data_prep simulate`` refuses."""

MAX_SEED: Final = 2**32 - 1
"""Maximum seed: with a larger one, a galaxy could have the random numbers of a galaxy of another seed."""

_FIRST_RERUN: Final = 40
_RERUNS: Final = 3
_FIRST_RUN: Final = 745
_RUNS: Final = 7417
_COLUMNS: Final = 6
_FIRST_FIELD: Final = 11
_FIELDS: Final = 789
_NUMBERS: Final = 499
_IDS: Final = _RERUNS * _RUNS * _COLUMNS * _FIELDS * _NUMBERS
"""The number of object ids within the ranges of SDSS DR7."""
_STRIDE: Final = 32_485_585_057
"""Step between the ids of consecutive indices: about ``_IDS`` over the golden ratio. It is coprime to
``_IDS``, so that all ids differ."""
assert math.gcd(_STRIDE, _IDS) == 1

_STREAMS: Final = 4
"""Number of random streams of each galaxy: its parameters and the three of ``Generators``."""


class Generators(NamedTuple):
    """The random number generators of a galaxy.

    Attributes:
        votes: The generator of its votes.
        image: The generator of its image.
        position: The generator of its position on the sky.
    """

    votes: np.random.Generator
    image: np.random.Generator
    position: np.random.Generator


def draw_numbered_galaxy(seed: int, index: int) -> tuple[Galaxy, Generators]:
    """Draws a galaxy of a survey.

    Args:
        seed: The seed of the survey; negative seeds are reserved for pre-training.
        index: The index of the galaxy in the survey, from 0.

    Returns:
        The galaxy, and its further random number generators.
    """
    parameters, *others = np.random.default_rng(_seed_words(seed, index)).spawn(_STREAMS)
    return draw_galaxy(parameters), Generators(*others)


def object_ids(seed: int, count: int) -> npt.NDArray[np.int64]:
    """Returns the object ids of a survey's galaxies, in the format of SDSS DR7.

    The bits are, from the highest: sky version (1), rerun, run, camera column, field and number within the
    field (https://classic.sdss.org/dr7/en/help/docs/algorithm.php?key=objID).

    Args:
        seed: The seed of the survey; negative seeds are reserved for pre-training.
        count: The number of galaxies.

    Returns:
        ``[count]`` distinct ids, by the galaxies' index. Two seeds share an id with a probability of about
        ``2 * count`` in 50 billion.
    """
    source = np.random.SeedSequence(_seed_words(seed, 0), spawn_key=(_STREAMS,))
    first = int(source.generate_state(1, np.uint64)[0])
    # Python integers, because the products exceed 64 bits.
    ids = [_object_id((first + index * _STRIDE) % _IDS) for index in range(count)]
    return np.array(ids, dtype=np.int64)


def _seed_words(seed: int, index: int) -> list[int]:
    """Returns the entropy words of a galaxy's random numbers.

    NumPy pads missing words with 0, so the third word is 0 for pre-training and 1 for surveys.
    """
    return [-1 - seed, index] if seed < 0 else [seed, index, 1]


def _object_id(number: int) -> int:
    """Returns the object id with a given number, from 0 to ``_IDS`` - 1."""
    rest, object_number = divmod(number, _NUMBERS)
    rest, field = divmod(rest, _FIELDS)
    rest, column = divmod(rest, _COLUMNS)
    rerun, run = divmod(rest, _RUNS)
    return (
        (1 << 59)
        + ((_FIRST_RERUN + rerun) << 48)
        + ((_FIRST_RUN + run) << 32)
        + ((1 + column) << 29)
        + ((_FIRST_FIELD + field) << 16)
        + 1
        + object_number
    )
