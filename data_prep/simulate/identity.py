"""Random numbers and object ids of simulated galaxies: they depend on a galaxy's seed and index alone.

Surveys have seeds of 0 and above. Those below 0 are reserved for pre-training, so that a network that was
pre-trained on simulated galaxies has seen none of any survey.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from data_prep.simulate.galaxies import Galaxy, draw_galaxy

PRETRAINING_SEED: Final = -1
"""Seed of the galaxies that the shipped weights have seen; ``data_prep simulate`` takes no such seed."""

LARGEST_SEED: Final = 2**32 - 1
"""Of a larger seed, a galaxy's random numbers could be those of a galaxy of another seed."""

_FIRST_RERUN: Final = 40
_RERUNS: Final = 3
_FIRST_RUN: Final = 745
_RUNS: Final = 7417
_COLUMNS: Final = 6
_FIRST_FIELD: Final = 11
_FIELDS: Final = 789
_NUMBERS: Final = 499
_IDS: Final = _RERUNS * _RUNS * _COLUMNS * _FIELDS * _NUMBERS
"""How many object ids there are, within the ranges of SDSS's DR7."""
_STRIDE: Final = 32_485_585_057
"""Step from one index to the next: about ``_IDS`` over the golden ratio; coprime to ``_IDS``, so that no id
comes twice."""
assert math.gcd(_STRIDE, _IDS) == 1

_SOURCES: Final = 4
"""Sources of random numbers of each galaxy: its parameters, and ``Generators``."""


class Generators(NamedTuple):
    """A galaxy's sources of random numbers.

    Attributes:
        votes: Of its votes.
        picture: Of its picture.
        position: Of its position on the sky.
    """

    votes: np.random.Generator
    picture: np.random.Generator
    position: np.random.Generator


def draw_numbered_galaxy(seed: int, index: int) -> tuple[Galaxy, Generators]:
    """Draws one galaxy of a survey.

    Args:
        seed: Seed of the survey; negative ones are reserved for pre-training.
        index: Number of the galaxy in it, from 0.

    Returns:
        The galaxy, and its sources of further random numbers.
    """
    drawn, *others = np.random.default_rng(_words(seed, index)).spawn(_SOURCES)
    return draw_galaxy(drawn), Generators(*others)


def object_ids(seed: int, count: int) -> npt.NDArray[np.int64]:
    """Returns the object ids of a survey's galaxies, as SDSS's DR7 numbers its own.

    Bits from the highest: sky version (1), rerun, run, camera column, field and number within the field
    (https://classic.sdss.org/dr7/en/help/docs/algorithm.php?key=objID).

    Args:
        seed: Seed of the survey; negative ones are reserved for pre-training.
        count: How many galaxies.

    Returns:
        ``[count]`` different ids, by the galaxies' index. That two seeds share any is as unlikely as
        ``2 * count`` in 50 billion.
    """
    source = np.random.SeedSequence(_words(seed, 0), spawn_key=(_SOURCES,))
    first = int(source.generate_state(1, np.uint64)[0])
    # Python's integers: the products exceed 64 bits.
    ids = [_object_id((first + index * _STRIDE) % _IDS) for index in range(count)]
    return np.array(ids, dtype=np.int64)


def _words(seed: int, index: int) -> list[int]:
    """Returns what a galaxy's random numbers are drawn from.

    NumPy takes missing words for 0, so pre-training has the third word 0, and surveys have 1.
    """
    return [-1 - seed, index] if seed < 0 else [seed, index, 1]


def _object_id(place: int) -> int:
    """Returns one of the ``_IDS`` object ids."""
    place, number = divmod(place, _NUMBERS)
    place, field = divmod(place, _FIELDS)
    place, column = divmod(place, _COLUMNS)
    rerun, run = divmod(place, _RUNS)
    return (
        (1 << 59)
        + ((_FIRST_RERUN + rerun) << 48)
        + ((_FIRST_RUN + run) << 32)
        + ((1 + column) << 29)
        + ((_FIRST_FIELD + field) << 16)
        + 1
        + number
    )
