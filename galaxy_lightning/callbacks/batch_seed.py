"""Seeds torch before every training batch, so that a resumed fit draws the same random numbers."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from galaxy_lightning.runtime.seeding import Stream, seed_for


class BatchSeed(Callback):
    """Seeds torch before every training batch, for dropout and other random operations.

    Args:
        seed: The seed of the fit.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seeds torch for this epoch, batch and process."""
        position = (trainer.current_epoch, batch_idx, trainer.global_rank)
        torch.manual_seed(seed_for(Stream.MODEL, self.seed, *position))
