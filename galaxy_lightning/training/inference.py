"""How a model classifies galaxies: test-time augmentation, and the calibration of the logits."""

from collections.abc import Iterator

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from galaxy_lightning.data.augment import eight_views, zoom_frames
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations, calibrate
from galaxy_lightning.networks.network import Network
from galaxy_lightning.training.fit_length import is_sure_to_go_on
from galaxy_lightning.training.metrics import SplitMetrics
from galaxy_lightning.training.optimizers import require


class Inference:
    """The views of a galaxy that a model averages over, and the calibrations of its present weights.

    Args:
        zooms: Number of sizes at which each galaxy is shown, evenly spread over those of any_view.
        eight_views: Show each galaxy in its four turns and their mirror images.
        target_accuracy: The accuracy wanted of the galaxies that are not flagged as uncertain.

    Attributes:
        calibrations: The calibrations of the present weights; a training step invalidates them.
        calibrating: Calibrate in ``Trainer.validate`` too; a fit calibrates in each validation.

    Raises:
        GalaxyError: A setting is out of range.
    """

    def __init__(self, zooms: int, *, eight_views: bool, target_accuracy: float) -> None:
        require(0 < target_accuracy <= 1, "target_accuracy", "above 0 and at most 1", target_accuracy)
        require(zooms >= 1, "zooms", "at least 1", zooms)
        self._configured_zooms, self.eight_views = zooms, eight_views
        self.target_accuracy = target_accuracy
        self._chosen_zooms: int | None = None
        self.calibrations = self._uncalibrated = Calibrations(Calibration(target_accuracy=target_accuracy))
        self.calibrating = False

    @property
    def zooms(self) -> int:
        """Number of sizes at which a galaxy is shown: as many as the calibration was fitted to.

        It is the configured number, unless a fit was interrupted before the epoch that validates with all of
        them (then 1), or another number was chosen.
        """
        return self._chosen_zooms or self.calibrations.main.zooms or self._configured_zooms

    def choose_zooms(self, zooms: int) -> None:
        """Replaces the number of zooms.

        Args:
            zooms: The number of sizes.
        """
        self._chosen_zooms = zooms

    @property
    def has_fewer_zooms(self) -> bool:
        """Whether the calibration is for fewer zooms than configured, and nobody chose another number."""
        return self._chosen_zooms is None and self.zooms != self._configured_zooms

    @property
    def calibration(self) -> Calibration:
        """The calibration for :attr:`zooms`; one that is not fitted if there is none."""
        return self.calibrations.for_zooms(self.zooms)

    def forget_calibration(self) -> None:
        """Invalidates the calibrations: the weights are about to change."""
        self.calibrations = self._uncalibrated

    def logits(self, network: Network, images: Tensor, zooms: int | None = None) -> Tensor:
        """Computes the logits of images, the mean over the views of each.

        In float32 also where the trainer's precision is mixed: otherwise a galaxy's views would disagree.

        Args:
            network: The network.
            images: uint8 ``[B, H, W, 3]``, RGB.
            zooms: Number of sizes; :attr:`zooms` by default.

        Returns:
            ``[B, classes]``.

        Raises:
            ValueError: The images have another type or layout; they are already scaled, for example.
        """
        with torch.autocast(images.device.type, enabled=False):
            views = self._views(network, images, zooms or self.zooms)
            logits = [network(view) for view in views]
        return torch.stack(logits).mean(dim=0)

    def calibrates(self, trainer: Trainer) -> bool:
        """Says whether the present validation calibrates.

        Args:
            trainer: The trainer.
        """
        return self.calibrating or trainer.state.fn == TrainerFn.FITTING

    def validation_zooms(self, trainer: Trainer, *, ends_at_zero: bool) -> int:
        """Returns the number of zooms to validate with: 1 while a fit is sure to replace these weights.

        Args:
            trainer: The trainer.
            ends_at_zero: Whether the learning rate falls to zero, so that the last weights are the best.
        """
        replaced = ends_at_zero and not self.calibrating and is_sure_to_go_on(trainer)
        return 1 if replaced else self._configured_zooms

    def calibrate(self, metrics: SplitMetrics, zooms: int) -> None:
        """Calibrates on the validation galaxies.

        Args:
            metrics: Their logits and labels. Call it on every rank.
            zooms: The number of zooms of the logits.
        """
        logits, labels = metrics.answers()
        single = None
        if zooms > 1:
            single = calibrate(metrics.single_zoom_logits(), labels, self.target_accuracy, zooms=1)
        own = calibrate(logits, labels, self.target_accuracy, zooms)
        self.calibrations = Calibrations(own, single)

    def _views(self, network: Network, images: Tensor, zooms: int) -> Iterator[Tensor]:
        downscaled = network.downscale(images)
        for frames in zoom_frames(len(images), zooms, images.device):
            view = network.resample(downscaled, frames)
            if self.eight_views:
                yield from eight_views(view)
            else:
                yield view
