"""The options against reliance on colour: ``model.colour_jitter`` and ``model.grey``."""

import numpy as np
import pytest
import torch

from data_prep.common.errors import GalaxyError
from galaxy_lightning.data.augment import jitter_colours
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.training.checkpoint_writer import write_checkpoint
from galaxy_lightning.training.checkpoints import load_model
from galaxy_lightning.training.module import GalaxyClassifier

SKY = 0.05


def discs(number, brightness, side=32):
    """Returns round galaxies ``[number, 3, side, side]`` of random colours."""
    position = torch.linspace(-1, 1, side)
    disc = torch.exp(-6 * torch.hypot(position[:, None], position))
    colours = 0.5 + 0.5 * torch.rand(number, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    return SKY + brightness * colours * disc


def above_sky(images):
    """Returns the brightness of the central pixels ``[B, bands, 4, 4]`` above the median of the image."""
    return (images - images.flatten(2).median(dim=2).values[..., None, None])[..., 14:18, 14:18]


def stored(number=4, side=64):
    """Returns stored images whose mean over bands is a whole number, and the same in grey."""
    generator = np.random.default_rng(0)
    grey = generator.integers(60, 190, (number, side, side, 1))
    change = generator.integers(-60, 60, grey.shape)
    coloured = np.concatenate([grey + change, grey, grey - change], axis=-1)
    return [torch.from_numpy(values.astype(np.uint8)) for values in (coloured, grey.repeat(3, axis=-1))]


def seen_in_training(model, images, seed=0):
    """Returns what a network sees in a training step, and the loss."""
    seen, rows = [], torch.arange(len(images))
    with model.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])):
        torch.manual_seed(seed)
        loss = model.train().training_step(GalaxyBatch(images, rows % 3, rows, {}), 0)
    return seen[0], loss


def make(**settings):
    torch.manual_seed(0)
    return GalaxyClassifier(image_size=64, **settings)


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_without_jitter_the_training_is_unchanged_bit_for_bit():
    images, _ = stored()
    (usual, loss), (zero, same) = (
        seen_in_training(make(**settings), images) for settings in ({}, {"colour_jitter": 0.0})
    )
    assert torch.equal(zero, usual)
    assert torch.equal(zero, images.permute(0, 3, 1, 2) / 255)
    assert torch.equal(same, loss)


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_jitter_changes_the_colour_of_training_galaxies_only():
    images = (discs(4, 0.4, side=64).permute(0, 2, 3, 1) * 255).to(torch.uint8)
    model = make(colour_jitter=0.5)
    before = images.permute(0, 3, 1, 2) / 255
    first, again = (seen_in_training(model, images, seed=1)[0] for _ in range(2))
    assert torch.equal(first, again)
    other, _ = seen_in_training(model, images, seed=2)
    assert (first - before).abs().amax(dim=(1, 2, 3)).min() > 0.01
    assert (first - other).abs().amax(dim=(1, 2, 3)).min() > 0.01
    plain = make()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(model.eval()(images), plain.eval()(images))


def test_jitter_keeps_the_luminosity_of_each_pixel():
    before = discs(50, 0.3)
    torch.manual_seed(0)
    after = jitter_colours(before, 0.3)
    change = (after - before).mean(dim=1)
    bright = before.mean(dim=1) > SKY + 0.02
    assert bright.float().mean() > 0.05
    assert change[bright].abs().max() < 1e-5
    # At the noise level of the sky, it may change by about as much.
    assert change.abs().max() < 0.01
    # Clipped pixels can only become fainter.
    bright = discs(50, 1.2).clamp(0, 1)
    torch.manual_seed(0)
    clipped = jitter_colours(bright, 0.3)
    assert clipped.max() == 1
    assert (clipped - bright).mean(dim=1).max() < 0.01


def test_the_colour_of_a_galaxy_changes_by_the_given_magnitudes():
    before = discs(1000, 0.2)
    torch.manual_seed(0)
    after = jitter_colours(before, 0.2)
    ratio = above_sky(after) / above_sky(before)
    colour = 2.5 * torch.log10(ratio[:, 0] / ratio[:, 1])
    # The same change in all pixels of a galaxy, the difference of two independent ones.
    assert colour.flatten(1).std(dim=1).max() < 1e-3
    each = colour.mean(dim=(1, 2))
    assert abs(float(each.mean())) < 0.03
    assert float(each.std()) == pytest.approx(0.2 * 2**0.5, rel=0.1)


@pytest.mark.parametrize("network", ["galaxy_cnn", "reference_cnn"])
def test_the_colour_plays_no_role_in_a_grey_model(network):
    coloured, grey = stored()
    blind, usual = (make(network=network, grey=setting).eval() for setting in (True, False))
    with torch.no_grad():
        torch.testing.assert_close(blind(coloured), blind(grey))
        torch.testing.assert_close(blind(grey), usual(grey))
        assert not torch.allclose(usual(coloured), usual(grey), atol=1e-3)


@pytest.mark.parametrize(("is_grey", "jitter"), [(True, 0.0), (False, 0.25)])
def test_a_checkpoint_keeps_the_options(small_arrays, tmp_path, is_grey, jitter):
    model = make(network="galaxy_cnn", grey=is_grey, colour_jitter=jitter)
    write_checkpoint(tmp_path / "best.ckpt", model, GalaxyDataModule(str(small_arrays)))
    loaded = load_model(tmp_path / "best.ckpt").eval()
    assert loaded.network.grey == is_grey
    assert (loaded.hparams["grey"], loaded.hparams["colour_jitter"]) == (is_grey, jitter)
    coloured, grey = stored()
    with torch.no_grad():
        assert torch.allclose(loaded(coloured), loaded(grey), atol=1e-3) == is_grey


def test_grey_images_have_no_colour_to_change():
    with pytest.raises(GalaxyError, match="model.colour_jitter must be 0 with grey images, not 0.1"):
        GalaxyClassifier(grey=True, colour_jitter=0.1)


@pytest.mark.parametrize("jitter", [-0.1, 5.1, float("nan")])
def test_invalid_jitter_is_refused(jitter):
    with pytest.raises(GalaxyError, match=f"model.colour_jitter must be 0 to 5 magnitudes, not {jitter}"):
        GalaxyClassifier(colour_jitter=jitter)
