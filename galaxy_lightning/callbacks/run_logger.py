"""Logs a run for TensorBoard, and raises write errors immediately."""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.core.saving import save_hparams_to_yaml
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors, new_file
from galaxy_lightning.event_log.writer import restart_event
from galaxy_lightning.runtime.noise import without_tensorflow

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch.utils.tensorboard import SummaryWriter


class RunLogger(TensorBoardLogger):
    """Logs a fit to its run folder.

    TensorBoard writes in its own thread. Lightning calls ``save`` after each log, which waits for this thread
    and raises its write errors.

    Args:
        folder: The run folder.
        left_out: Names of metrics to ignore, because a callback logs them by epoch. Lightning's curve of the
            epoch is always ignored.
    """

    def __init__(self, folder: Path, left_out: Collection[str] = ()) -> None:
        super().__init__(folder, name="", version="", default_hp_metric=False)
        self._left_out = frozenset(left_out) | {"epoch"}
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
        """Logs the metrics that are not left out, such as those of the user's callbacks."""
        others = {name: value for name, value in metrics.items() if name not in self._left_out}
        if others:
            with self._explain_write_errors():
                super().log_metrics(others, step)

    def add_summary(self, summary: "Summary", step: int) -> None:
        """Logs a summary of an epoch, on the first rank."""
        writer: Any = self.experiment.file_writer
        with self._explain_write_errors():
            writer.add_summary(summary, step)

    def restart(self, epoch: int) -> None:
        """Makes TensorBoard drop what earlier processes have logged from an epoch on."""
        writer: Any = self.experiment.file_writer
        with self._explain_write_errors():
            writer.add_event(restart_event(epoch), epoch)

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
