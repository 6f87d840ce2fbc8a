"""The galaxy arrays as batches: one stored split, shuffled and augmented from one seed."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import Dataset, Sampler

from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.schema import CROP_PX, SPLITS
from galaxy_lightning.data.augment import AUGMENTATIONS, Augmentation
from galaxy_lightning.data.auxiliary_targets import standardised
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.data.checks import require_same_kind, require_unseen
from galaxy_lightning.data.datasets import ArrayDataset, ImageFolderDataset, require_shared_memory
from galaxy_lightning.data.device_pixels import DevicePixels
from galaxy_lightning.data.loading import InOrder, ReadAhead, Resumable, as_is
from galaxy_lightning.data.simulated_arrays import simulate_arrays
from galaxy_lightning.data.vote_targets import vote_targets
from galaxy_lightning.runtime.seeding import Stream, seed_for

Targets = Literal["labels", "votes"]


class GalaxyDataModule(LightningDataModule):
    """Feeds the galaxy arrays to a model, or, for ``predict``, any folder of images.

    Pixels stay uint8 until they are on the model's device. The split is the one that is stored
    with the arrays; none is drawn here.

    Args:
        arrays: Folder made by ``python -m data_prep preprocess``.
        images: For predict: a folder of image files to classify instead of the arrays.
        batch_size: Galaxies in a batch.
        augment: What happens to training images every time they are seen: quarter_turns turns each one
            by 0, 90, 180 or 270 degrees, any_view by any angle, mirrors, zooms and moves it too,
            none leaves them.
        targets: What to train on: labels, or votes, which say how sure the label is and count each
            galaxy by its number of votes.
        simulate: Where the arrays are missing, make them from this many simulated galaxies.
        simulate_seed: Seed of these galaxies. Negative seeds are reserved for pre-training: no other
            simulated survey has the same galaxies.
        verify: Check the arrays' SHA-256 first (about a second per gigabyte).
        num_workers: Processes that read ahead; 0 is a thread, which is enough where the arrays fit into the
            computer's memory: a batch is one read.
        on_device: Keep all pixels on a GPU, so that nothing is read or sent while it works: where it has
            room for them (150 kB a galaxy at 224 pixels).
        seed: Seed of the shuffling and the augmentation.
        auxiliary: Catalogue columns that the model predicts as auxiliary targets.

    Attributes:
        predicted_splits: The splits that are predicted; all of them unless :meth:`predict_on` chooses.
    """

    def __init__(
        self,
        arrays: str | None = None,
        images: str | None = None,
        batch_size: int = 64,
        augment: Augmentation = "quarter_turns",
        targets: Targets = "labels",
        simulate: int = 0,
        simulate_seed: int = 0,
        verify: bool = True,
        num_workers: int = 0,
        on_device: bool = False,
        seed: int = 0,
        auxiliary: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise GalaxyError(f"data.batch_size must be at least 1, not {batch_size}")
        if num_workers < 0:
            raise GalaxyError(f"data.num_workers must be at least 0, not {num_workers}")
        self.arrays_folder = Path(arrays) if arrays else None
        self.images_folder = Path(images) if images else None
        self.batch_size = batch_size
        self.augment = augment
        self.targets = targets
        self.simulate = simulate
        self.simulate_seed = simulate_seed
        self.verify = verify
        self.num_workers = num_workers
        self.on_device = on_device
        self.seed = int(seed)
        self.auxiliary = list(auxiliary)
        self.crop = CROP_PX
        self.predicted_splits: tuple[str, ...] = SPLITS
        self._predicted_batches = 0
        self._seen_before: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._arrays: GalaxyArrays | None = None
        self._device_pixels = DevicePixels()
        self._prepared = False
        self._skip = 0
        self._training: ReadAhead | None = None

    @property
    def arrays(self) -> GalaxyArrays:
        """The galaxy arrays, opened on first use.

        Raises:
            GalaxyError: None were named, or they cannot be read.
        """
        if self._arrays is None:
            if self.arrays_folder is None:
                raise GalaxyError("no galaxy arrays were named: add --data.arrays ARRAYS")
            self._arrays = open_arrays(self.arrays_folder)
        return self._arrays

    @functools.cached_property
    def image_folder(self) -> ImageFolderDataset:
        """The folder of images to classify, searched once: a file that is added later changes no row."""
        assert self.images_folder is not None
        return ImageFolderDataset(self.images_folder, self.crop)

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint remembers of the data: the seen galaxies, and what the fit depends on."""
        taken = self._training.taken % len(self._training) if self._training is not None else 0
        return {
            "taken": taken,
            "processes": self._share()[0],
            "train_objids": torch.from_numpy(np.union1d(self._objids("train"), self._seen_before)),
            "val_objids": torch.from_numpy(np.unique(self._objids("val"))),
            "arrays_folder": str(self.arrays.folder.resolve()),
            "settings": {
                "arrays": self.arrays.dataset["sha256"],
                "batch_size": self.batch_size,
                "augment": self.augment,
                "targets": self.targets,
                "seed": self.seed,
            },
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Has a resumed fit begin where in its epoch it was saved."""
        self._skip = state_dict.get("taken", 0) * self.batch_size

    def prepare_data(self) -> None:
        """Makes the arrays where they are missing and may be simulated, and verifies them; once."""
        if self._prepared or self.images_folder is not None:
            return
        self.simulate_missing()
        arrays = self.arrays
        if self.verify:
            arrays.verify()
        self._prepared = True

    def simulate_missing(self) -> None:
        """Makes the arrays where they are missing and may be simulated.

        Raises:
            GalaxyError: They could not be made, here or by the process that was waited for.
        """
        arrays = self.arrays_folder
        if self.simulate and self.images_folder is None and arrays is not None and not arrays.exists():
            simulate_arrays(arrays, self.simulate, self.simulate_seed)

    def check_unchanged(self) -> None:
        """Stops before anything is written of arrays that were changed or replaced meanwhile.

        Raises:
            GalaxyError: They were.
        """
        if self.images_folder is None:
            self.arrays.require_unchanged()

    def check_fits(self, classes: list[str], image_size: int) -> None:
        """Stops when a model cannot work on these galaxies.

        Args:
            classes: The model's classes, in order.
            image_size: Side of the images that the model takes, in pixels.

        Raises:
            GalaxyError: The arrays hold other classes or another image size.
        """
        self.crop = image_size
        if self.images_folder is None:
            require_same_kind(self.arrays, classes, image_size)

    def exclude(self, objids: npt.NDArray[np.int64]) -> None:
        """Keeps galaxies out of validation and test: the weights were trained on them before this fit.

        Args:
            objids: ``[N]`` object ids.
        """
        self._seen_before = objids

    def predict_on(self, *splits: str) -> None:
        """Chooses the splits that are predicted, instead of all.

        Args:
            splits: Their names.
        """
        self.predicted_splits = splits

    def resume_prediction(self, batches: int) -> None:
        """Leaves out the first batches of the next prediction by this process.

        Args:
            batches: How many are predicted already.
        """
        self._predicted_batches = batches

    def check_can_train(self) -> None:
        """Stops before a fit that could not be trained, or not be measured.

        Raises:
            GalaxyError: Votes are to be trained on and there are none; or galaxies to validate or test on
                are among those that the weights have seen before.
        """
        self._training_set()
        for split in ("val", "test"):
            require_unseen(self.arrays, split, self._seen_before)

    def train_dataloader(self) -> ReadAhead:
        """Returns the training galaxies, shuffled anew each epoch."""
        dataset = self._training_set()
        processes, rank = self._share()
        # The sampler adds the epoch to its seed: epoch 1 of seed 0 must not be shuffled as epoch 0 of seed 1.
        sampler = Resumable(dataset, processes, rank, seed=seed_for(Stream.SHUFFLING, self.seed))
        # Lightning hands over the loader's state too, but not where a schedule has asked for it before.
        sampler.skip, self._skip = self._skip, 0
        self._training = self._loader(dataset, sampler)
        return self._training

    def val_dataloader(self) -> ReadAhead:
        """Returns the validation galaxies, in order."""
        return self._in_order(self._split("val"))

    def test_dataloader(self) -> ReadAhead:
        """Returns the test galaxies, in order."""
        return self._in_order(self._split("test"))

    def predict_dataloader(self) -> ReadAhead:
        """Returns the images of the folder, or the galaxies of :attr:`predicted_splits`, in order."""
        from_folder = self.images_folder is not None
        dataset = self.image_folder if from_folder else self._split(*self.predicted_splits)
        return self._in_order(dataset, skip=self._predicted_batches * self.batch_size)

    def on_after_batch_transfer(self, batch: GalaxyBatch, dataloader_idx: int) -> GalaxyBatch:
        """Completes a batch on its device, and augments it where it is trained on.

        The chance depends on seed, epoch, batch and rank alone: a resumed fit turns each galaxy
        as the uninterrupted one would have.
        """
        if not batch.images.numel():
            pixels = self._device_pixels.on(batch.rows.device, self.arrays)
            batch = batch._replace(images=pixels[batch.rows])
        trainer = self.trainer
        if trainer is None or not trainer.training or self.augment == "none":
            return batch
        place = (trainer.current_epoch, trainer.fit_loop.batch_idx + 1, trainer.global_rank)
        generator = torch.Generator()
        generator.manual_seed(seed_for(Stream.AUGMENTATION, self.seed, *place))
        return AUGMENTATIONS[self.augment](batch, generator)

    def _training_set(self) -> ArrayDataset:
        dataset = self._split("train")
        if self.targets == "votes":
            targets, weights = vote_targets(self.arrays, dataset.rows)
            dataset.train_on(targets=targets, weights=weights)
        if self.auxiliary:
            dataset.train_on(auxiliary=standardised(self.arrays, dataset.rows, self.auxiliary))
        return dataset

    def _objids(self, split: str) -> npt.NDArray[np.int64]:
        return np.asarray(self.arrays.catalog["objid"].to_numpy()[self.arrays.rows(split)])

    def _split(self, *splits: str) -> ArrayDataset:
        device = self.trainer.strategy.root_device.type if self.trainer else "cpu"
        on_device = self.on_device and device != "cpu"  # A CPU reads the memory map as fast.
        return ArrayDataset(self.arrays, self.arrays.require_rows(*splits), pixels=not on_device)

    def _share(self) -> tuple[int, int]:
        """Returns how many processes share the galaxies, and which of them this is."""
        return (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)

    def _in_order(self, dataset: Dataset[GalaxyBatch], skip: int = 0) -> ReadAhead:
        """Loads each galaxy once, however many processes share them: none is to be counted twice."""
        return self._loader(dataset, InOrder(dataset, *self._share(), skip=skip))

    def _loader(self, dataset: Dataset[GalaxyBatch], sampler: Sampler[Any]) -> ReadAhead:
        galaxies = min(self.batch_size, len(dataset))  # type: ignore[arg-type]
        require_shared_memory(3 * self.crop**2 * galaxies, self.num_workers)
        return ReadAhead(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            collate_fn=as_is,  # type: ignore[arg-type]  # A batch comes whole from __getitems__.
            pin_memory=torch.cuda.is_available(),
        )
