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
from data_prep.schema import CLASSES, COLOURS, CROP_PX, SPLITS
from galaxy_lightning.data.augment import jitter_colours, mixup
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.evaluation.calibration import Calibrations
from galaxy_lightning.networks import make_network
from galaxy_lightning.networks.sources import HUB, NONE
from galaxy_lightning.training.fit_length import total_steps
from galaxy_lightning.training.inference import Inference
from galaxy_lightning.training.losses import AUXILIARY_WEIGHT, cross_entropy, squared_error
from galaxy_lightning.training.metrics import SplitMetrics
from galaxy_lightning.training.network_outputs import NetworkOutputs, classify
from galaxy_lightning.training.novelty_entry import read_novelty
from galaxy_lightning.training.optimizers import Optimization, OptimizerName, Schedule, check_range, one_cycle

Compile = Literal["default", "reduce-overhead", "max-autotune"]


class GalaxyClassifier(LightningModule):
    """Classifies galaxy images.

    Args:
        network: galaxy_cnn, the main network; reference_cnn, the course project's Keras CNN in PyTorch; or
            the class path of a custom network, such as my_file.MyNetwork.
        backbone: Architecture to use instead of the network, with a new head: a torchvision model, or, with
            the extra "timm", timm:NAME, hf_hub:USER/MODEL or local-dir:FOLDER.
        weights: Initial weights: a file or an exported folder; hub, the published weights of a backbone
            (random weights for other networks); none, random weights; or simulated or galaxy_zoo1, those of a
            galaxy_cnn trained on simulated or real galaxies.
        unfrozen: Number of final blocks of a backbone to train; all by default. Its head is always trained.
        layer_decay: Learning rate of each block of a backbone relative to that of the block after it.
        classes: Names of the classes, in order. By default, fit takes them from the galaxy arrays; in Python,
            they are those of the reference.
        image_size: Side of the images in pixels; default as for classes.
        bands: Number of bands of the images; default as for classes.
        optimizer: keras_adam, Adam as in Keras; or adamw, Adam with decoupled weight decay.
        learning_rate: Learning rate; with one_cycle, the maximum learning rate.
        adam_epsilon: Epsilon of the optimiser; by default Keras's.
        weight_decay: Weight decay of adamw; not applied to biases and normalisation parameters.
        schedule: Learning-rate schedule: constant; or one_cycle, which rises in the first 15% of the steps
            and then falls to zero.
        mixup: Alpha of mixup, which blends pairs of training galaxies with fractions drawn from
            Beta(alpha, alpha); 0 disables it.
        label_smoothing: Fraction of each training target that is spread evenly over all classes.
        colour_jitter: Random changes of the colour of training galaxies, in magnitudes per band.
        grey: Average the bands, so that colour plays no role.
        eight_views: Average the logits over the four quarter turns of each galaxy and their mirror images;
            not needed for galaxy_cnn, which is symmetric.
        target_accuracy: Target accuracy of the galaxies that are not flagged as uncertain.
        zooms: Number of zooms (from 0.82 to 1.22) over which the logits are averaged; 1 is no zoom.
        auxiliary: Catalogue columns that galaxy_cnn predicts as auxiliary targets.
        compile: Mode of torch.compile: default, reduce-overhead (CUDA graphs) or max-autotune. For long fits:
            compilation takes a minute or more, and needs a C++ compiler.

    Attributes:
        inference: Test-time augmentation, calibrations and novelty.

    Raises:
        GalaxyError: The network or backbone is unknown, its weights cannot be loaded, or a setting is out of
            range.
    """

    def __init__(
        self,
        network: str = "reference_cnn",
        backbone: str | None = None,
        weights: str = HUB,
        unfrozen: int | None = None,
        layer_decay: float = 1.0,
        classes: Sequence[str] | None = None,
        image_size: int | None = None,
        bands: int | None = None,
        optimizer: OptimizerName = "keras_adam",
        learning_rate: float = 1e-3,
        adam_epsilon: float = 1e-7,
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        mixup: float = 0.0,
        label_smoothing: float = 0.0,
        colour_jitter: float = 0.0,
        grey: bool = False,
        eight_views: bool = False,
        target_accuracy: float = 0.9,
        zooms: int = 1,
        auxiliary: Sequence[str] = (),
        compile: Compile | None = None,
    ) -> None:
        super().__init__()
        self.optimization = Optimization(optimizer, learning_rate, adam_epsilon, weight_decay, schedule)
        self.inference = Inference(zooms, eight_views=eight_views, target_accuracy=target_accuracy)
        check_range(mixup >= 0, "mixup", "at least 0", mixup)
        check_range(0 <= label_smoothing < 1, "label_smoothing", "at least 0 and below 1", label_smoothing)
        allowed = "0 with grey images" if grey else "0 to 5 magnitudes"
        check_range(0 <= colour_jitter <= 5 * (not grey), "colour_jitter", allowed, colour_jitter)
        if auxiliary and mixup:
            raise GalaxyError("model.auxiliary cannot be combined with model.mixup: leave one out")
        # The command line takes these three from the galaxy arrays; here, the defaults are the reference's.
        classes, auxiliary = list(classes or CLASSES), list(auxiliary)
        image_size, bands = image_size or CROP_PX, bands or len(COLOURS)
        self.save_hyperparameters(ignore="compile")  # Compilation does not change the model.
        self.hparams.update(classes=classes, image_size=image_size, bands=bands)
        self.compile_mode: Compile | None = compile
        self._checkpoint_steps: list[int] = []
        self.classes = classes
        self.image_size = image_size
        self.bands = bands
        self.auxiliary = auxiliary
        self.network = make_network(
            network, classes, image_size, backbone, weights, unfrozen, layer_decay, len(auxiliary), bands
        ).to(memory_format=torch.channels_last)
        self.network.grey = grey
        # A checkpoint contains all weights, so that loading it needs no hub and no other file.
        is_pretrained = backbone is not None or weights not in (HUB, NONE)
        self.pretrained = {"backbone": backbone, "weights": weights} if is_pretrained else None
        self.hparams.update(backbone=backbone and self.network.name, weights=NONE)
        self._expert_logits = self.network.expert_logits
        self.train_metrics, self.val_metrics, self.test_metrics = (
            SplitMetrics(split, classes) for split in SPLITS
        )

    def forward(self, images: Tensor, zooms: int | None = None) -> Tensor:
        """Computes the logits of stored images.

        Args:
            images: uint8 ``[B, H, W, bands]``.
            zooms: Number of zooms; by default that of :attr:`inference`.

        Returns:
            ``[B, classes]``.

        Raises:
            ValueError: The images have another type or layout, for example because they are already scaled.
        """
        return self.inference.logits(self.network, images, zooms)

    def training_step(self, batch: GalaxyBatch, batch_idx: int) -> Tensor:
        """Returns the loss of a training batch."""
        self.inference.reset_calibrations()
        view = self.network.prepare(batch.images, batch.frames)
        if self.hparams["colour_jitter"]:
            view = jitter_colours(view, self.hparams["colour_jitter"])
        targets, weights = batch.targets, batch.weights
        if targets is None:
            targets = functional.one_hot(batch.labels, len(self.classes)).to(view.dtype)
        if self.hparams["mixup"]:
            view, targets, weights = mixup(view, targets, weights, self.hparams["mixup"])
        expert_logits = self._expert_logits(view)
        class_logits = [logits[:, : len(self.classes)] for logits in expert_logits]
        loss = torch.stack([self.loss(logits, targets, weights) for logits in class_logits]).mean()
        self._log_metrics(batch, "train", self.train_metrics, torch.stack(class_logits).mean(dim=0), loss)
        self.log("train_loss_step", loss.detach(), prog_bar=True, batch_size=len(batch.rows))
        if not self.auxiliary:
            return loss
        if batch.auxiliary is None:
            raise ValueError("the batches lack auxiliary targets: set the data module's `auxiliary`")
        errors = [squared_error(logits[:, len(self.classes) :], batch.auxiliary) for logits in expert_logits]
        error = torch.stack(errors).mean()
        self.log("train_auxiliary", error.detach(), on_step=False, on_epoch=True, batch_size=len(batch.rows))
        return loss + AUXILIARY_WEIGHT * error

    def validation_step(self, batch: GalaxyBatch, batch_idx: int) -> None:
        """Updates the validation metrics; in a fit, also collects logits for the calibration."""
        if self.inference.should_calibrate(self.trainer):
            zooms = self._validation_zooms()
            logits = self(batch.images, zooms)
            if zooms > 1:
                self.val_metrics.single_zoom_logits.update(self(batch.images, 1))
        else:
            logits = self._calibrated_logits(batch)
        self._log_metrics(batch, "val", self.val_metrics, logits, self.loss(logits, batch.labels))

    def test_step(self, batch: GalaxyBatch, batch_idx: int) -> None:
        """Updates the test metrics."""
        logits = self._calibrated_logits(batch)
        self._log_metrics(batch, "test", self.test_metrics, logits, self.loss(logits, batch.labels))

    def predict_step(self, batch: GalaxyBatch, batch_idx: int) -> NetworkOutputs:
        """Returns calibrated probabilities and, if known, the novelty of galaxies."""
        return classify(self.network, self.inference, batch.images)

    def on_fit_start(self) -> None:
        """Sets up compilation, which takes place in the first step."""
        if self.compile_mode:
            # Without dynamic shapes: the smaller last batch of an epoch is compiled separately.
            compiled = torch.compile(self.network.expert_logits, mode=self.compile_mode, dynamic=False)
            self._expert_logits = compiled

    def on_train_epoch_start(self) -> None:
        """Resets the training metrics."""
        self.train_metrics.reset()

    def on_validation_epoch_start(self) -> None:
        """Resets the validation metrics, also after the sanity check."""
        self.val_metrics.reset()

    def on_test_epoch_start(self) -> None:
        """Resets the test metrics."""
        self.test_metrics.reset()

    def on_train_epoch_end(self) -> None:
        """Logs the training metrics of each class."""
        self.log_dict(self.train_metrics.compute_by_class(), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Logs the validation metrics of each class; in a fit, also calibrates the model."""
        self.log_dict(self.val_metrics.compute_by_class(), sync_dist=True)
        if self.inference.should_calibrate(self.trainer) and not self.trainer.sanity_checking:
            self.inference.calibrate(self.val_metrics, self._validation_zooms())

    def on_test_epoch_end(self) -> None:
        """Logs the test metrics of each class."""
        self.log_dict(self.test_metrics.compute_by_class(), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the calibrations, the initial weights' settings and, in a fit, the training metrics."""
        checkpoint |= self.inference.calibrations.state()
        checkpoint["pretrained"] = self.pretrained
        if self._is_fitting():
            checkpoint["train_metrics"] = self.train_metrics.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the calibrations and, in a fit, the training metrics of the unfinished epoch."""
        fitting = self._is_fitting()
        if fitting:
            self._checkpoint_steps = [
                state.get("total_steps") for state in checkpoint.get("lr_schedulers", [])
            ]
        # The metrics are sums over all ranks, so that one rank restores them. A new epoch resets them.
        if fitting and self.global_rank == 0 and "train_metrics" in checkpoint:
            self.train_metrics.load_state(checkpoint["train_metrics"])
        self.inference.calibrations = Calibrations.from_state(checkpoint)
        self.pretrained = checkpoint.get("pretrained")
        self.inference.novelty = read_novelty(checkpoint)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Returns the optimiser and, unless the learning rate is constant, its schedule.

        Raises:
            GalaxyError: The fit has no end, or the checkpoint's schedule has another number of steps.
        """
        optimizer = self.make_optimizer()
        if self.optimization.schedule == "constant":
            return optimizer
        steps = total_steps(self.trainer, self.optimization.schedule, self._checkpoint_steps)
        schedule = one_cycle(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def make_optimizer(self) -> torch.optim.Optimizer:
        """Makes an optimiser of the network's parameters."""
        return self.optimization.make_optimizer(self.network.parameter_groups())

    def _is_fitting(self) -> bool:
        """Returns whether a trainer is fitting the model."""
        try:
            return self.trainer.state.fn == TrainerFn.FITTING
        except RuntimeError:  # There is no trainer.
            return False

    def loss(self, logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Returns the mean cross-entropy of a batch plus the network's penalty, as in Keras, a scalar.

        Args:
            logits: ``[B, classes]``.
            targets: ``[B]`` class numbers, or ``[B, classes]`` probabilities.
            weights: ``[B]`` weights of the galaxies; None for equal weights.
        """
        smoothing = self.hparams["label_smoothing"] if self.training else 0.0
        return cross_entropy(logits, targets, weights, smoothing) + self.network.penalty()

    def _log_metrics(
        self, batch: GalaxyBatch, split: str, metrics: SplitMetrics, logits: Tensor, loss: Tensor
    ) -> None:
        """Updates and logs the metrics of a split."""
        metrics.update(logits.detach(), batch.labels, loss.detach(), batch.rows)
        shown: dict[str, Any] = {"on_step": False, "on_epoch": True, "batch_size": len(batch.rows)}
        self.log(f"{split}_loss", metrics.loss, prog_bar=split != "train", **shown)
        self.log_dict(metrics.overall, **shown)

    def _validation_zooms(self) -> int:
        return self.inference.validation_zooms(self.trainer, ends_at_zero=self.optimization.ends_at_zero)

    def _calibrated_logits(self, batch: GalaxyBatch) -> Tensor:
        logits: Tensor = self(batch.images)
        return logits / self.inference.calibration.temperature
