"""Chance that depends on where a fit is, not on how it got there: so a resumed fit repeats itself."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer


def seed_for(*parts: int) -> int:
    """Mixes non-negative numbers, such as seed, epoch and batch, into one 63-bit seed.

    Source of the mixing: NumPy's ``SeedSequence`` (O'Neill 2015).
    """
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


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
        torch.manual_seed(seed_for(self.seed, trainer.current_epoch, batch_idx, trainer.global_rank))
