"""Saves the checkpoints of a fit, ``best.ckpt`` and ``last.ckpt``, and says how to resume from them."""

import os
import shlex
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from galaxy_lightning.program import PROGRAM
from galaxy_lightning.runs.names import BEST_CHECKPOINT, CONFIG, LAST_CHECKPOINT
from galaxy_lightning.training.checkpoint_writer import AtomicCheckpointIO


class RunCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt`` and ``last.ckpt`` in the run folder itself.

    Args:
        newest: Take the newest weights as the best, independently of the validation galaxies, as suits a
            schedule that ends at a learning rate of zero. Otherwise the best weights are those with the
            lowest validation loss.
    """

    def __init__(self, *, newest: bool = False) -> None:
        super().__init__(
            filename=Path(BEST_CHECKPOINT).stem,
            monitor=None if newest else "val_loss",
            mode="min",
            save_on_train_epoch_end=newest or None,  # Also after an epoch without validation.
            enable_version_counter=False,
        )
        self._saved = False

    @property
    def state_key(self) -> str:
        """Key of this callback's state in a checkpoint; older versions named the loss ``val/loss``."""
        return super().state_key.replace("val_loss", "val/loss")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Sets the run folder, and makes the trainer write checkpoints atomically."""
        self.dirpath = trainer.log_dir
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # The user has not chosen another one.
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        super().setup(trainer, pl_module, stage)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves ``last.ckpt`` after every epoch; Lightning saves it only after the best epoch so far."""
        super().on_train_epoch_end(trainer, pl_module)
        self.save_newest(trainer)

    def save_newest(self, trainer: Trainer) -> None:
        """Saves ``last.ckpt``."""
        assert self.dirpath is not None
        self.last_model_path = str(Path(self.dirpath) / LAST_CHECKPOINT)
        trainer.save_checkpoint(self.last_model_path)
        self._saved = True

    def resume_advice(self, trainer: Trainer) -> str:
        """Returns how to resume the interrupted fit, depending on which checkpoints are on disk."""
        folder = Path(self.dirpath or "")
        last, best = folder / LAST_CHECKPOINT, folder / BEST_CHECKPOINT
        initial = Path(trainer.ckpt_path) if trainer.ckpt_path else None
        if not self._saved and initial is not None and initial.is_file():
            return f"Nothing has been saved since {initial}: run the same command again to resume from it"
        # Only `best` exists if the fit ended right after the validation of the first epoch.
        checkpoint = next((path for path in (last, best) if path.is_file()), None)
        if checkpoint is None:
            return "Nothing to resume, since no epoch was finished: run the same command again"
        config = _changed_config(folder)
        options = [] if config is None else ["--config", str(config)]
        return f"To resume: {PROGRAM} fit {shlex.join([*options, '--ckpt_path', str(checkpoint)])}"

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the best score, even if the run folder has been moved.

        Without ``best.ckpt``, as when only ``last.ckpt`` was copied, there is no best score yet.
        """
        folder = str(self.dirpath)
        if not Path(folder, BEST_CHECKPOINT).is_file():
            return

        def relocate(path: str) -> str:
            return os.path.join(folder, os.path.basename(path)) if path else path  # noqa: PTH118, PTH119

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        best = {relocate(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(
            state_dict
            | {"dirpath": self.dirpath, "best_k_models": best}
            | {name: relocate(state_dict[name]) for name in paths}
        )


def count_resumed_configs(folder: Path) -> int:
    """Returns the number of resumed fits that have saved their config in a run folder."""
    return len(list(folder.glob("config_resumed_*.yaml")))


def resumed_config(folder: Path, number: int) -> Path:
    """Returns the path of the config of a resumed fit; the first has number 1."""
    return folder / f"config_resumed_{number}.yaml"


def newest_config(folder: Path) -> Path:
    """Returns the path of the config of the last resumed fit, or else that of the run."""
    resumed = count_resumed_configs(folder)
    return resumed_config(folder, resumed) if resumed else folder / CONFIG


def _changed_config(folder: Path) -> Path | None:
    """Returns the config of the last resumed fit, or None if it is the same as the run's own."""
    last, first = newest_config(folder), folder / CONFIG
    changed = last.is_file() and first.is_file() and last.read_bytes() != first.read_bytes()
    return last if changed else None
