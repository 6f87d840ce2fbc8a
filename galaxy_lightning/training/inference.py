"""Classification of galaxies: test-time augmentation, calibration of the logits, and novelty."""

from collections.abc import Iterator

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from galaxy_lightning.data.augment import eight_views, zoom_frames
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations, calibrate
from galaxy_lightning.evaluation.novelty import Novelty
from galaxy_lightning.networks.network import Network
from galaxy_lightning.training.fit_length import will_train_another_epoch
from galaxy_lightning.training.metrics import SplitMetrics
from galaxy_lightning.training.optimizers import check_range


class Inference:
    """Averages the logits over views of each galaxy, and holds the calibrations of the current weights.

    Args:
        zooms: Number of zooms of each galaxy, evenly spaced in the logarithm.
        eight_views: Use the four quarter turns of each galaxy and their mirror images.
        target_accuracy: Target accuracy of the galaxies that are not flagged as uncertain.

    Attributes:
        calibrations: The calibrations of the current weights; a training step invalidates them.
        novelty: How unlike the training galaxies a galaxy is to the current weights; None if unknown.
        calibrate_in_validate: Also calibrate in ``Trainer.validate``; a fit calibrates in each validation.

    Raises:
        GalaxyError: A setting is out of range.
    """

    def __init__(self, zooms: int, *, eight_views: bool, target_accuracy: float) -> None:
        check_range(0 < target_accuracy <= 1, "target_accuracy", "above 0 and at most 1", target_accuracy)
        check_range(zooms >= 1, "zooms", "at least 1", zooms)
        self._configured_zooms, self.eight_views = zooms, eight_views
        self.target_accuracy = target_accuracy
        self._chosen_zooms: int | None = None
        self.calibrations = self._uncalibrated = Calibrations(Calibration(target_accuracy=target_accuracy))
        self.novelty: Novelty | None = None
        self.calibrate_in_validate = False

    @property
    def zooms(self) -> int:
        """Number of zooms: that of the calibration, unless :meth:`set_zooms` has set another.

        The calibration has the configured number, or 1 if the fit was interrupted before the epoch that
        validates with all zooms.
        """
        return self._chosen_zooms or self.calibrations.main.zooms or self._configured_zooms

    def set_zooms(self, zooms: int) -> None:
        """Sets the number of zooms, instead of that of the calibration."""
        self._chosen_zooms = zooms

    @property
    def has_fewer_zooms(self) -> bool:
        """Whether the calibration has fewer zooms than configured, and :meth:`set_zooms` was not called."""
        return self._chosen_zooms is None and self.zooms != self._configured_zooms

    @property
    def calibration(self) -> Calibration:
        """The calibration for :attr:`zooms`, or one that is not fitted."""
        return self.calibrations.for_zooms(self.zooms)

    def rates_novelty(self, zooms: int | None = None) -> bool:
        """Returns whether the novelty is known for a number of zooms; :attr:`zooms` by default."""
        return self.novelty is not None and self.novelty.zooms == (zooms or self.zooms)

    def reset_calibrations(self) -> None:
        """Invalidates the calibrations and the novelty, before a training step changes the weights."""
        self.calibrations, self.novelty = self._uncalibrated, None

    def logits(self, network: Network, images: Tensor, zooms: int | None = None) -> Tensor:
        """Computes the mean logits over the views of each image.

        Mixed precision is disabled, because its rounding errors would make the logits of the views differ.

        Args:
            network: The network.
            images: uint8 ``[B, H, W, 3]``, RGB.
            zooms: Number of zooms; :attr:`zooms` by default.

        Returns:
            ``[B, classes]``.

        Raises:
            ValueError: The images have another type or layout, for example because they are already scaled.
        """
        with torch.autocast(images.device.type, enabled=False):
            views = self._views(network, images, zooms or self.zooms)
            logits = [network(view) for view in views]
        return torch.stack(logits).mean(dim=0)

    def should_calibrate(self, trainer: Trainer) -> bool:
        """Returns whether the current validation calibrates.

        Args:
            trainer: The trainer.
        """
        return self.calibrate_in_validate or trainer.state.fn == TrainerFn.FITTING

    def validation_zooms(self, trainer: Trainer, *, ends_at_zero: bool) -> int:
        """Returns the number of zooms of the current validation: 1 if the fit will replace the weights.

        Args:
            trainer: The trainer.
            ends_at_zero: Whether the learning rate falls to zero, so that the last weights are the best.
        """
        is_preliminary = ends_at_zero and not self.calibrate_in_validate and will_train_another_epoch(trainer)
        return 1 if is_preliminary else self._configured_zooms

    def calibrate(self, metrics: SplitMetrics, zooms: int) -> None:
        """Calibrates on the validation galaxies. Must be called on every rank.

        Args:
            metrics: Metrics of the validation split, with logits and labels.
            zooms: Number of zooms of the logits.
        """
        logits, labels = metrics.gather_logits()
        single_zoom = None
        if zooms > 1:
            single_zoom_logits = metrics.gather_single_zoom_logits()
            single_zoom = calibrate(single_zoom_logits, labels, self.target_accuracy, zooms=1)
        main = calibrate(logits, labels, self.target_accuracy, zooms)
        self.calibrations = Calibrations(main, single_zoom)

    def _views(self, network: Network, images: Tensor, zooms: int) -> Iterator[Tensor]:
        downscaled = network.downscale(images)
        for frames in zoom_frames(images.shape[0], zooms, images.device):
            view = network.resample(downscaled, frames)
            if self.eight_views:
                yield from eight_views(view)
            else:
                yield view
