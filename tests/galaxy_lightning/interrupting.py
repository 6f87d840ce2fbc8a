"""Callbacks that end commands at chosen moments; a command line can name them."""

import functools
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import torch
from lightning.pytorch import Callback

from data_prep.common import resumable_file
from data_prep.common.local_rank import local_rank
from galaxy_lightning.data.datamodule import GalaxyDataModule


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


class KillAfter(Callback):
    """Kills a rank of a prediction, whose progress is recorded after every batch.

    Args:
        rank: Which one.
        batch: After which batch.
    """

    def __init__(self, rank: int, batch: int) -> None:
        self.rank, self.batch = rank, batch
        resumable_file.SAVE_SECONDS = 0.0

    def on_predict_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if (trainer.global_rank, batch_idx) == (self.rank, self.batch):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)


class Late(Callback):
    """Delays a rank of a prediction beyond the time limit of PyTorch for collective operations.

    Args:
        rank: Which one.
        limit: The time limit in seconds, from the start of the prediction.
        seconds: How long the rank waits before its first batch.
        killed: Whether it is killed then.
    """

    def __init__(self, rank: int, limit: float, seconds: float, killed: bool = False) -> None:
        self.rank, self.limit, self.seconds, self.killed = rank, limit, seconds, killed

    def on_predict_start(self, trainer, pl_module):
        older = torch.distributed.distributed_c10d._set_pg_timeout  # Before PyTorch 2.15.
        getattr(torch.distributed, "set_timeout", older)(timedelta(seconds=self.limit))

    def on_predict_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        if (trainer.global_rank, batch_idx) == (self.rank, 0):
            time.sleep(self.seconds)
            if self.killed:
                os.kill(os.getpid(), signal.SIGKILL)


class SeeOtherImages(Callback):
    """Lets a rank find other images.

    Args:
        rank: Which one.
        folder: The folder that it takes for that of the command.
    """

    def __init__(self, rank: int, folder: str) -> None:
        find = GalaxyDataModule.image_folder.func

        def find_others(data):
            data.images_folder = Path(folder)
            return find(data)

        if local_rank() == rank:
            others = functools.cached_property(find_others)
            others.__set_name__(GalaxyDataModule, "image_folder")
            GalaxyDataModule.image_folder = others
