"""The checkpoints of a fit, best.ckpt and last.ckpt in its run folder, and how to resume from them."""

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
        newest: Take the newest weights for the best: a schedule that ends at a rate of nothing makes them
            so, and the validation galaxies have no say in it. Without it, the best are those of the
            lowest validation loss.
    """

    def __init__(self, *, newest: bool = False) -> None:
        super().__init__(
            filename=Path(BEST_CHECKPOINT).stem,
            monitor=None if newest else "val_loss",
            mode="min",
            save_on_train_epoch_end=newest or None,  # Also of an epoch that is not validated.
            enable_version_counter=False,
        )
        self._saved = False

    @property
    def state_key(self) -> str:
        """What a checkpoint keeps its state under: as in older ones, which named the loss otherwise."""
        return super().state_key.replace("val_loss", "val/loss")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learns where the run folder is, and has checkpoints saved there as a whole."""
        self.dirpath = trainer.log_dir
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # The user has chosen no other.
            trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        super().setup(trainer, pl_module, stage)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves ``last.ckpt`` after every epoch; Lightning does after one that is the best so far."""
        super().on_train_epoch_end(trainer, pl_module)
        self.save_newest(trainer)

    def save_newest(self, trainer: Trainer) -> None:
        """Saves ``last.ckpt``."""
        assert self.dirpath is not None
        self.last_model_path = str(Path(self.dirpath) / LAST_CHECKPOINT)
        trainer.save_checkpoint(self.last_model_path)
        self._saved = True

    def how_to_resume(self, trainer: Trainer) -> str:
        """Says how to resume a fit that ends here, by what is on the disk."""
        folder = Path(self.dirpath or "")
        last, best = folder / LAST_CHECKPOINT, folder / BEST_CHECKPOINT
        begun_from = Path(trainer.ckpt_path) if trainer.ckpt_path else None
        if not self._saved and begun_from is not None and begun_from.is_file():
            return f"Nothing was saved since {begun_from}: run the same command again to resume from it"
        # `best` alone: the first epoch was validated, and the fit ended before it saved `last`.
        found = next((path for path in (last, best) if path.is_file()), None)
        if found is None:
            return "No epoch was finished, so there is nothing to resume: run the same command again"
        config = _latest_config(folder)
        words = [] if config is None else ["--config", str(config)]
        return f"Go on with: {PROGRAM} fit {shlex.join([*words, '--ckpt_path', str(found)])}"

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over the best score, also where the run folder has moved or its path is spelled otherwise.

        Where the best weights are not there, as when ``last.ckpt`` alone was copied, there is no best yet.
        """
        folder = str(self.dirpath)
        if not Path(folder, BEST_CHECKPOINT).is_file():
            return

        def moved(path: str) -> str:
            return os.path.join(folder, os.path.basename(path)) if path else path  # noqa: PTH118, PTH119

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        best = {moved(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(
            state_dict
            | {"dirpath": self.dirpath, "best_k_models": best}
            | {name: moved(state_dict[name]) for name in paths}
        )


def _resumes(folder: Path) -> int:
    """Returns how many resumed fits have saved their config in a run folder."""
    return len(list(folder.glob("config_resumed_*.yaml")))


def _resumed_config(folder: Path, number: int) -> Path:
    return folder / f"config_resumed_{number}.yaml"


def _latest_config(folder: Path) -> Path | None:
    """Returns the config of the latest resumed fit; None where it is the run's, which needs no naming."""
    latest = _resumed_config(folder, _resumes(folder))
    first = folder / CONFIG
    changed = latest.is_file() and first.is_file() and latest.read_bytes() != first.read_bytes()
    return latest if changed else None
