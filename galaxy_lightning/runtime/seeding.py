"""Seeds that depend only on the position in a fit, so that a resumed fit draws the same random numbers."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Purposes of random numbers. The streams of a seed are independent of each other."""

    SHUFFLING = 1
    AUGMENTATION = 2
    MODEL = 3
    """Dropout, mixup, and all other uses of torch's global generator."""


def seed_for(stream: Stream, seed: int, *position: int) -> int:
    """Returns the 63-bit seed of a stream of random numbers at a position in a fit.

    NumPy's ``SeedSequence`` (O'Neill 2015) mixes the arguments.

    Args:
        stream: The purpose of the random numbers.
        seed: The seed of the fit.
        position: The position in the fit, such as epoch, batch and rank; not negative.
    """
    state = np.random.SeedSequence((stream, seed, *position)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
