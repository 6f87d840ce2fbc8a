import math
import shutil

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from sklearn import metrics as sklearn_metrics

from data_prep.arrays.format import open_arrays
from data_prep.common.errors import GalaxyError
from data_prep.schema import CLASSES
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.training.module import GalaxyClassifier


@pytest.fixture
def model():
    torch.manual_seed(0)
    return GalaxyClassifier(image_size=64)


@pytest.fixture
def trainer(tmp_path):
    def make(**settings):
        return Trainer(
            default_root_dir=tmp_path,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **settings,
        )

    return make


def test_images_are_scaled_exactly_once(model):
    seen = []
    model.network.register_forward_pre_hook(lambda network, inputs: seen.append(inputs[0]))
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    model(images)
    assert seen[0].shape == (2, 3, 64, 64)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(seen[0], images.permute(0, 3, 1, 2) / 255)


@pytest.mark.parametrize("images", [torch.rand(2, 64, 64, 3), torch.zeros(2, 3, 64, 64, dtype=torch.uint8)])
def test_scaled_images_and_other_layouts_are_refused(model, images):
    with pytest.raises(ValueError, match="expected uint8 images"):
        model(images)


def test_the_output_is_the_mean_over_zooms():
    model = GalaxyClassifier("galaxy_cnn", image_size=64, zooms=3).eval()
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        found = model(images)
        each = [
            model.network(model.network.prepare(images, torch.eye(2, 3).mul(zoom).expand(2, 2, 3)))
            for zoom in (math.exp(-0.2), 1.0, math.exp(0.2))
        ]
    torch.testing.assert_close(found, torch.stack(each).mean(dim=0))
    with pytest.raises(GalaxyError, match="model.zooms must be at least 1, not 0"):
        GalaxyClassifier(zooms=0)


def test_hyperparameters_are_plain_values(model):
    assert all(isinstance(value, str | int | float | list | None) for value in model.hparams.values())
    assert model.hparams["network"] == "reference_cnn"
    assert model.hparams["classes"] == list(CLASSES)


def test_adam_has_keras_epsilon(model):
    (group,) = model.make_optimizer().param_groups
    assert (group["lr"], group["eps"], group["betas"]) == (1e-3, 1e-7, (0.9, 0.999))


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_figures_equal_those_of_scikit_learn(model, trainer, small_arrays, split):
    arrays = open_arrays(small_arrays)
    truth = arrays.labels[arrays.rows(split)]
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(arrays.images[arrays.rows(split)]))
    predicted = logits.argmax(dim=1).numpy()
    data = GalaxyDataModule(str(small_arrays), batch_size=5)
    run = trainer()
    (run.validate if split == "val" else run.test)(model, data, verbose=False)
    found = {name: float(value) for name, value in run.callback_metrics.items()}
    assert found[f"{split}_accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(truth, predicted))
    cross_entropy = torch.nn.functional.cross_entropy(logits, torch.from_numpy(truth))
    assert found[f"{split}_loss"] == pytest.approx(
        float(cross_entropy + model.network.penalty().detach()), rel=1e-5
    )
    for name, score in (
        ("recall", sklearn_metrics.recall_score),
        ("precision", sklearn_metrics.precision_score),
        ("f1", sklearn_metrics.f1_score),
    ):
        per_class = score(truth, predicted, labels=[0, 1, 2], average=None, zero_division=0)
        # A class without galaxies has no recall; one without galaxies and predictions has no figures.
        defined = np.isin([0, 1, 2], truth if name == "recall" else np.concatenate([truth, predicted]))
        for label, expected, shown in zip(CLASSES, per_class, defined, strict=True):
            assert found.get(f"{split}_{name}_{label}") == (pytest.approx(expected) if shown else None)
        assert found[f"{split}_{name}"] == pytest.approx(per_class[defined].mean())
    metrics = model.val_metrics if split == "val" else model.test_metrics
    expected = sklearn_metrics.confusion_matrix(truth, predicted, labels=[0, 1, 2])
    assert np.array_equal(metrics.confusion.compute().numpy(), expected)


class Watcher(Callback):
    """Records the confusion matrices at the end of each epoch, and the training batches."""

    def __init__(self):
        self.val, self.train, self.images = [], [], []

    def on_validation_epoch_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.val.append(int(pl_module.val_metrics.confusion.compute().sum()))

    def on_train_epoch_end(self, trainer, pl_module):
        self.train.append(int(pl_module.train_metrics.confusion.compute().sum()))

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.images.append((batch.rows, batch.images))


def test_a_confusion_matrix_covers_one_epoch_without_the_sanity_check(model, trainer, small_arrays):
    watcher = Watcher()
    data = GalaxyDataModule(str(small_arrays), batch_size=16)
    trainer(max_epochs=2, callbacks=[watcher]).fit(model, data)
    assert watcher.val == [len(data.arrays.rows("val"))] * 2
    assert watcher.train == [len(data.arrays.rows("train"))] * 2


def test_only_training_images_are_augmented(model, trainer, small_arrays):
    data = GalaxyDataModule(str(small_arrays), batch_size=16)
    watcher = Watcher()
    trainer(max_epochs=2, callbacks=[watcher]).fit(model, data)
    stored = torch.from_numpy(data.arrays.images.copy())
    turned = [
        not torch.equal(image, stored[row])
        for rows, images in watcher.images
        for row, image in zip(rows, images, strict=True)
    ]
    assert 0.5 < np.mean(turned) < 0.95
    seen = []
    model.network.register_forward_pre_hook(lambda network, inputs: seen.append(inputs[0]))
    trainer().validate(model, data, verbose=False)
    expected = stored[data.arrays.rows("val")].permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(torch.cat(seen), expected)


def test_the_network_learns_a_simple_task(model, trainer, small_arrays, tmp_path):
    copy = shutil.copytree(small_arrays, tmp_path / "arrays")
    pixels, labels = np.load(copy / "images.npy", mmap_mode="r+"), open_arrays(copy).labels
    pixels[:, 20:44, 20:44] = (labels * 80 + 40).astype(np.uint8)[:, None, None, None]
    pixels.flush()
    run = trainer(max_epochs=30)
    run.fit(model, GalaxyDataModule(str(copy), batch_size=8, verify=False))
    assert float(run.callback_metrics["val_accuracy"]) > 0.9


def test_soft_targets_train_towards_their_probabilities(model):
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.tensor([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.3, 0.4], [0.1, 0.8, 0.1]])
    weights = torch.tensor([0.5, 1.0, 2.0, 0.5])
    model.loss(logits, targets, weights).backward()
    pull = (logits.softmax(dim=1) - targets) * weights[:, None] / len(logits)
    torch.testing.assert_close(logits.grad, pull.detach())
    # A label is a target with probability 1.
    labels = torch.tensor([0, 1, 2, 1])
    sure = torch.nn.functional.one_hot(labels, 3).float()
    torch.testing.assert_close(model.loss(logits, sure), model.loss(logits, labels))


def test_auxiliary_targets_must_be_in_the_batches(small_arrays):
    model = GalaxyClassifier("galaxy_cnn", weights="none", image_size=64, auxiliary=["redshift"])
    batch = next(iter(GalaxyDataModule(str(small_arrays), batch_size=4).val_dataloader()))
    with pytest.raises(ValueError, match="set the data module's `auxiliary`"):
        model.training_step(batch, 0)
