"""How long a fit goes on: what a schedule of the learning rate and a validation need to know of it."""

import math
from collections.abc import Sequence

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, Timer

from data_prep.common.errors import GalaxyError


def all_steps(trainer: Trainer, schedule: str, made_for: Sequence[int | None]) -> int:
    """Returns how many steps the whole fit has.

    Args:
        trainer: The trainer of the fit.
        schedule: The learning rate's schedule.
        made_for: The steps that the schedule in the checkpoint of a resumed fit was made for, if any.

    Raises:
        GalaxyError: The fit has no end, or a resumed one another number of steps.
    """
    steps = trainer.estimated_stepping_batches
    if math.isinf(steps):
        raise GalaxyError(
            f"model.schedule {schedule} needs an end: set --trainer.max_epochs or --trainer.max_steps"
        )
    if made_for and list(made_for) != [steps]:
        raise GalaxyError(
            f"the learning rate's schedule was made for {made_for[0]:,} steps, and this fit has {steps:,}: "
            "go on with the same trainer.max_epochs, or begin a new fit without --ckpt_path"
        )
    return int(steps)


def is_sure_to_go_on(trainer: Trainer) -> bool:
    """Says whether a fit is sure to train, and validate, another epoch after this one, unless interrupted."""
    enders = [each for each in trainer.callbacks if isinstance(each, EarlyStopping | Timer)]  # type: ignore[attr-defined]
    sure = trainer.max_steps == -1 and not enders and trainer.check_val_every_n_epoch == 1
    return sure and trainer.current_epoch + 1 < (trainer.max_epochs or 0)
