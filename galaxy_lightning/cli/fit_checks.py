"""Checks that a fit can be trained and evaluated, before anything is written."""

from collections.abc import Mapping
from typing import Any

from data_prep.schema import SPLITS
from galaxy_lightning.cli.trainer_checks import check_callbacks
from galaxy_lightning.cli.trainer_parts import configured_callbacks
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.training.checkpoints import CheckpointInfo, read_trained_on
from galaxy_lightning.training.module import GalaxyClassifier


def check_fit(
    model: GalaxyClassifier,
    data: GalaxyDataModule,
    settings: Mapping[str, Any],
    resumed: CheckpointInfo | None,
    processes: int,
) -> None:
    """Refuses a fit that could not be trained or evaluated.

    Args:
        model: The model.
        data: The data module; it is told which galaxies the initial weights were trained on.
        settings: The trainer's settings.
        resumed: The checkpoint to resume from, if any.
        processes: Number of processes of the fit.

    Raises:
        GalaxyError: A setting is invalid, galaxies are missing, or held-out galaxies were seen in training.
    """
    check_callbacks(configured_callbacks(settings), [*model.train_metrics.names, *model.val_metrics.names])
    if resumed:
        resumed.require_same_settings(dict(model.hparams), data.settings, processes)
        data.pretrained_on = resumed.trained_on
    elif model.pretrained:
        data.pretrained_on = read_trained_on(str(model.pretrained["weights"]), model.pretrained["backbone"])
    for split in ("train",) if data.arrays.for_final_model else SPLITS:
        data.arrays.require_rows(split)
    data.check_can_train()
    model.make_optimizer()
