"""The LightningModule: network, loss, optimiser, metrics and calibration."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional

from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES, CROP_PX, SPLITS
from galaxy_lightning.data.augment import mixup
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.evaluation.calibration import Calibration, Calibrations, calibrate
from galaxy_lightning.networks import make_network
from galaxy_lightning.networks.sources import HUB, NONE
from galaxy_lightning.training.answers import mean_logits
from galaxy_lightning.training.fit_length import all_steps, is_sure_to_go_on
from galaxy_lightning.training.losses import WEIGHT, cross_entropy, squared_error
from galaxy_lightning.training.metrics import SplitMetrics
from galaxy_lightning.training.optimizers import Optimization, OptimizerName, Schedule, one_cycle, require

Compile = Literal["default", "reduce-overhead", "max-autotune"]


class GalaxyClassifier(LightningModule):
    """Sorts galaxy images into classes.

    Args:
        network: galaxy_cnn, the main network; reference_cnn, the reference's Keras CNN; or the class path
            of one of your own, as in my_file.MyNetwork.
        backbone: Instead of it, a known architecture with a new head: a torchvision model's name, or
            with the extra "timm" timm:NAME, hf_hub:USER/MODEL or local-dir:FOLDER.
        weights: What it starts from: a local file; hub, what a backbone's makers publish (other networks
            start from nothing then); none; or simulated, a galaxy_cnn trained on simulated galaxies.
        unfrozen: How many of a backbone's last blocks are trained, besides its head; by default all.
        layer_decay: Each block of a backbone learns at this multiple of the next one's rate.
        classes: The class names, in order.
        image_size: Side of the images in pixels; the arrays' crop.
        optimizer: keras_adam is Adam as Keras computes it; adamw keeps weight decay apart.
        learning_rate: The optimiser's learning rate; of one_cycle the highest.
        adam_epsilon: The optimiser's epsilon; Keras's default.
        weight_decay: adamw's decay of kernels; biases and normalisations have none.
        schedule: constant, or one_cycle: up in the first 15% of all steps, then down to nothing.
        mixup: Blends each training galaxy with another: the share is drawn from Beta(mixup, mixup).
            0 blends none.
        label_smoothing: Share of a training target that goes to all classes alike.
        eight_views: Answer with the mean over a galaxy's four turns and their mirror images.
            galaxy_cnn, which is symmetric by construction, needs no such mean.
        target_accuracy: The accuracy wanted of the galaxies that are not flagged as uncertain.
        zooms: Answer with the mean over a galaxy at this many sizes, evenly spread over those of any_view.
        auxiliary: Catalogue columns that galaxy_cnn predicts as auxiliary targets.
        compile: Train through torch.compile: default, reduce-overhead (CUDA graphs) or max-autotune.
            For long fits: it takes a minute or more at the start, and a C++ compiler.

    Attributes:
        calibrations: Those of the present weights; a training step makes them invalid.
        calibrating: Calibrate in ``Trainer.validate`` too; a fit does in each validation.

    Raises:
        GalaxyError: There is no such network or backbone, its weights cannot be loaded, or a setting is
            out of range.
    """

    def __init__(
        self,
        network: str = "reference_cnn",
        backbone: str | None = None,
        weights: str = HUB,
        unfrozen: int | None = None,
        layer_decay: float = 1.0,
        classes: Sequence[str] = CLASSES,
        image_size: int = CROP_PX,
        optimizer: OptimizerName = "keras_adam",
        learning_rate: float = 1e-3,
        adam_epsilon: float = 1e-7,
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        mixup: float = 0.0,
        label_smoothing: float = 0.0,
        eight_views: bool = False,
        target_accuracy: float = 0.9,
        zooms: int = 1,
        auxiliary: Sequence[str] = (),
        compile: Compile | None = None,
    ) -> None:
        super().__init__()
        self.optimization = Optimization(optimizer, learning_rate, adam_epsilon, weight_decay, schedule)
        require(mixup >= 0, "mixup", "at least 0", mixup)
        require(0 <= label_smoothing < 1, "label_smoothing", "at least 0 and below 1", label_smoothing)
        require(0 < target_accuracy <= 1, "target_accuracy", "above 0 and at most 1", target_accuracy)
        require(zooms >= 1, "zooms", "at least 1", zooms)
        if auxiliary and mixup:
            raise GalaxyError("model.auxiliary does not go with model.mixup: leave one out")
        classes, auxiliary = list(classes), list(auxiliary)
        self.save_hyperparameters(ignore="compile")  # It makes no other model.
        self.compile_mode: Compile | None = compile
        self._made_for: list[int] = []
        self.classes = classes
        self.image_size = image_size
        self.auxiliary = auxiliary
        self.calibrations = self._uncalibrated = Calibrations(Calibration(target_accuracy=target_accuracy))
        self.calibrating = False
        self._zooms: int | None = None
        self.network = make_network(
            network, len(classes), image_size, backbone, weights, unfrozen, layer_decay, len(auxiliary)
        ).to(memory_format=torch.channels_last)
        # A checkpoint holds all the weights: whoever reads it needs no hub and no file.
        started = backbone is not None or weights not in (HUB, NONE)
        self.pretrained = {"backbone": backbone, "weights": weights} if started else None
        self.hparams.update(backbone=backbone and self.network.name, weights=NONE)
        self._expert_logits = self.network.expert_logits
        self.train_metrics, self.val_metrics, self.test_metrics = (
            SplitMetrics(split, classes) for split in SPLITS
        )

    def forward(self, images: Tensor, zooms: int | None = None) -> Tensor:
        """Computes the logits of images as they are stored.

        Args:
            images: uint8 ``[B, H, W, 3]``, RGB.
            zooms: At how many sizes to look at them; by default :attr:`zooms`.

        Returns:
            ``[B, classes]``.

        Raises:
            ValueError: The images are of another type or layout, already scaled, say.
        """
        return mean_logits(self.network, images, zooms or self.zooms, eight=self.hparams["eight_views"])

    def training_step(self, batch: GalaxyBatch, batch_idx: int) -> Tensor:
        """Returns the loss of a training batch."""
        self.calibrations = self._uncalibrated  # The present one is of other weights.
        view = self.network.look(batch.images, batch.frames)
        targets, weights = batch.targets, batch.weights
        if targets is None:
            targets = functional.one_hot(batch.labels, len(self.classes)).to(view.dtype)
        if self.hparams["mixup"]:
            view, targets, weights = mixup(view, targets, weights, self.hparams["mixup"])
        expert_logits = self._expert_logits(view)
        logits_of = [opinion[:, : len(self.classes)] for opinion in expert_logits]
        loss = torch.stack([self.loss(logits, targets, weights) for logits in logits_of]).mean()
        self._measure(batch, "train", self.train_metrics, torch.stack(logits_of).mean(dim=0), loss)
        self.log("train_loss_step", loss.detach(), prog_bar=True, batch_size=len(batch.rows))
        if not self.auxiliary:
            return loss
        if batch.auxiliary is None:
            raise ValueError("the batches lack what is learnt besides: set the data module's `auxiliary`")
        errors = [squared_error(each[:, len(self.classes) :], batch.auxiliary) for each in expert_logits]
        error = torch.stack(errors).mean()
        self.log("train_auxiliary", error.detach(), on_step=False, on_epoch=True, batch_size=len(batch.rows))
        return loss + WEIGHT * error

    def validation_step(self, batch: GalaxyBatch, batch_idx: int) -> None:
        """Measures a validation batch; a fit's also serves the calibration."""
        if self._calibrates():
            zooms = self._validation_zooms()
            logits = self(batch.images, zooms)
            if zooms > 1:
                self.val_metrics.single_zoom.update(self(batch.images, 1))
        else:
            logits = self(batch.images) / self.calibration.temperature
        self._measure(batch, "val", self.val_metrics, logits, self.loss(logits, batch.labels))

    def test_step(self, batch: GalaxyBatch, batch_idx: int) -> None:
        """Measures a test batch."""
        logits = self(batch.images) / self.calibration.temperature
        self._measure(batch, "test", self.test_metrics, logits, self.loss(logits, batch.labels))

    def predict_step(self, batch: GalaxyBatch, batch_idx: int) -> Tensor:
        """Returns ``[B, classes]`` calibrated probabilities, float32."""
        logits: Tensor = self(batch.images)
        return (logits / self.calibration.temperature).float().softmax(dim=1)

    def on_fit_start(self) -> None:
        """Has the network compiled, where that is asked for, at its first step."""
        if self.compile_mode:
            # Not dynamic: an epoch's last batch has a size of its own, and gets a program of its own.
            compiled = torch.compile(self.network.expert_logits, mode=self.compile_mode, dynamic=False)
            self._expert_logits = compiled

    def on_train_epoch_start(self) -> None:
        """Begins what is counted on the training split anew."""
        self.train_metrics.begin()

    def on_validation_epoch_start(self) -> None:
        """The same for the validation split, also after the sanity check."""
        self.val_metrics.begin()

    def on_test_epoch_start(self) -> None:
        """The same for the test split."""
        self.test_metrics.begin()

    def on_train_epoch_end(self) -> None:
        """Logs the training split's figures per class."""
        self.log_dict(self.train_metrics.per_class(), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Logs the validation split's figures per class; a fit calibrates."""
        self.log_dict(self.val_metrics.per_class(), sync_dist=True)
        if not self._calibrates() or self.trainer.sanity_checking:
            return
        logits, labels = self.val_metrics.answers()
        zooms, target = self._validation_zooms(), self.hparams["target_accuracy"]
        single = None
        if zooms > 1:
            single = calibrate(self.val_metrics.single_zoom_logits(), labels, target, zooms=1)
        self.calibrations = Calibrations(calibrate(logits, labels, target, zooms), single)

    def on_test_epoch_end(self) -> None:
        """Logs the test split's figures per class."""
        self.log_dict(self.test_metrics.per_class(), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the calibration, and what the weights were before the first fit."""
        checkpoint |= self.calibrations.state()
        checkpoint["pretrained"] = self.pretrained
        if self._is_fitting():
            checkpoint["train_metrics"] = self.train_metrics.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes over the calibration and, in a fit, what its unfinished epoch has counted."""
        fitting = self._is_fitting()
        if fitting:
            self._made_for = [state.get("total_steps") for state in checkpoint.get("lr_schedulers", [])]
        # They are the counts of all ranks, for one of them; an epoch that begins forgets them.
        if fitting and self.global_rank == 0 and "train_metrics" in checkpoint:
            self.train_metrics.load_state(checkpoint["train_metrics"])
        self.calibrations = Calibrations.from_state(checkpoint)
        self.pretrained = checkpoint.get("pretrained")

    @property
    def zooms(self) -> int:
        """At how many sizes the model looks at a galaxy: as many as its calibration was fitted to.

        They are ``hparams["zooms"]``, but one where a fit was interrupted before the epoch that validates
        with all of them.
        """
        return int(self._zooms or self.calibrations.own.zooms or self.hparams["zooms"])

    @zooms.setter
    def zooms(self, zooms: int) -> None:
        self._zooms = zooms

    @property
    def zooms_chosen(self) -> bool:
        """Whether :attr:`zooms` was set, not taken from the calibration or the hyperparameters."""
        return self._zooms is not None

    @property
    def calibration(self) -> Calibration:
        """The calibration of answers with :attr:`zooms`; one that is not fitted where there is none."""
        return self.calibrations.for_zooms(self.zooms)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Returns the optimiser and, but for a constant rate, its schedule.

        Raises:
            GalaxyError: A fit would go on with a schedule that was made for another number of steps.
        """
        optimizer = self.new_optimizer()
        if self.optimization.schedule == "constant":
            return optimizer
        steps = all_steps(self.trainer, self.optimization.schedule, self._made_for)
        schedule = one_cycle(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def new_optimizer(self) -> torch.optim.Optimizer:
        """Returns an optimiser that has not made a step yet."""
        return self.optimization.make(self.network.parameter_groups())

    def _is_fitting(self) -> bool:
        """Says whether a trainer fits the model."""
        try:
            return self.trainer.state.fn == TrainerFn.FITTING
        except RuntimeError:  # There is no trainer.
            return False

    def _calibrates(self) -> bool:
        """Says whether this validation serves the calibration."""
        return self.calibrating or self.trainer.state.fn == TrainerFn.FITTING

    def _validation_zooms(self) -> int:
        """Returns at how many sizes to validate: one while a fit is sure to replace these weights."""
        replaced = self.optimization.ends_at_zero and not self.calibrating and is_sure_to_go_on(self.trainer)
        return 1 if replaced else int(self.hparams["zooms"])

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Returns a batch's mean cross-entropy plus the network's penalty, as Keras does, a scalar.

        Args:
            logits: ``[B, classes]``.
            targets: ``[B]`` class numbers, or ``[B, classes]`` probabilities.
            weights: ``[B]`` what each galaxy counts; all the same when left out.
        """
        smoothing = self.hparams["label_smoothing"] if self.training else 0.0
        return cross_entropy(logits, targets, weights, smoothing) + self.network.penalty()

    def _measure(
        self, batch: GalaxyBatch, split: str, metrics: SplitMetrics, logits: Tensor, loss: Tensor
    ) -> None:
        """Counts a batch's metrics and logs its loss."""
        metrics.count(logits.detach(), batch.labels, loss.detach())
        shown, size = split != "train", len(batch.rows)
        self.log(f"{split}_loss", metrics.loss, prog_bar=shown, on_step=False, on_epoch=True, batch_size=size)
        self.log_dict(metrics.overall, on_step=False, on_epoch=True, batch_size=size)
