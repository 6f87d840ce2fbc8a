"""Random numbers that depend on the place in a fit alone, so that a resumed fit draws the same ones."""

from enum import IntEnum
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer


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


class BatchSeed(Callback):
    """Seeds torch anew for every training batch, for dropout and whatever else draws.

    Args:
        seed: The one seed of the fit.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seeds torch for this epoch, batch and process."""
        place = (trainer.current_epoch, batch_idx, trainer.global_rank)
        torch.manual_seed(seed_for(Stream.MODEL, self.seed, *place))
