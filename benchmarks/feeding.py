"""The data module: how fast it feeds, how soon, and that its memory does not grow."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.nn import functional

from benchmarks.ceilings import copied_per_second
from benchmarks.commands import Survey, run
from benchmarks.rows import Row, ratio
from galaxy_lightning.augment import AUGMENTATIONS, Augmentation
from galaxy_lightning.datamodule import GalaxyDataModule
from galaxy_lightning.module import GalaxyClassifier
from galaxy_lightning.networks import make_network

GALAXIES = 2000
_BATCH = {"reference_cnn": 64, "galaxy_cnn": 16}
_AUGMENT: dict[str, Augmentation] = {"reference_cnn": "quarter_turns", "galaxy_cnn": "any_view"}


def measure(survey: Survey, repeats: int) -> Iterator[Row]:
    """Yields the rows of the data module."""
    arrays = survey.arrays(GALAXIES)
    for network in ("reference_cnn", "galaxy_cnn"):
        fed, taken, copied = [], [], []
        for _ in range(repeats):
            fed.append(_fed_per_second(arrays, network))
            taken.append(_taken_per_second(network))
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


def _taken_per_second(network: str) -> float:
    """Trains on one batch that lies ready."""
    model = make_network(network, 3, 224, None, "none", None, 1.0).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())
    size = _BATCH[network]
    images = torch.randint(256, (size, 224, 224, 3), dtype=torch.uint8)
    labels = torch.zeros(size, dtype=torch.int64)
    for step in range(9):
        if step == 3:
            began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            view = model.look(images)
            loss = sum(functional.cross_entropy(logits, labels) for logits in model.opinions(view))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[union-attr]
        optimizer.step()
    return 6 * size / (time.perf_counter() - began)


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
