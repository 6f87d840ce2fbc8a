"""Benchmarks of the data module: speed, time to the first batch, and memory."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.ceilings import copied_bytes_per_second
from benchmarks.commands import Survey, run
from benchmarks.rows import Row, ratios
from benchmarks.steps import trained_images_per_second
from galaxy_lightning.data.augment import AUGMENTATIONS, WHOLE, Augmentation
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.training.module import GalaxyClassifier

GALAXIES = 2000
_BATCH = {"reference_cnn": 64, "galaxy_cnn": 16}
_AUGMENT: dict[str, Augmentation] = {"reference_cnn": "quarter_turns", "galaxy_cnn": "any_view"}


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of the data module."""
    arrays = survey.arrays(GALAXIES)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for network in ("reference_cnn", "galaxy_cnn"):
        loaded, trained, copied = [], [], []
        for _ in range(repeats):
            loaded.append(_loaded_images_per_second(arrays, network))
            trained.append(trained_images_per_second(network, device, _BATCH[network], None))
            copied.append(copied_bytes_per_second() / (3 * 224**2))
        yield Row(
            f"data loading for {network}, batches of {_BATCH[network]}, {_AUGMENT[network]}: "
            f"{max(loaded):,.0f} images/s",
            f"its training steps in bf16: {max(trained):,.0f} images/s",
            ratios(loaded, trained),
            "copying memory on one core",
            ratios(loaded, copied),
            "at least 10",
        )
    yield Row(
        f"time from Trainer.fit to the first training batch, {GALAXIES:,} galaxies, hashes verified",
        "",
        [_first_batch_seconds(arrays) for _ in range(repeats)],
        "",
        target="at most 1",
        unit="s",
    )
    command = ["-m", "galaxy_lightning", "fit", "--config", "configs/reference_cnn.yaml", "--data.arrays"]
    command += [str(survey.arrays(640)), "--runs", str(survey.folder / "epochs"), "--trainer.max_epochs"]
    yield Row(
        "peak memory of a fit of 12 epochs",
        "3 epochs",
        [run([*command, "12"]).memory_mb / run([*command, "3"]).memory_mb for _ in range(repeats)],
        "1: no growth",
        target="at most 1.05",
    )


def _loaded_images_per_second(arrays: Path, network: str) -> float:
    """Iterates the loader for three epochs without a model; returns images per second."""
    data = GalaxyDataModule(str(arrays), batch_size=_BATCH[network], augment=_AUGMENT[network])
    loader = data.train_dataloader()
    generator = torch.Generator()
    images = 0
    for epoch in range(4):
        if epoch == 1:  # Epoch 0 reads the images from disk and is not measured.
            start, images = time.perf_counter(), 0
        for batch in loader:
            images += len(AUGMENTATIONS[data.augment](batch, generator, WHOLE).rows)
    return images / (time.perf_counter() - start)


class _FirstBatchTimer(Callback):
    """Records the time of the first training batch."""

    started = 0.0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.started = self.started or time.perf_counter()


def _first_batch_seconds(arrays: Path) -> float:
    """Returns the seconds from the start of a fit to its first training batch."""
    timer = _FirstBatchTimer()
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        max_steps=1,
        callbacks=[timer],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=1,
    )
    start = time.perf_counter()
    trainer.fit(GalaxyClassifier(), GalaxyDataModule(str(arrays)))
    return timer.started - start
