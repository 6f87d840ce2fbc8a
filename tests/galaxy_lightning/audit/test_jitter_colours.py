import numpy as np
import pytest
import torch

from galaxy_lightning.audit.source_measures import GREEN_RED, measure_source
from galaxy_lightning.data.augment import jitter_colours
from tests.galaxy_lightning.audit.made_galaxies import make_galaxy


def views(n, **how):
    """Returns ``[n, bands, H, H]`` copies of a galaxy in [0, 1]."""
    image = torch.from_numpy(
        make_galaxy(**{"side": 64, "sigma": 5, "peak": (60, 50, 45), "noise": 0.5} | how)
    )
    return (image.permute(2, 0, 1) / 255).expand(n, -1, -1, -1)


def test_colours_change_by_the_given_deviation_and_the_luminosity_does_not():
    torch.manual_seed(0)
    before = views(40)
    after = jitter_colours(before, 0.1)
    torch.testing.assert_close(after.mean(dim=1), before.mean(dim=1), atol=2e-3, rtol=0)
    images = np.rint(255 * after.permute(0, 2, 3, 1).numpy()).astype(np.uint8)
    original = measure_source(make_galaxy(64, 5, peak=(60, 50, 45), noise=0.5)).measures
    for colour in ("colour", GREEN_RED):
        changes = [measure_source(image).measures[colour] - original[colour] for image in images]
        # Each colour is the difference of two bands, whose magnitudes change independently.
        assert np.std(changes) == pytest.approx(0.1 * np.sqrt(2), rel=0.3)
        assert abs(np.mean(changes)) < 0.06


def test_no_deviation_leaves_the_images_unchanged():
    torch.testing.assert_close(jitter_colours(views(3), 0.0), views(3))


@pytest.mark.parametrize("bands", [1, 5])
def test_other_numbers_of_bands_keep_their_luminosity(bands):
    before = views(8, peak=(60,) * bands, sky=(20,) * bands, noise=0)
    after = jitter_colours(before, 0.5)
    torch.testing.assert_close(after.mean(dim=1), before.mean(dim=1), atol=5e-3, rtol=0)
    assert (bands == 1) == torch.allclose(after, before, atol=5e-3)


def test_the_global_generator_determines_the_change():
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(jitter_colours(views(2), 0.3))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0][0], found[0][1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_images_stay_the_same_and_all_stay_in_range(dtype, value):
    empty = torch.full((4, 3, 8, 8), value, dtype=dtype)
    assert torch.equal(jitter_colours(empty, 5.0), empty)
    noise = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    changed = jitter_colours(noise, 5.0)
    assert changed.dtype == dtype
    assert changed.isfinite().all()
    assert ((changed >= 0) & (changed <= 1)).all()
