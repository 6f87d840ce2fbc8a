"""A callback for tests that end commands at a moment of their choice: each batch takes long."""

import os
import time
from pathlib import Path

from lightning.pytorch import Callback


class Slow(Callback):
    """Notes each rank's process id once it is at work, and waits in every batch.

    Args:
        folder: Where ``rank-<n>`` is written.
        seconds: How long a batch takes.
    """

    def __init__(self, folder: str, seconds: float = 0.5) -> None:
        self.folder = Path(folder)
        self.seconds = seconds

    def _wait(self, trainer, *others):
        if not trainer.sanity_checking:
            (self.folder / f"rank-{trainer.global_rank}").write_text(str(os.getpid()))
            time.sleep(self.seconds)

    on_train_batch_start = on_test_batch_start = on_predict_batch_start = _wait
    on_validation_batch_start = _wait
