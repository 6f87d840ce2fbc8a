"""Reads checkpoints, without running anything that a file may hold."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from galaxy_lightning.evaluation.calibration import Calibrations
from galaxy_lightning.networks import weights_file
from galaxy_lightning.networks.class_paths import is_class_path
from galaxy_lightning.networks.weight_files import load_safely
from galaxy_lightning.training.checkpoint_form import check_progress, object_ids, plain_hyperparameters
from galaxy_lightning.training.module import GalaxyClassifier

_NO_OBJIDS: Final = torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True)
class Trained:
    """What a checkpoint remembers, besides its weights.

    Attributes:
        path: The ``.ckpt`` file.
        hyperparameters: What the model was made with.
        data: The data's settings: SHA-256 of the arrays, batch size, augmentation, seed.
        train_objids: ``[N]`` the galaxies that it was trained on.
        val_objids: ``[N]`` the galaxies that it was validated and calibrated on; none of an older checkpoint.
        arrays_folder: Where the arrays were that it was trained on; not known of an older checkpoint.
        resumable: Whether a fit can go on from it: it holds the optimiser's state too.
        pretrained: The settings that say what it once started from, if from anything.
        processes: How many processes trained it; None where it does not say.
        within_epoch: Whether it was saved within an epoch.
    """

    path: Path
    hyperparameters: dict[str, Any]
    data: dict[str, Any]
    train_objids: npt.NDArray[np.int64]
    val_objids: npt.NDArray[np.int64]
    arrays_folder: str | None
    resumable: bool
    pretrained: dict[str, Any] | None
    processes: int | None = None
    within_epoch: bool = False

    def require_same_settings(self, hyperparameters: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        """Stops a fit that would go on from here with other settings, or without the optimiser's state.

        Raises:
            GalaxyError: They differ, or there is none.
        """
        if not self.resumable:
            raise GalaxyError(
                f"{self.path} holds weights without an optimiser's state, so no fit can go on from it: test "
                "or predict with it, or begin a new fit without --ckpt_path"
            )
        now, then = {**hyperparameters, **data}, {**self.hyperparameters, **self.data}
        differ = [name for name in now if name in then and then[name] != now[name]]
        if differ:
            both = ", ".join(
                "other arrays" if name == "arrays" else f"{name} {then[name]!r}, not {now[name]!r}"
                for name in differ
            )
            raise GalaxyError(
                f"{self.path} was made with {both}: go on with the same settings, or begin a new fit "
                "without --ckpt_path"
            )

    def require_same_processes(self, processes: int, *, scheduled: bool) -> None:
        """Stops a fit that would go on from here with another number of processes where that matters.

        Args:
            processes: How many processes the fit has.
            scheduled: Whether its learning rate follows a schedule, which is made for a number of steps.

        Raises:
            GalaxyError: The schedule, or the rest of the epoch, would be another one.
        """
        if self.processes in (None, processes) or not (self.within_epoch or scheduled):
            return
        cause = "was saved within an epoch" if self.within_epoch else "follows a learning-rate schedule made"
        raise GalaxyError(
            f"{self.path} {cause} by {self.processes} processes, and this fit has {processes}: resume it on "
            f"{self.processes} devices (--trainer.devices, --trainer.num_nodes), or begin a new fit without "
            "--ckpt_path"
        )

    def require_unseen(self, arrays: GalaxyArrays, split: str) -> None:
        """Stops a measurement on training galaxies, and a test on galaxies that the model was calibrated on.

        Raises:
            GalaxyError: There are some in that split.
        """
        measured = arrays.catalog["objid"].to_numpy()[arrays.rows(split)]
        uses = {"trained": self.train_objids} | ({"calibrated": self.val_objids} if split == "test" else {})
        for use, objids in uses.items():
            if seen := int(np.isin(measured, objids).sum()):
                raise GalaxyError(
                    f"{self.path} was {use} on {seen:,} of the {len(measured):,} {split} galaxies of "
                    f"{arrays.folder}, so a score on them would mean nothing. Measure it on the arrays it "
                    "was trained with, or train it again on these"
                )


def galaxies_seen(weights: str) -> npt.NDArray[np.int64]:
    """Returns ``[N]`` the galaxies that weights were trained on, as far as their file lists them.

    Args:
        weights: What a model has started from, as ``model.weights`` names it.

    Raises:
        GalaxyError: The file is damaged, or what it remembers is no list of galaxies.
    """
    file = weights_file(weights)
    if not file.is_file() or file.suffix == ".safetensors":
        return np.empty(0, dtype=np.int64)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        data = content.get("GalaxyDataModule") if isinstance(content, dict) else None
        # Another program's file says nothing of ours.
        return object_ids(data["train_objids"]) if data else np.empty(0, dtype=np.int64)
    except Exception as error:  # A damaged file fails in any way.
        raise GalaxyError(
            f"{weights} does not say which galaxies it was trained on, or is damaged ({_reason(error)}); "
            "nothing in it was run"
        ) from None


def is_calibrated(path: Path) -> bool:
    """Says whether the weights in a checkpoint of ours are calibrated."""
    return Calibrations.from_state(load_safely(path)).main.is_fitted


def read_checkpoint(path: Path, networks: Collection[str] = ()) -> Trained:
    """Reads what a checkpoint remembers, running nothing that the file holds.

    Args:
        path: A ``.ckpt`` file.
        networks: Class paths of networks that the user has named, and so may be imported.

    Raises:
        GalaxyError: It is no checkpoint of a galaxy classifier, or damaged.
    """
    try:
        content = load_safely(path)
        data = content["GalaxyDataModule"]
        if not isinstance(content["state_dict"], dict):
            raise TypeError("'state_dict' is none")
        check_progress(content)
        hyperparameters = plain_hyperparameters(content["hyper_parameters"])
        _require_named(path, hyperparameters, networks)
        settings, folder = dict(data["settings"]), data.get("arrays_folder")
        resumable = "optimizer_states" in content
        Calibrations.from_state(content)
        train, val = object_ids(data["train_objids"]), object_ids(data.get("val_objids", _NO_OBJIDS))
        pretrained = content.get("pretrained")
        if not isinstance(pretrained, dict | None) or not all(
            isinstance(name, str) for name in pretrained or ()
        ):
            raise TypeError("its 'pretrained' holds no settings by name")
        processes, taken = data.get("processes"), data.get("taken", 0)
        if not (isinstance(processes, int | None) and isinstance(taken, int)):
            raise TypeError("'processes' or 'taken' is not a number")
        if not isinstance(folder, str | None):
            raise TypeError("'arrays_folder' is not a path")
        return Trained(
            path, hyperparameters, settings, train, val, folder, resumable, pretrained, processes, taken > 0
        )
    except GalaxyError:
        raise
    except Exception as error:  # A damaged file fails in any way.
        raise GalaxyError(
            f"{path} is no checkpoint of a galaxy classifier, or is damaged ({_reason(error)}); "
            "nothing in it was run"
        ) from None


def _require_named(path: Path, hyperparameters: Mapping[str, Any], networks: Collection[str]) -> None:
    """Stops where a checkpoint's network is code that the user has not named.

    Raises:
        GalaxyError: It is.
    """
    network = str(hyperparameters.get("network"))
    if hyperparameters.get("backbone") is None and is_class_path(network) and network not in networks:
        raise GalaxyError(
            f"{path} is of the network {network}, which is code and is not imported because a file names it: "
            f"if you trust it, add --model.network {network}"
        )


def load_model(path: Path) -> GalaxyClassifier:
    """Makes the model of a checkpoint, with its weights, on the CPU, running nothing that the file holds.

    Args:
        path: A ``.ckpt`` file.

    Raises:
        GalaxyError: It is not a checkpoint of a galaxy classifier, or is damaged.
    """
    model = GalaxyClassifier(**read_checkpoint(path).hyperparameters)
    content = load_safely(path)
    try:
        model.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise GalaxyError(f"{path}: the weights do not fit the model: {error}") from error
    model.on_load_checkpoint(content)
    return model


def _reason(error: Exception) -> str:
    """Says in one line why a file is no checkpoint."""
    if isinstance(error, UnpicklingError):
        return "it holds something other than numbers and settings"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return (str(error).strip() or type(error).__name__).splitlines()[0]
