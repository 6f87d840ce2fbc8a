"""Validates and records the epochs of the Keras CNN."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.recording import RunRecord
from galaxy_lightning.runs.epoch_progress import EpochProgress
from galaxy_lightning.runs.names import HISTORY_COLUMNS


def validation_loss(
    network: Any, probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> float:
    """Returns the loss that ``network.evaluate`` would return: mean cross-entropy and L2 penalty.

    Args:
        network: The network.
        probabilities: ``[N, classes]``, the network's output.
        labels: ``[N]`` true class numbers.
    """
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    # The smallest positive float32 keeps the loss finite, as Keras does.
    cross_entropy = -np.log(np.maximum(true, np.finfo(np.float32).smallest_subnormal)).mean()
    return float(cross_entropy) + sum(float(penalty) for penalty in network.losses)


def make_epoch_recorder(
    keras: Any,
    history: list[dict[str, float]],
    record: RunRecord,
    best: str,
    galaxies: Any,
    progress: EpochProgress,
) -> Any:
    """Makes the callback that validates and logs the epochs, and saves the best weights.

    It predicts the validation galaxies once, in place of Keras's own validation, which does not return the
    probabilities.

    Args:
        keras: The ``keras`` module.
        history: Gets a row of ``history.csv`` per epoch.
        record: The run that is being written.
        best: The name of the file, in its folder, for the weights with the lowest validation loss.
        galaxies: Batches of the validation galaxies, in the order of the arrays.
        progress: Shows the epochs.
    """
    images = len(record.arrays.rows("train"))
    labels = record.arrays.labels[record.arrays.rows("val")]

    class EpochRecorder(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch, self.start = epoch, time.perf_counter()
            progress.update(epoch, 0, self.params["steps"])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            progress.update(self.epoch, batch + 1, self.params["steps"], loss=logs["loss"])

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            train_seconds = time.perf_counter() - self.start
            probabilities = self.model.predict(galaxies, verbose=0)
            loss = validation_loss(self.model, probabilities, labels)
            accuracy = float((probabilities.argmax(axis=1) == labels).mean())
            seconds = time.perf_counter() - self.start
            row = (epoch, logs["loss"], logs["accuracy"], loss, accuracy, seconds, train_seconds)
            if loss < min((row["val_loss"] for row in history), default=np.inf):
                self.model.save(record.folder / best)
            history.append(dict(zip(HISTORY_COLUMNS, row, strict=True)))
            record.log_epoch(history[-1], probabilities, float(self.model.optimizer.learning_rate))
            progress.finish(history[-1], images / max(train_seconds, 1e-9))

    return EpochRecorder()
