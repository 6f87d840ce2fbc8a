"""The galaxy classifier: a network, its loss, its optimiser and its metrics."""

from collections.abc import Sequence

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from data_prep.errors import GalaxyError
from data_prep.schema import CLASSES, CROP_PX, SPLITS
from galaxy_lightning.batches import GalaxyBatch
from galaxy_lightning.metrics import SplitMetrics
from galaxy_lightning.networks import make_network
from galaxy_lightning.optimizers import KerasAdam


class GalaxyClassifier(LightningModule):
    """Sorts galaxy images into classes.

    Args:
        network: Which network; reference_cnn is the reference's Keras CNN.
        classes: The class names, in order.
        image_size: Side of the images in pixels; the arrays' crop.
        learning_rate: Adam's learning rate.
        adam_epsilon: Adam's epsilon; Keras's default.

    Raises:
        GalaxyError: There is no such network, or a setting is out of range.
    """

    def __init__(
        self,
        network: str = "reference_cnn",
        classes: Sequence[str] = CLASSES,
        image_size: int = CROP_PX,
        learning_rate: float = 1e-3,
        adam_epsilon: float = 1e-7,
    ) -> None:
        super().__init__()
        if not (learning_rate > 0 and adam_epsilon > 0):
            raise GalaxyError(
                f"model.learning_rate and model.adam_epsilon must be above 0, "
                f"not {learning_rate} and {adam_epsilon}"
            )
        classes = list(classes)
        self.save_hyperparameters()
        self.classes = classes
        self.image_size = image_size
        self.learning_rate = learning_rate
        self.adam_epsilon = adam_epsilon
        self.network = make_network(network, len(classes), image_size).to(memory_format=torch.channels_last)
        self.criterion = nn.CrossEntropyLoss()
        self.train_metrics, self.val_metrics, self.test_metrics = (
            SplitMetrics(split, classes) for split in SPLITS
        )

    def forward(self, images: Tensor) -> Tensor:
        """Computes the logits of images as they are stored.

        Args:
            images: uint8 ``[B, H, W, 3]``, RGB.

        Returns:
            ``[B, classes]``.

        Raises:
            ValueError: The images are of another type or layout, already scaled, say.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise ValueError(f"expected uint8 images [B, H, W, 3], got {images.dtype} {list(images.shape)}")
        logits: Tensor = self.network(images.permute(0, 3, 1, 2).to(self.dtype).div_(255))
        return logits

    def training_step(self, batch: GalaxyBatch, batch_idx: int) -> Tensor:
        """Returns the loss of a training batch."""
        loss = self._evaluate(batch, "train", self.train_metrics)
        self.log("train/loss_step", loss.detach(), prog_bar=True, batch_size=len(batch.rows))
        return loss

    def validation_step(self, batch: GalaxyBatch, batch_idx: int) -> None:
        """Measures a validation batch."""
        self._evaluate(batch, "val", self.val_metrics)

    def test_step(self, batch: GalaxyBatch, batch_idx: int) -> None:
        """Measures a test batch."""
        self._evaluate(batch, "test", self.test_metrics)

    def predict_step(self, batch: GalaxyBatch, batch_idx: int) -> Tensor:
        """Returns ``[B, classes]`` probabilities, float32."""
        logits: Tensor = self(batch.images)
        return logits.float().softmax(dim=1)

    def on_train_epoch_start(self) -> None:
        """Begins what is counted on the training split anew."""
        _reset(self.train_metrics)

    def on_validation_epoch_start(self) -> None:
        """Begins what is counted on the validation split anew, also after the sanity check."""
        _reset(self.val_metrics)

    def on_test_epoch_start(self) -> None:
        """Begins what is counted on the test split anew."""
        _reset(self.test_metrics)

    def on_train_epoch_end(self) -> None:
        """Logs the training split's figures per class."""
        self.log_dict(self.train_metrics.per_class.compute(), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Logs the validation split's figures per class."""
        self.log_dict(self.val_metrics.per_class.compute(), sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Logs the test split's figures per class."""
        self.log_dict(self.test_metrics.per_class.compute(), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Returns Adam, as Keras computes it."""
        return KerasAdam(self.parameters(), self.learning_rate, self.adam_epsilon)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Returns a batch's mean cross-entropy plus the network's penalty, as Keras does, a scalar.

        Args:
            logits: ``[B, classes]``.
            labels: ``[B]`` class numbers.
        """
        loss: Tensor = self.criterion(logits, labels) + self.network.penalty()
        return loss

    def _evaluate(self, batch: GalaxyBatch, split: str, metrics: SplitMetrics) -> Tensor:
        """Computes a batch's loss and counts its metrics."""
        logits, size = self(batch.images), len(batch.rows)
        loss = self.loss(logits, batch.labels)
        for metric in (metrics.overall, metrics.per_class, metrics.confusion):
            metric.update(logits, batch.labels)
        self.log(
            f"{split}/loss",
            loss.detach(),
            prog_bar=split != "train",
            on_step=False,
            on_epoch=True,
            batch_size=size,
            sync_dist=True,
        )
        self.log_dict(metrics.overall, on_step=False, on_epoch=True, batch_size=size)
        return loss


def _reset(metrics: SplitMetrics) -> None:
    """Forgets what was counted, but for what Lightning resets itself."""
    metrics.per_class.reset()
    metrics.confusion.reset()
