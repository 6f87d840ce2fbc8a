"""TensorBoard's log of a run, whose fit learns at once of what cannot be written."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors, new_file
from data_prep.schema import SPLITS
from galaxy_lightning.runtime.noise import without_tensorflow

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


_SPLIT: Final = re.compile(f"^({'|'.join(SPLITS)})_")


class RunLogger(TensorBoardLogger):
    """Logs a fit to its run folder.

    TensorBoard writes in a thread of its own. Lightning calls ``save`` after each log: it waits for that
    thread, and raises what the system has refused it.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self._begun = False

    @property
    def experiment(self) -> "SummaryWriter":
        """What writes the events."""
        with contextlib.nullcontext() if self._begun else without_tensorflow(), self._writing():
            writer: SummaryWriter = super().experiment
        self._begun = True
        return writer

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs numbers; TensorBoard groups ``val_loss`` and its like as ``val/loss``."""
        with self._writing():
            super().log_metrics({_SPLIT.sub(r"\1/", name): value for name, value in metrics.items()}, step)

    @rank_zero_only
    def save(self) -> None:
        """Waits until all is written, and writes the settings too, where that has not been done."""
        path = Path(self.log_dir) / self.NAME_HPARAMS_FILE
        if not path.exists():
            with new_file(path) as partial:
                save_hparams_to_yaml(partial, self.hparams)
        with self._writing():
            super().save()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Closes the log; after a failure, which is told already, whatever can be written of it."""
        with contextlib.suppress(*[GalaxyError] if status == "failed" else []), self._writing():
            super().finalize(status)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns what the system refuses TensorBoard's thread into an error for the user."""
        folder = Path(self.log_dir)
        with explain_write_errors(folder / "events.out.tfevents.*", folder):
            try:
                yield
            except ValueError as error:  # Lightning takes any failure for a value that cannot be logged.
                if isinstance(error.__cause__, OSError):
                    raise error.__cause__ from None
                raise
