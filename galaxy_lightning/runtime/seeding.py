"""Random numbers that depend on the place in a fit alone, so that a resumed fit draws the same ones."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are drawn for. Two streams of one seed have no numbers in common."""

    SHUFFLING = 1
    AUGMENTATION = 2
    MODEL = 3
    """Dropout, mixup, and whatever else draws from torch's global generator."""


def seed_for(stream: Stream, seed: int, *place: int) -> int:
    """Returns the 63-bit seed of a stream of random numbers at some place of a fit.

    Source of the mixing: NumPy's ``SeedSequence`` (O'Neill 2015).

    Args:
        stream: What the numbers are for.
        seed: The one seed of the fit.
        place: Where in the fit: epoch, batch and rank, say; none below 0.
    """
    words = np.random.SeedSequence((stream, seed, *place)).generate_state(1, np.uint64)
    return int(words[0] >> np.uint64(1))
