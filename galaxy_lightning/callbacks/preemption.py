"""What SIGTERM does to a running command: all its ranks end; a fit saves where it is first."""

import signal
import threading
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from data_prep.common.errors import Terminated
from galaxy_lightning.callbacks.checkpoint import RunCheckpoint
from galaxy_lightning.runtime.ranks import Ranks


class EndTogether(Callback):
    """Ends all ranks of a command together.

    Lightning's own handler of SIGTERM, which it installs as the work begins, waits for the other ranks: they
    never join it where only one was asked to end. So the one that was there before is put back.

    Args:
        ranks: The ranks.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._before: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Connects the ranks, and remembers who listens."""
        self._before = signal.getsignal(signal.SIGTERM)
        self._ranks.meet(trainer)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the handler back."""
        self._put_back()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the handler back."""
        self._put_back()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the handler back, unless a fit is validated: it listens itself, and finishes that first."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._put_back()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the handler back."""
        self._put_back()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Puts the handler back."""
        self._put_back()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Keeps this rank from being interrupted while it clears away."""
        self._ranks.leaving = True

    def _put_back(self) -> None:
        if self._before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before)


class Preemption(Callback):
    """Saves ``last.ckpt`` when the system asks a fit to end (SIGTERM), after the batch that it is at.

    In the midst of an epoch too: the checkpoint holds how many batches are done and what was counted on them.
    A validation is finished first. Ranks that train together save together.

    Args:
        ranks: The ranks.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._asked = False
        self._before: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handles SIGTERM instead of Lightning, which would end during a validation.

        Only a program's main thread can. Python's ``signal`` and Lightning's hooks are all that is used.
        """
        if threading.current_thread() is threading.main_thread():
            self._ranks.deferring = True
            self._before = signal.signal(signal.SIGTERM, self._ask)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves and ends, if that was asked for."""
        # The last batch's epoch is about to be validated and saved anyway.
        if not self._any_asked(trainer) or trainer.is_last_batch:
            return
        for checkpoint in trainer.checkpoint_callbacks:
            if isinstance(checkpoint, RunCheckpoint) and checkpoint.dirpath:
                checkpoint.save_newest(trainer)
        raise Terminated

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends between two epochs, whose checkpoint is saved."""
        if self._any_asked(trainer):
            raise Terminated

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the requests to whoever heard them before; what was asked in the last epoch is followed."""
        self._stop_listening()
        if self._any_asked(trainer):
            raise Terminated

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """The same."""
        self._stop_listening()

    def _ask(self, number: int, frame: object) -> None:
        if self._ranks.ending is not None:  # Another rank has ended: there is none to save with.
            raise Terminated
        self._asked = True

    def _any_asked(self, trainer: Trainer) -> bool:
        """Says whether any of the processes was asked to end."""
        if trainer.world_size == 1:
            return self._asked
        return trainer.strategy.reduce_boolean_decision(self._asked, all=False)

    def _stop_listening(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None
            self._ranks.deferring = False
