"""Properties of a trainer that determine how long a fit lasts."""

import math
from collections.abc import Sequence

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer

from data_prep.common.errors import GalaxyError


def total_steps(trainer: Trainer, schedule: str, checkpoint_steps: Sequence[int | None]) -> int:
    """Returns the total number of steps of a fit.

    Args:
        trainer: The trainer of the fit.
        schedule: The learning-rate schedule.
        checkpoint_steps: Total steps of the schedules in the checkpoint of a resumed fit.

    Raises:
        GalaxyError: The fit has no end, or the resumed fit has another total number of steps.
    """
    steps = trainer.estimated_stepping_batches
    if math.isinf(steps):
        raise GalaxyError(
            f"model.schedule {schedule} needs the length of the fit: set --trainer.max_epochs or "
            "--trainer.max_steps"
        )
    if checkpoint_steps and list(checkpoint_steps) != [steps]:
        raise GalaxyError(
            f"the learning-rate schedule of the checkpoint has {checkpoint_steps[0]:,} steps, but this fit "
            f"has {steps:,}: resume with the same trainer.max_epochs, or start a new fit without --ckpt_path"
        )
    return int(steps)


def will_train_another_epoch(trainer: Trainer) -> bool:
    """Returns whether a fit, unless interrupted, will train and validate another epoch after this one."""
    stoppers = [
        callback
        for callback in trainer.callbacks  # type: ignore[attr-defined]
        if isinstance(callback, EarlyStopping | Timer)
    ]
    if stoppers or trainer.max_steps != -1 or trainer.check_val_every_n_epoch != 1:
        return False
    return trainer.current_epoch + 1 < (trainer.max_epochs or 0)
