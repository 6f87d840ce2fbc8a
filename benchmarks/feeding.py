"""The data module: how fast it feeds, how soon, and that its memory does not grow."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.ceilings import copied_per_second
from benchmarks.commands import Survey, run
from benchmarks.rows import Row, ratio
from benchmarks.steps import steps_per_second
from galaxy_lightning.data.augment import AUGMENTATIONS, Augmentation
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
        fed, taken, copied = [], [], []
        for _ in range(repeats):
            fed.append(_fed_per_second(arrays, network))
            taken.append(steps_per_second(network, device, _BATCH[network], None))
            copied.append(copied_per_second() / (3 * 224**2))
        yield Row(
            f"feeding {network}, batches of {_BATCH[network]}, {_AUGMENT[network]}: {max(fed):,.0f} images/s",
            f"what it takes in bf16: {max(taken):,.0f} images/s",
            ratio(fed, taken),
            "one core's copying of memory",
            ratio(fed, copied),
            "at least 10",
        )
    yield Row(
        f"from Trainer.fit to the first training batch, {GALAXIES:,} galaxies, hashes verified",
        "",
        [_first_batch_seconds(arrays) for _ in range(repeats)],
        "",
        wanted="at most 1",
        unit="s",
    )
    command = ["-m", "galaxy_lightning", "fit", "--config", "configs/reference_cnn.yaml", "--data.arrays"]
    command += [str(survey.arrays(640)), "--runs", str(survey.folder / "epochs"), "--trainer.max_epochs"]
    yield Row(
        "own memory of a fit of 12 epochs",
        "of 3 epochs",
        [run([*command, "12"]).memory_mb / run([*command, "3"]).memory_mb for _ in range(repeats)],
        "1: no growth",
        wanted="at most 1.05",
    )


def _fed_per_second(arrays: Path, network: str) -> float:
    """Feeds three epochs to nobody."""
    data = GalaxyDataModule(str(arrays), batch_size=_BATCH[network], augment=_AUGMENT[network])
    loader = data.train_dataloader()
    generator = torch.Generator()
    images = 0
    for epoch in range(4):
        if epoch == 1:  # The first has read the pixels from the disk.
            began, images = time.perf_counter(), 0
        for batch in loader:
            images += len(AUGMENTATIONS[data.augment](batch, generator).rows)
    return images / (time.perf_counter() - began)


class _FirstBatch(Callback):
    at = 0.0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.at = self.at or time.perf_counter()


def _first_batch_seconds(arrays: Path) -> float:
    first = _FirstBatch()
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        max_steps=1,
        callbacks=[first],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=1,
    )
    began = time.perf_counter()
    trainer.fit(GalaxyClassifier(), GalaxyDataModule(str(arrays)))
    return first.at - began
