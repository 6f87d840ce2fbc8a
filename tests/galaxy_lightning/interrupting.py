"""Callbacks that end commands at chosen moments; a command line can name them."""

import os
import signal
import time
from pathlib import Path

from lightning.pytorch import Callback


class Slow(Callback):
    """Writes each rank's process id once it is running, and slows down every batch.

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

    on_train_batch_start = on_validation_batch_start = on_test_batch_start = on_predict_batch_start = _wait


class AskToEnd(Callback):
    """Sends a signal to a rank of a fit.

    Args:
        rank: Which one.
        step: Before which step, counted from the fit's beginning.
        number: The signal.
    """

    def __init__(self, rank: int, step: int, number: int = int(signal.SIGTERM)) -> None:
        self.rank = rank
        self.step = step
        self.number = number

    def on_train_batch_start(self, trainer, *others):
        if (trainer.global_rank, trainer.global_step) == (self.rank, self.step):
            os.kill(os.getpid(), self.number)
