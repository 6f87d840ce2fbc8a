"""Several networks that classify galaxies together."""

from collections.abc import Collection, Sequence
from pathlib import Path

from lightning.pytorch import LightningModule
from torch import Tensor, nn

from data_prep.common.errors import GalaxyError
from data_prep.common.files import sha256
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.evaluation.calibration import Calibration
from galaxy_lightning.evaluation.ensemble import calibrate_together
from galaxy_lightning.runs.names import BEST_CHECKPOINT, LAST_CHECKPOINT, PREDICTIONS, RUN
from galaxy_lightning.runs.predictions import read_predictions
from galaxy_lightning.runs.writer import probability_columns
from galaxy_lightning.training.checkpoints import CheckpointInfo, load_checkpoint
from galaxy_lightning.training.module import GalaxyClassifier
from galaxy_lightning.training.network_outputs import NetworkOutputs, classify, join


class Ensemble(LightningModule):
    """One or several networks, whose mean probabilities classify galaxies.

    Args:
        members: The models of the networks.
        trained: The contents of their checkpoints.

    Attributes:
        trained: The contents of their checkpoints.
        classes: The class names, in order.
    """

    def __init__(self, members: Sequence[GalaxyClassifier], trained: Sequence[CheckpointInfo]) -> None:
        super().__init__()
        self._members = list(members)
        self._moved = nn.ModuleList(members)  # They move to a device with the ensemble.
        self.trained = list(trained)
        self.classes = list(members[0].classes)
        self._calibration = self._calibrate()

    @property
    def members(self) -> list[GalaxyClassifier]:
        """The models of the networks."""
        return list(self._members)

    def classify(self, images: Tensor, zooms: int | None = None) -> NetworkOutputs:
        """Classifies galaxies with each network.

        Args:
            images: uint8 ``[B, H, W, bands]``.
            zooms: Number of zooms; by default that of each model.
        """
        models = self._members
        return join([classify(model.network, model.inference, images, zooms) for model in models])

    def predict_step(self, batch: GalaxyBatch, batch_idx: int) -> NetworkOutputs:
        """Returns calibrated probabilities and, if known, the novelty of galaxies."""
        return self.classify(batch.images)

    def calibration_for(self, zooms: int | None = None) -> Calibration:
        """Returns the calibration of the mean probabilities.

        It is not fitted if the runs' predictions are missing, or the number of zooms is not that of the fits.

        Args:
            zooms: Number of zooms; by default that of each model.
        """
        if len(self._members) == 1:
            inference = self._members[0].inference
            return inference.calibrations.for_zooms(zooms or inference.zooms)
        if zooms is None or all(model.inference.zooms == zooms for model in self._members):
            return self._calibration
        return Calibration(target_accuracy=self._calibration.target_accuracy)

    @property
    def calibration(self) -> Calibration:
        """The calibration for the number of zooms of each model."""
        return self.calibration_for()

    def set_zooms(self, zooms: int) -> None:
        """Sets the number of zooms of all networks."""
        self._calibration = self.calibration_for(zooms)
        for model in self._members:
            model.inference.set_zooms(zooms)

    def _calibrate(self) -> Calibration:
        """Calibrates the mean probabilities on the predictions in the run folders."""
        target = self._members[0].inference.target_accuracy
        if len(self._members) == 1:
            return Calibration(target_accuracy=target)
        folders = [each.path.parent for each in self.trained]
        complete = all((folder / RUN).is_file() for folder in folders)
        if not complete or any(each.path.name != BEST_CHECKPOINT for each in self.trained):
            return Calibration(target_accuracy=target)
        tables = [read_predictions(folder / PREDICTIONS, self.classes) for folder in folders]
        return calibrate_together(tables, self.classes, target)


def load_ensemble(checkpoints: Sequence[Path], networks: Collection[str] = ()) -> Ensemble:
    """Loads an ensemble on the CPU, without running code that the files may contain.

    Args:
        checkpoints: The ``.ckpt`` files.
        networks: Class paths of networks that the user has named; see
            :func:`galaxy_lightning.training.checkpoints.read_checkpoint`.

    Raises:
        GalaxyError: A file is not a checkpoint of a galaxy classifier, two are of the same fit, or they have
            other classes or images.
    """
    _require_different(checkpoints)
    loaded = [load_checkpoint(path, networks) for path in checkpoints]
    members, trained = [model for model, _ in loaded], [about for _, about in loaded]
    first = members[0]
    for member, about in zip(members[1:], trained[1:], strict=True):
        for what, own, other in (
            ("classes", first.classes, member.classes),
            ("size of the images", first.image_size, member.image_size),
            ("bands", first.bands, member.bands),
            ("crop, stretch or names of the images", trained[0].images.settings, about.images.settings),
            ("pixel scale", trained[0].images.pixel_scale, about.images.pixel_scale),
        ):
            # What older checkpoints do not record is taken to be the same.
            if None not in (own, other) and own != other:
                values = f" ({own} and {other})" if isinstance(own, int | float | list) else ""
                raise GalaxyError(
                    f"{trained[0].path} and {about.path} differ in the {what}{values}: an ensemble needs "
                    "networks for the same classes and images"
                )
    names = probability_columns(first.classes)
    clash = next((name for name in names if name.endswith("_std") and name[:-4] in names), None)
    if clash:
        raise GalaxyError(
            f"the class {clash[2:]} has the name that the spread of the class {clash[2:-4]} would have: "
            "rename it to use an ensemble"
        )
    return Ensemble(members, trained)


def _require_different(checkpoints: Sequence[Path]) -> None:
    """Checks that no checkpoint is named twice, also under another name, and no two of one fit."""
    known: dict[str, Path] = {}
    for path in checkpoints:
        other = known.setdefault(sha256(path), path)
        if other is not path:
            same = f"{path} is named twice" if other == path else f"{other} and {path} are the same"
            raise GalaxyError(f"{same}: name each network of an ensemble once")
    own = (BEST_CHECKPOINT, LAST_CHECKPOINT)
    folders = [path.parent.resolve() for path in checkpoints if path.name in own]
    if repeated := [folder for folder in folders if folders.count(folder) > 1]:
        raise GalaxyError(f"two checkpoints of the fit in {repeated[0]}: name one network of each fit")
