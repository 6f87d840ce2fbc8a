"""Logs a run for TensorBoard, and raises write errors immediately."""

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
from galaxy_lightning.evaluation.measures import CLASS_METRICS
from galaxy_lightning.runtime.noise import without_tensorflow

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


MAX_CLASSES_IN_GROUP: Final = 12
"""Maximum number of classes whose metrics are in the same group as the overall ones."""

_SPLIT: Final = re.compile(f"^({'|'.join(SPLITS)})_")
_BY_CLASS: Final = re.compile(f"^({'|'.join(SPLITS)})_(?=(?:{'|'.join(CLASS_METRICS)})_)")


class RunLogger(TensorBoardLogger):
    """Logs a fit to its run folder.

    TensorBoard writes in its own thread. Lightning calls ``save`` after each log, which waits for this thread
    and raises its write errors.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self._started = False

    @property
    def experiment(self) -> "SummaryWriter":
        """The writer of the events."""
        with (
            contextlib.nullcontext() if self._started else without_tensorflow(),
            self._explain_write_errors(),
        ):
            writer: SummaryWriter = super().experiment
        self._started = True
        return writer

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs metrics; ``val_loss`` becomes ``val/loss``, so that TensorBoard groups metrics by split.

        If there are many classes, ``val_recall_<class>`` becomes ``val_by_class/recall_<class>``.
        """
        with self._explain_write_errors():
            super().log_metrics({self._tag(name): value for name, value in metrics.items()}, step)

    @rank_zero_only
    def save(self) -> None:
        """Waits until all events are written; writes the hyperparameters if their file is missing."""
        path = Path(self.log_dir) / self.NAME_HPARAMS_FILE
        if not path.exists():
            with new_file(path) as partial:
                save_hparams_to_yaml(partial, self.hparams)
        with self._explain_write_errors():
            super().save()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Closes the log; a fit that has failed already reports its error, so write errors are ignored."""
        with contextlib.suppress(*[GalaxyError] if status == "failed" else []), self._explain_write_errors():
            super().finalize(status)

    def _tag(self, name: str) -> str:
        """Returns the tag of a metric, which begins with its group."""
        if len(self.hparams.get("classes") or ()) > MAX_CLASSES_IN_GROUP:
            name, substitutions = _BY_CLASS.subn(r"\1_by_class/", name)
            if substitutions:
                return name
        return _SPLIT.sub(r"\1/", name)

    @contextlib.contextmanager
    def _explain_write_errors(self) -> Iterator[None]:
        """Turns write errors of TensorBoard's thread into a ``GalaxyError``."""
        folder = Path(self.log_dir)
        with explain_write_errors(folder / "events.out.tfevents.*", folder):
            try:
                yield
            except ValueError as error:  # Lightning raises it for any error in logging a value.
                if isinstance(error.__cause__, OSError):
                    raise error.__cause__ from None
                raise
