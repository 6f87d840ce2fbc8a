"""Ends a command after SIGTERM: all ranks end together, and a fit saves a checkpoint first."""

import signal
import threading
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from data_prep.common.errors import Terminated
from galaxy_lightning.callbacks.checkpoint import RunCheckpoint
from galaxy_lightning.runtime.ranks import Ranks


class SigtermRestorer(Callback):
    """Connects the ranks, and restores the SIGTERM handler that ends them together.

    Lightning installs its own handler when the work starts. That handler waits for the other ranks, and would
    wait forever if only one rank receives the signal.

    Args:
        ranks: The ranks.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._previous_handler: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Connects the ranks, and stores the present handler."""
        self._previous_handler = signal.getsignal(signal.SIGTERM)
        self._ranks.meet(trainer)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restores the handler."""
        self._restore_handler()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restores the handler."""
        self._restore_handler()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restores the handler, except in a fit, where ``Preemption`` handles SIGTERM."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._restore_handler()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restores the handler."""
        self._restore_handler()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restores the handler."""
        self._restore_handler()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Prevents an interruption of this rank while it cleans up."""
        self._ranks.leaving = True

    def _restore_handler(self) -> None:
        if self._previous_handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._previous_handler)


class Preemption(Callback):
    """Saves ``last.ckpt`` and ends the fit after the current batch if the system sends SIGTERM.

    This also works within an epoch: the checkpoint holds the number of finished batches and the state of the
    metrics. A validation is finished first. Ranks that train together save together.

    Args:
        ranks: The ranks.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._sigterm_received = False
        self._previous_handler: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handles SIGTERM instead of Lightning, which would end the fit during a validation.

        Only the main thread can install a handler. Lightning's private signal connector is not used.
        """
        if threading.current_thread() is threading.main_thread():
            self._ranks.deferring = True
            self._previous_handler = signal.signal(signal.SIGTERM, self._handle_sigterm)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves a checkpoint and ends the fit if SIGTERM was received."""
        # After the last batch, the epoch is validated and saved anyway.
        if not self._any_sigterm_received(trainer) or trainer.is_last_batch:
            return
        for checkpoint in trainer.checkpoint_callbacks:
            if isinstance(checkpoint, RunCheckpoint) and checkpoint.dirpath:
                checkpoint.save_newest(trainer)
        raise Terminated

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the fit between two epochs, where the checkpoint is already saved."""
        if self._any_sigterm_received(trainer):
            raise Terminated

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restores the previous handler, and ends the command if SIGTERM was received in the last epoch."""
        self._restore_handler()
        if self._any_sigterm_received(trainer):
            raise Terminated

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restores the previous handler."""
        self._restore_handler()

    def _handle_sigterm(self, number: int, frame: object) -> None:
        if self._ranks.ending is not None:  # Another rank has ended, so that saving together is impossible.
            raise Terminated
        self._sigterm_received = True

    def _any_sigterm_received(self, trainer: Trainer) -> bool:
        """Returns whether any rank has received SIGTERM."""
        if trainer.world_size == 1:
            return self._sigterm_received
        return trainer.strategy.reduce_boolean_decision(self._sigterm_received, all=False)

    def _restore_handler(self) -> None:
        if self._previous_handler is not None:
            signal.signal(signal.SIGTERM, self._previous_handler)
            self._previous_handler = None
            self._ranks.deferring = False
