"""Reads checkpoints, without running code that a file may contain."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch

from data_prep.arrays.format import GalaxyArrays
from data_prep.common.errors import GalaxyError
from data_prep.images.relative_scale import RelativeScale
from galaxy_lightning.data.seen_galaxies import SeenGalaxies
from galaxy_lightning.data.training_images import TrainingImages
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations
from galaxy_lightning.evaluation.novelty import Novelty
from galaxy_lightning.networks import weight_folders, weights_file
from galaxy_lightning.networks.class_paths import is_class_path
from galaxy_lightning.networks.hub_files import weights_of_backbone
from galaxy_lightning.networks.sources import HUB, NONE
from galaxy_lightning.networks.weight_files import load_safely
from galaxy_lightning.shipped_models import SIMULATED
from galaxy_lightning.training.checkpoint_checks import (
    check_training_state,
    parse_descriptions,
    parse_hyperparameters,
    parse_image_settings,
    parse_scale,
)
from galaxy_lightning.training.model_card import ModelCard
from galaxy_lightning.training.module import GalaxyClassifier
from galaxy_lightning.training.novelty_entry import read_novelty

_NO_OBJIDS: Final = torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True)
class CheckpointInfo:
    """The contents of a checkpoint besides its weights.

    Attributes:
        path: The ``.ckpt`` file.
        hyperparameters: The model's settings.
        data_settings: The data's settings: SHA-256 of the arrays, batch size, augmentation, targets, seed.
        trained_on: The galaxies on which the weights were trained.
        calibrated_on: The galaxies on which the probabilities were calibrated; empty in older checkpoints.
        arrays_folder: Folder of the galaxy arrays of the training; None in older checkpoints.
        resumable: Whether a fit can resume from it, because it contains the optimiser's state.
        pretrained: Settings of the pretrained backbone or weights of the training, if any.
        processes: Number of processes of the training; None in older checkpoints.
        class_descriptions: A description of each class in one line, as far as known.
        images: What is known about the training images.
        calibrations: The calibrations of the weights.
        card: The model card, which may be empty.
        novelty: How unlike the training galaxies a galaxy is; None if the checkpoint does not say.
    """

    path: Path
    hyperparameters: dict[str, Any]
    data_settings: dict[str, Any]
    trained_on: SeenGalaxies
    calibrated_on: SeenGalaxies
    arrays_folder: str | None
    resumable: bool
    pretrained: dict[str, Any] | None
    processes: int | None = None
    class_descriptions: dict[str, str] = field(default_factory=dict)
    images: TrainingImages = field(default_factory=TrainingImages)
    calibrations: Calibrations = field(default_factory=lambda: Calibrations(Calibration()))
    card: ModelCard = field(default_factory=ModelCard)
    novelty: Novelty | None = None

    @property
    def seen(self) -> SeenGalaxies:
        """The galaxies on which the weights were trained or the probabilities calibrated."""
        return self.trained_on | self.calibrated_on

    def require_same_settings(
        self, hyperparameters: Mapping[str, Any], data: Mapping[str, Any], processes: int
    ) -> None:
        """Checks that a fit resumes with the settings of this checkpoint.

        The number of processes may differ if all processes together have as many galaxies per batch: the
        batches, the augmentation, the steps and the schedule of the learning rate are then the same.

        Args:
            hyperparameters: The model's settings.
            data: The data's settings.
            processes: Number of processes of the fit.

        Raises:
            GalaxyError: The settings differ, or the checkpoint lacks the optimiser's state.
        """
        if not self.resumable:
            raise GalaxyError(
                f"{self.path} contains no optimiser state, so a fit cannot resume from it: use it to test or "
                "predict, or start a new fit without --ckpt_path"
            )
        new, old = {**hyperparameters, **data}, {**self.hyperparameters, **self.data_settings}
        if self.processes not in (None, processes):
            self._require_same_batches(int(new.pop("batch_size")), processes)
        differences = ", ".join(
            "other arrays" if name == "arrays" else f"{name} {old[name]!r}, not {value!r}"
            for name, value in new.items()
            if name in old and old[name] != value
        )
        if differences:
            raise GalaxyError(
                f"{self.path} was made with {differences}: resume with the same settings, or start a new fit "
                "without --ckpt_path"
            )

    def _require_same_batches(self, batch_size: int, processes: int) -> None:
        """Checks that another number of processes has as many galaxies per batch, together."""
        assert self.processes is not None
        galaxies = int(self.data_settings["batch_size"]) * self.processes
        if batch_size * processes == galaxies:
            return
        advice = f"resume it on {self.processes} processes (--trainer.devices, --trainer.num_nodes)"
        if galaxies % processes == 0:
            advice = f"resume it with --data.batch_size {galaxies // processes}"
        raise GalaxyError(
            f"{self.path} was made with batches of {galaxies:,} galaxies (batch_size "
            f"{galaxies // self.processes:,} on {self.processes:,} processes), but this fit has batches of "
            f"{batch_size * processes:,} (batch_size {batch_size:,} on {processes:,}): {advice}"
        )

    def require_unseen(self, arrays: GalaxyArrays, split: str) -> None:
        """Checks that a split has no training galaxies, and the test split no galaxies of the calibration.

        Raises:
            GalaxyError: The split contains such galaxies.
        """
        uses = {"trained": self.trained_on} | ({"calibrated": self.calibrated_on} if split == "test" else {})
        for use, galaxies in uses.items():
            if seen := galaxies.count(arrays, split):
                total = len(arrays.rows(split))
                raise GalaxyError(
                    f"{self.path} was {use} on {seen:,} of the {total:,} {split} galaxies of "
                    f"{arrays.folder}, so scores on them would be biased: use the arrays of its "
                    "training, or train a model on these"
                )


def read_trained_on(weights: str, backbone: str | None = None) -> SeenGalaxies:
    """Returns the galaxies that weights were trained on, if the file lists them.

    Args:
        weights: The weights, as in ``model.weights``.
        backbone: The network, as in ``model.backbone``, whose own weights are meant by ``hub``.

    Raises:
        GalaxyError: The file is damaged, or its list of galaxies is missing or invalid.
    """
    try:
        if weights in (HUB, NONE):
            file = weights_of_backbone(backbone) if backbone and weights == HUB else None
            data = None if file is None else weight_folders.read_trained_on(file)
        elif not (file := weights_file(weights)).is_file():
            data = None
        elif file.suffix == ".safetensors":
            data = weight_folders.read_trained_on(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
            data = content.get("GalaxyDataModule") if isinstance(content, dict) else None
        # Files of other programs have no such list.
        if data is None:
            return SeenGalaxies()
        seen = SeenGalaxies.from_state(data, "train")
        # No survey of a user contains the simulated galaxies, whatever their names.
        return replace(seen, has_all_pixels=True) if weights == SIMULATED else seen
    except GalaxyError:
        raise
    except Exception as error:  # A damaged file can raise any exception.
        place = backbone if weights == HUB else weights
        raise GalaxyError(
            f"{place} does not list the galaxies it was trained on, or is damaged ({_describe(error)}): get "
            "it again; no code in it was run"
        ) from None


def is_calibrated(path: Path) -> bool:
    """Returns whether a trusted checkpoint is calibrated."""
    return Calibrations.from_state(load_safely(path)).main.is_fitted


def read_checkpoint(path: Path, networks: Collection[str] | None = ()) -> CheckpointInfo:
    """Reads and checks a checkpoint, without running code that it may contain.

    Args:
        path: The ``.ckpt`` file.
        networks: Class paths of networks that the user has named, so that they may be imported; None if no
            network is made.

    Raises:
        GalaxyError: The file is not a checkpoint of a galaxy classifier, or is damaged.
    """
    try:
        content = load_safely(path)
        data = content["GalaxyDataModule"]
        if not isinstance(content["state_dict"], dict):
            raise TypeError("its 'state_dict' is invalid")
        check_training_state(content)
        hyperparameters = parse_hyperparameters(content["hyper_parameters"])
        if networks is not None:
            _require_named(path, hyperparameters, networks)
        settings, folder = dict(data["settings"]), data.get("arrays_folder")
        resumable = "optimizer_states" in content
        calibrations, novelty = Calibrations.from_state(content), read_novelty(content)
        card = ModelCard.from_json(content.get("card", {}))
        trained_on = SeenGalaxies.from_state(data, "train")
        # The oldest checkpoints do not list their validation galaxies.
        calibrated_on = SeenGalaxies.from_state({"val_objids": _NO_OBJIDS} | data, "val")
        pretrained = content.get("pretrained")
        if not isinstance(pretrained, dict | None) or not all(
            isinstance(name, str) for name in pretrained or ()
        ):
            raise TypeError("its 'pretrained' is invalid")
        processes = data.get("processes")
        if not (isinstance(processes, int | None) and isinstance(data.get("taken", 0), int)):
            raise TypeError("its 'processes' or 'taken' is not a number")
        if not isinstance(folder, str | None):
            raise TypeError("its 'arrays_folder' is not a path")
        return CheckpointInfo(
            path,
            hyperparameters,
            settings,
            trained_on,
            calibrated_on,
            folder,
            resumable,
            pretrained,
            processes,
            parse_descriptions(data.get("class_descriptions"), hyperparameters.get("classes")),
            TrainingImages(
                parse_image_settings(data.get("images"), hyperparameters.get("image_size")),
                parse_scale(data.get("pixel_scale")),
                card.text("survey"),
            ).with_scale(RelativeScale.parse(card.text("pixel_scale"))),
            calibrations,
            card,
            novelty,
        )
    except GalaxyError:
        raise
    except Exception as error:  # A damaged file can raise any exception.
        raise GalaxyError(
            f"{path} is not a checkpoint of a galaxy classifier, or is damaged ({_describe(error)}); "
            "no code in it was run"
        ) from None


def _require_named(path: Path, hyperparameters: Mapping[str, Any], networks: Collection[str]) -> None:
    """Checks that the user has named the checkpoint's network if it is a custom one.

    Raises:
        GalaxyError: The user has not named it.
    """
    network = str(hyperparameters.get("network"))
    if hyperparameters.get("backbone") is None and is_class_path(network) and network not in networks:
        raise GalaxyError(
            f"{path} needs the code of the custom network {network}, which is not imported automatically: "
            f"if you trust it, add --model.network {network}"
        )


def load_model(path: Path, networks: Collection[str] = ()) -> GalaxyClassifier:
    """Loads the model of a checkpoint as :func:`load_checkpoint` does."""
    return load_checkpoint(path, networks)[0]


def load_checkpoint(path: Path, networks: Collection[str] = ()) -> tuple[GalaxyClassifier, CheckpointInfo]:
    """Loads a checkpoint on the CPU, without running code that the file may contain.

    Args:
        path: The ``.ckpt`` file.
        networks: Class paths of networks that the user has named; see :func:`read_checkpoint`.

    Returns:
        The model, and the other contents of the checkpoint.

    Raises:
        GalaxyError: The file is not a checkpoint of a galaxy classifier, or is damaged.
    """
    trained = read_checkpoint(path, networks)
    model = GalaxyClassifier(**trained.hyperparameters)
    content = load_safely(path)
    try:
        model.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise GalaxyError(f"{path}: the weights do not fit the model: {error}") from error
    model.on_load_checkpoint(content)
    return model, trained


def _describe(error: Exception) -> str:
    """Returns in one line why a file is not a checkpoint."""
    if isinstance(error, UnpicklingError):
        return "it contains something other than numbers and settings"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    return (str(error).strip() or type(error).__name__).splitlines()[0]
