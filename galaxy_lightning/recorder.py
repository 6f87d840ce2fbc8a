"""Leaves a fit's record in its run folder while it trains."""

import math
import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.trainer.states import TrainerFn

from data_prep.errors import GalaxyError, Terminated
from data_prep.files import new_file
from galaxy_lightning.batches import GalaxyBatch
from galaxy_lightning.checkpoints import WholeCheckpoints
from galaxy_lightning.cli import PROGRAM
from galaxy_lightning.memory import PeakMemory
from galaxy_lightning.run_folder import HISTORY, RUN, read_history, write_history
from galaxy_lightning.saved_config import CONFIG
from galaxy_lightning.training_settings import training_settings


class RunCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt`` and ``last.ckpt`` in the run folder itself.

    Args:
        newest: Take the newest weights for the best: a schedule that ends at a rate of nothing makes them
            so, and the validation galaxies have no say in it. Without it, the best are those of the
            lowest validation loss.
    """

    def __init__(self, *, newest: bool = False) -> None:
        super().__init__(
            filename="best",
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
            trainer.strategy.checkpoint_io = WholeCheckpoints()
        super().setup(trainer, pl_module, stage)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves ``last.ckpt`` after every epoch; Lightning does after one that is the best so far."""
        super().on_train_epoch_end(trainer, pl_module)
        self.save_newest(trainer)

    def save_newest(self, trainer: Trainer) -> None:
        """Saves ``last.ckpt``."""
        assert self.dirpath is not None
        self.last_model_path = str(Path(self.dirpath) / "last.ckpt")
        trainer.save_checkpoint(self.last_model_path)
        self._saved = True

    def how_to_resume(self, trainer: Trainer) -> str:
        """Says how to resume a fit that ends here, by what is on the disk."""
        folder = Path(self.dirpath or "")
        last, best = folder / "last.ckpt", folder / "best.ckpt"
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
        if not Path(folder, "best.ckpt").is_file():
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


class HistoryRecorder(Callback):
    """Writes ``history.csv`` after every epoch; a resumed fit continues it.

    A run stays complete until the fit that resumes it saves something: ``run.json`` goes before that.

    Args:
        trainer_settings: The trainer's settings as the user gave them.

    Attributes:
        epochs: The rows so far.
        images: Training images seen by this process, since it began.
        train_seconds: Time spent on them.
        memory: The peak of this process's memory while it trains.
    """

    def __init__(self, trainer_settings: Mapping[str, Any] | None = None) -> None:
        self.memory = PeakMemory()
        self._given = trainer_settings or {}
        self._folder: Path | None = None
        self._trainings: list[dict[str, Any]] = []
        self.epochs: list[dict[str, float]] = []
        self.images = 0
        self.train_seconds = 0.0
        self._epoch_began = self._validation_began = self._validation_seconds = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reads the epochs that a resumed fit has behind it."""
        self.memory.start()
        folder = trainer.log_dir  # All processes ask for it together, or they wait for each other forever.
        if folder is None:
            return
        self._folder = Path(folder)
        self.epochs = read_history(self._folder)
        if trainer.is_global_zero and not (self._folder / HISTORY).exists():
            # It makes the folder a run's, also before its first epoch ends.
            write_history(self._folder, self.epochs)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps those before the checkpoint, which is loaded by now, and starts the clock."""
        settings = training_settings(trainer, pl_module, self._given)
        if not self._trainings or self._trainings[-1]["settings"] != settings:
            self._trainings.append({"from_epoch": trainer.current_epoch, "settings": settings})
        self.epochs = [row for row in self.epochs if row["epoch"] < trainer.current_epoch]
        self._epoch_began = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock of an epoch."""
        self._epoch_began, self._validation_seconds = time.perf_counter(), 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: GalaxyBatch, batch_idx: int
    ) -> None:
        """Counts the images."""
        self.images += len(batch.rows)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock of the validation."""
        self._validation_began = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the validation's time apart."""
        self._validation_seconds += time.perf_counter() - self._validation_began

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds the epoch; what was not validated in it stays empty."""
        seconds = time.perf_counter() - self._epoch_began
        train_seconds = seconds - self._validation_seconds
        self.train_seconds += train_seconds
        row: dict[str, float] = {"epoch": trainer.current_epoch}
        for split, measured in (("train", True), ("val", self._validation_seconds > 0)):
            for name in ("loss", "accuracy"):
                value = trainer.callback_metrics.get(f"{split}_{name}") if measured else None
                row[f"{split}_{name}"] = float("nan") if value is None else round(float(value), 6)
        self.epochs.append(row | {"seconds": round(seconds, 3), "train_seconds": round(train_seconds, 3)})
        self._reopen(trainer)
        if trainer.is_global_zero and self._folder is not None:
            write_history(self._folder, self.epochs)
        # A fit that goes on from within an epoch's end has no loss to tell.
        if "train_loss" in trainer.callback_metrics and not math.isfinite(row["train_loss"]):
            raise GalaxyError(
                f"the training loss is {row['train_loss']} after epoch {trainer.current_epoch}: the fit has "
                "diverged; begin again with a lower --model.learning_rate"
            )

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Makes the run incomplete before a newer checkpoint is in it."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._reopen(trainer)

    def state_dict(self) -> dict[str, Any]:
        """Returns the settings that the epochs so far were trained with."""
        return {"trainings": self._trainings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over the settings that the epochs of a resumed fit were trained with."""
        self._trainings = list(state_dict.get("trainings", []))

    def training(self) -> dict[str, Any]:
        """Returns what ``run.json`` says of the training.

        The settings; ``resumed_from``, which epochs were trained with other settings, if that is known; and
        ``epochs_trained``.
        """
        about: dict[str, Any] = {"epochs_trained": len(self.epochs)}
        if not self._trainings:
            return about
        *earlier, last = self._trainings
        # Checkpoints of older versions do not know.
        known = {"resumed_from": earlier} if self._trainings[0]["from_epoch"] == 0 else {}
        return {**last["settings"], **known, **about}

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the watch over the memory."""
        self.memory.stop()

    def _reopen(self, trainer: Trainer) -> None:
        """Removes ``run.json``: what it says is about to be no longer so."""
        if trainer.is_global_zero and self._folder is not None:
            (self._folder / RUN).unlink(missing_ok=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Says how a fit goes on that was interrupted, or found no room for what it writes."""
        self.memory.stop()
        refused = isinstance(exception.__cause__, OSError)
        interrupted = isinstance(exception, KeyboardInterrupt | Terminated)
        if not (trainer.is_global_zero and (refused or interrupted)):
            return
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, RunCheckpoint) and callback.dirpath:
                print(f"\n{callback.how_to_resume(trainer)}")


class RunConfig(SaveConfigCallback):
    """Saves what made a run, so that every other command can read it back."""

    _resumes = False

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Has the config of a fit that leaves a run saved."""
        if stage != "fit" or (folder := trainer.log_dir) is None:
            return
        self.folder = Path(folder)
        self._resumes = trainer.strategy.broadcast((self.folder / CONFIG).exists())
        if not self._resumes:
            super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Has the config of a resumed fit saved, once there is something left to train."""
        if self._resumes:
            super().setup(trainer, pl_module, "fit")

    def save_config(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Saves it; a resumed fit keeps the first one and adds its own."""
        config = Namespace(  # type: ignore[no-untyped-call]
            **{key: value for key, value in self.config.items() if is_shared(key)}
        )
        # Any command, from any folder, finds the arrays again.
        if config.data.arrays:
            config.data.arrays = str(Path(config.data.arrays).resolve())
        path = self.folder / CONFIG
        if path.exists():
            path = _resumed_config(self.folder, _resumes(self.folder) + 1)
        with new_file(path) as partial:
            self.parser.save(config, partial, skip_unset=False, multifile=False)


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


def is_shared(key: str) -> bool:
    """Says whether a setting means the same to every command, and so belongs into a run's config."""
    return key.partition(".")[0] in ("seed_everything", "trainer", "model", "data")
