"""TensorBoard's log of a run, whose fit learns at once of what cannot be written."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from data_prep.common.errors import GalaxyError
from data_prep.common.files import new_file
from data_prep.schema import SPLITS

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


_SPLIT: Final = re.compile(f"^({'|'.join(SPLITS)})_")


class RunLogger(TensorBoardLogger):
    """Logs a fit to its run folder.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)

    @property
    @rank_zero_experiment
    def experiment(self) -> "SummaryWriter":
        """What writes the events."""
        if self._experiment is None:
            from galaxy_lightning.callbacks.event_writer import RunSummary  # TensorBoard is long to import.

            self._experiment = RunSummary(self.log_dir)
        return self._experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs numbers; TensorBoard groups ``val_loss`` and its like as ``val/loss``."""
        metrics = {_SPLIT.sub(r"\1/", name): value for name, value in metrics.items()}
        try:
            super().log_metrics(metrics, step)
        except ValueError as error:  # Lightning takes any failure for a value that cannot be logged.
            if isinstance(error.__cause__, GalaxyError):
                raise error.__cause__ from error.__cause__.__cause__
            raise

    @rank_zero_only
    def save(self) -> None:
        """Writes the settings too, where that has not been done."""
        path = Path(self.log_dir) / self.NAME_HPARAMS_FILE
        if not path.exists():
            with new_file(path) as partial:
                save_hparams_to_yaml(partial, self.hparams)
        super().save()
