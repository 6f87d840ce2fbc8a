"""The LightningDataModule: batches from galaxy arrays or image files."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import Dataset, Sampler

from data_prep.arrays.format import GalaxyArrays, open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.schema import COLOURS, CROP_PX, SPLITS
from galaxy_lightning.data.augment import AUGMENTATIONS, Augmentation, Share
from galaxy_lightning.data.batch_ranges import BatchRanges, share_of_process
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.data.checks import require_compatible, require_unseen
from galaxy_lightning.data.datasets import ArrayDataset, require_shared_memory
from galaxy_lightning.data.device_pixels import DevicePixels
from galaxy_lightning.data.image_folders import ImageFolderDataset
from galaxy_lightning.data.loading import PrefetchingLoader, RangeSampler, ResumableSampler, make_loader
from galaxy_lightning.data.seen_galaxies import SeenGalaxies
from galaxy_lightning.data.simulated_arrays import simulate_arrays
from galaxy_lightning.data.training_images import TrainingImages
from galaxy_lightning.data.training_targets import Targets, add_targets
from galaxy_lightning.runtime.seeding import Stream, seed_for


class GalaxyDataModule(LightningDataModule):
    """Loads batches of galaxies from galaxy arrays or, to predict, from a folder of images.

    The training, validation and test split is stored in the arrays. Images stay uint8 until they are on the
    model's device.

    Args:
        arrays: Folder of galaxy arrays, from data_prep preprocess.
        images: For predict: folder of image files to classify instead of galaxy arrays.
        batch_size: Number of galaxies per batch.
        augment: Random augmentation of the training images: quarter_turns rotates them by multiples of 90
            degrees; any_view rotates them by any angle, mirrors, zooms and shifts them.
        targets: Training targets: labels; or votes, class probabilities from volunteers' votes, weighted by
            the number of votes.
        simulate: If the arrays are missing, make them from this many simulated galaxies.
        simulate_seed: Seed of the simulated galaxies. Negative seeds are reserved for pre-training: other
            surveys never contain their galaxies.
        verify: Verify the SHA-256 checksums of the arrays first (about one second per gigabyte).
        num_workers: Processes that load batches; 0 uses a thread, which is fast enough if the arrays fit into
            memory.
        on_device: Copy all images to GPU memory at the start (150 kB per image of 224 x 224 pixels), instead
            of batch by batch.
        seed: Seed of shuffling and augmentation.
        auxiliary: Catalogue columns of the auxiliary targets.
        pixel_scale: For predict: arcsec per pixel of the images, unless their headers state it (WCS). They
            are resampled to the scale of the training images.

    Attributes:
        predicted_splits: Splits to predict; all by default.
        training_images: For predict from a folder: what is known about the training images.
        pretrained_on: The galaxies on which the initial weights were trained.
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
        pixel_scale: float | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise GalaxyError(f"data.batch_size must be at least 1, not {batch_size}")
        if num_workers < 0:
            raise GalaxyError(f"data.num_workers must be at least 0, not {num_workers}")
        if pixel_scale is not None and images is None:
            raise GalaxyError("data.pixel_scale is that of data.images: leave it out for galaxy arrays")
        self.arrays_folder = Path(arrays) if arrays else None
        self.images_folder = Path(images) if images else None
        self.batch_size = batch_size
        self.augment, self.targets = augment, targets
        self.simulate, self.simulate_seed = simulate, simulate_seed
        self.verify, self.num_workers = verify, num_workers
        self.on_device = on_device
        self.seed = int(seed)
        self.auxiliary = list(auxiliary)
        self.crop, self.bands = CROP_PX, len(COLOURS)
        self.pixel_scale = pixel_scale
        self.training_images = TrainingImages()
        self.predicted_splits: tuple[str, ...] = SPLITS
        self._predicted_batches: BatchRanges | None = None
        self.pretrained_on = SeenGalaxies()
        self._arrays: GalaxyArrays | None = None
        self._device_pixels = DevicePixels()
        self._prepared = False
        self._skipped_galaxies = 0
        self._train_loader: PrefetchingLoader | None = None

    @property
    def arrays(self) -> GalaxyArrays:
        """The galaxy arrays, opened on first use.

        Raises:
            GalaxyError: No folder is given, or it cannot be read.
        """
        if self._arrays is None:
            if self.arrays_folder is None:
                raise GalaxyError("no galaxy arrays are given: add --data.arrays ARRAYS")
            self._arrays = open_arrays(self.arrays_folder)
        return self._arrays

    @functools.cached_property
    def image_folder(self) -> ImageFolderDataset:
        """The images to classify; found once, so that files added later do not change row numbers."""
        assert self.images_folder is not None
        images = self.training_images.to_predict(self.crop, self.pixel_scale, self.images_folder)
        return ImageFolderDataset(self.images_folder, images)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the data that a resumed fit must repeat."""
        settings = {name: getattr(self, name) for name in ("batch_size", "augment", "targets", "seed")}
        return {"arrays": self.arrays.dataset["sha256"]} | settings

    @functools.cached_property
    def _seen(self) -> dict[str, torch.Tensor]:
        """The galaxies that the model sees, as entries of a checkpoint."""
        trained_on = SeenGalaxies.from_arrays(self.arrays, "train") | self.pretrained_on
        return trained_on.state("train") | SeenGalaxies.from_arrays(self.arrays, "val").state("val")

    def state_dict(self) -> dict[str, Any]:
        """Returns the entries of a checkpoint: galaxies, settings and the position in the epoch."""
        loader, (processes, rank) = self._train_loader, self._processes_and_rank()
        return {
            "taken": 0 if loader is None else loader.yielded % len(loader),
            "processes": processes,
            **(self._seen if rank == 0 else {}),  # The checkpoint is that of the first process.
            "arrays_folder": str(self.arrays.folder.resolve()),
            "settings": self.settings,
            "class_descriptions": self.arrays.class_descriptions,
            "images": self.arrays.dataset.get("images"),
            "pixel_scale": self.arrays.dataset.get("pixel_scale"),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Sets the position in the epoch at which a resumed fit starts."""
        self._skipped_galaxies = state_dict.get("taken", 0) * self.batch_size

    def prepare_data(self) -> None:
        """Simulates missing arrays if requested, and verifies the arrays, once."""
        if self._prepared or self.images_folder is not None:
            return
        self.simulate_missing()
        arrays = self.arrays
        if self.verify:
            arrays.verify()
        self._prepared = True

    def simulate_missing(self) -> None:
        """Simulates missing arrays if requested.

        Raises:
            GalaxyError: The arrays could not be made, by this process or the one it waited for.
        """
        arrays = self.arrays_folder
        if self.simulate and self.images_folder is None and arrays is not None and not arrays.exists():
            simulate_arrays(arrays, self.simulate, self.simulate_seed)

    def check_unchanged(self) -> None:
        """Checks that the arrays have not changed since they were opened, before results are written.

        Raises:
            GalaxyError: The arrays were changed or replaced.
        """
        if self.images_folder is None:
            self.arrays.require_unchanged()

    def check_compatible(self, classes: list[str], image_size: int, bands: int = len(COLOURS)) -> None:
        """Checks that the galaxies fit a model.

        Args:
            classes: The model's classes, in order.
            image_size: Side of the model's images in pixels.
            bands: Number of bands of the model's images.

        Raises:
            GalaxyError: The arrays have other classes, another image size or other bands.
        """
        self.crop, self.bands = image_size, bands
        if self.images_folder is None:
            require_compatible(self.arrays, classes, image_size, bands)

    def count_predicted_batches(self) -> int:
        """Returns the number of batches of a prediction, by all processes."""
        return math.ceil(len(self._predicted_dataset()) / self.batch_size)

    def predict_batches(self, batches: BatchRanges) -> None:
        """Sets the batches that this process predicts.

        Args:
            batches: Ranges of batches of the galaxies in order; a process may have none.
        """
        self._predicted_batches = batches
        self.allow_zero_length_dataloader_with_multiple_devices = True

    def check_can_train(self) -> None:
        """Checks that the training targets exist, and that the held-out galaxies are unseen.

        Raises:
            GalaxyError: Votes or auxiliary targets are missing, or the initial weights were trained on
                validation or test galaxies.
        """
        self._train_dataset()
        for split in ("val", "test"):
            require_unseen(self.arrays, split, self.pretrained_on)

    def train_dataloader(self) -> PrefetchingLoader:
        """Returns a loader of the training galaxies, which shuffles them in each epoch."""
        dataset = self._train_dataset()
        processes, rank = self._processes_and_rank()
        # Hashed, because the sampler adds the epoch: epoch 1 of seed 0 must differ from epoch 0 of seed 1.
        sampler = ResumableSampler(dataset, processes, rank, seed=seed_for(Stream.SHUFFLING, self.seed))
        # Lightning restores the loader's position, too, but not if a schedule has created the loader before.
        sampler.skip, self._skipped_galaxies = self._skipped_galaxies, 0
        self._train_loader = self._make_loader(dataset, sampler)
        return self._train_loader

    def val_dataloader(self) -> PrefetchingLoader:
        """Returns a loader of the validation galaxies, in order."""
        return self._make_sequential_loader(self._split_dataset("val"))

    def test_dataloader(self) -> PrefetchingLoader:
        """Returns a loader of the test galaxies, in order."""
        return self._make_sequential_loader(self._split_dataset("test"))

    def predict_dataloader(self) -> PrefetchingLoader:
        """Returns a loader of the image folder, or of the galaxies in :attr:`predicted_splits`, in order."""
        dataset = self._predicted_dataset()
        batches = self._predicted_batches
        if batches is None:
            batches = share_of_process([(0, self.count_predicted_batches())], *self._processes_and_rank())
        return self._make_loader(dataset, RangeSampler(batches, self.batch_size, len(dataset)))

    def on_after_batch_transfer(self, batch: GalaxyBatch, dataloader_idx: int) -> GalaxyBatch:
        """Adds images from device memory, and augments training batches.

        The augmentation depends only on seed, epoch and batch, so that a resumed fit repeats that of an
        uninterrupted fit, also on another number of processes.
        """
        if not batch.images.numel():
            images = self._device_pixels.load(self.arrays, batch.rows.device)
            batch = batch._replace(images=images[batch.rows])
        trainer = self.trainer
        if trainer is None or not trainer.training or self.augment == "none":
            return batch
        # The last number was once that of the process; 0 keeps the random numbers of one process.
        position = (trainer.current_epoch, trainer.fit_loop.batch_idx + 1, 0)
        generator = torch.Generator()
        generator.manual_seed(seed_for(Stream.AUGMENTATION, self.seed, *position))
        return AUGMENTATIONS[self.augment](batch, generator, Share(*self._processes_and_rank()))

    def _train_dataset(self) -> ArrayDataset:
        dataset = self._split_dataset("train")
        add_targets(dataset, self.arrays, self.targets, self.auxiliary)
        return dataset

    def _split_dataset(self, *splits: str) -> ArrayDataset:
        # A CPU reads the memory map as fast as its memory.
        on_device = self.on_device and self.trainer and self.trainer.strategy.root_device.type != "cpu"
        return ArrayDataset(self.arrays, self.arrays.require_rows(*splits), read_images=not on_device)

    def _processes_and_rank(self) -> tuple[int, int]:
        return (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)

    def _predicted_dataset(self) -> ImageFolderDataset | ArrayDataset:
        is_folder = self.images_folder is not None
        return self.image_folder if is_folder else self._split_dataset(*self.predicted_splits)

    def _make_sequential_loader(self, dataset: ArrayDataset) -> PrefetchingLoader:
        """Makes a loader that yields each galaxy once over all processes, so that none is counted twice."""
        processes, rank = self._processes_and_rank()
        return self._make_loader(
            dataset, UnrepeatedDistributedSampler(dataset, processes, rank, shuffle=False)
        )

    def _make_loader(self, dataset: Dataset[GalaxyBatch], sampler: Sampler[Any]) -> PrefetchingLoader:
        galaxies = min(self.batch_size, len(dataset))  # type: ignore[arg-type]
        require_shared_memory(self.bands * self.crop**2 * galaxies, self.num_workers)
        return make_loader(dataset, sampler, self.batch_size, self.num_workers)
