import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from galaxy_lightning.networks.rings import EDGES, SCALES, WIDE_EDGES, RingMeasures, RingsExpert

PIXELS = 112


@pytest.fixture(scope="module")
def galaxies():
    """Returns two smooth round galaxies in three colours; the second has structure."""
    rows, columns = np.indices((PIXELS, PIXELS)) - (PIXELS - 1) / 2
    light = np.exp(-np.hypot(rows, columns) / 12)[None] * np.array([0.9, 0.6, 0.3])[:, None, None]
    clumps = light * (1 + 0.3 * np.random.default_rng(0).standard_normal((1, PIXELS, PIXELS)))
    return torch.from_numpy(np.stack([light, clumps.clip(0, 1)])).float()


def ring(edges, number):
    """Returns the pixels of a ring, computed directly."""
    rows, columns = np.indices((PIXELS, PIXELS)) - (PIXELS - 1) / 2
    radius = np.hypot(rows, columns) / (PIXELS / 2)
    return (radius >= edges[number]) & (radius < edges[number + 1])


def test_brightness_is_the_mean_of_each_ring_and_colour(galaxies):
    rings = len(EDGES) - 1
    profile = RingMeasures(PIXELS)(galaxies)[:, : 3 * rings].view(2, 3, rings)
    for number in (0, 3, rings - 1):
        by_hand = np.log(galaxies.numpy()[:, :, ring(EDGES, number)].mean(axis=2) + 0.02)
        np.testing.assert_allclose(profile[:, :, number], by_hand, rtol=1e-4)


@pytest.mark.parametrize("bands", [1, 2, 5])
def test_each_band_has_its_profile(galaxies, bands):
    rings = len(EDGES) - 1
    images = torch.cat([galaxies, galaxies], dim=1)[:, :bands]
    measures = RingMeasures(PIXELS, bands)
    found, colour = measures(images), RingMeasures(PIXELS)(galaxies)
    assert found.shape == (2, measures.outputs)
    profiles = found[:, : bands * rings].view(2, bands, rings)
    torch.testing.assert_close(
        profiles, colour.view(2, -1)[:, : 3 * rings].view(2, 3, rings)[:, [0, 1, 2, 0, 1][:bands]]
    )
    assert RingsExpert(PIXELS, 4, 2, bands)(images).shape == (2, 6)


def test_structure_equals_the_difference_of_scipy_gaussians(galaxies):
    rings = len(WIDE_EDGES) - 1
    structure = RingMeasures(PIXELS)(galaxies)[:, 3 * (len(EDGES) - 1) :].view(2, len(SCALES), rings)
    for place, galaxy in enumerate(galaxies.mean(dim=1).numpy().astype(np.float64)):
        kept = galaxy
        for scale, sigma in enumerate(np.array(SCALES) * PIXELS):
            # At the edge, the mean covers only pixels of the image.
            options = {"sigma": sigma, "mode": "constant", "truncate": 12.0}
            blurred = gaussian_filter(kept, **options) / gaussian_filter(np.ones_like(kept), **options)
            for number in (0, 2, rings - 1):
                by_hand = np.log((kept - blurred)[ring(WIDE_EDGES, number)].std() + 0.001)
                assert structure[place, scale, number].item() == pytest.approx(by_hand, abs=2e-3)
            kept = blurred


def test_clumps_have_structure_and_smooth_light_has_none(galaxies):
    smooth, clumpy = RingMeasures(PIXELS)(galaxies)[:, 3 * (len(EDGES) - 1) :].view(2, len(SCALES), -1)
    assert (clumpy[0, :4] > smooth[0, :4] + 0.5).all()


def test_a_batch_of_one_galaxy_can_be_trained_on(galaxies):
    expert = RingsExpert(PIXELS, classes=3).train()
    expert(galaxies)
    before = expert.norm.running_mean.clone()
    assert torch.isfinite(expert(galaxies[:1])).all()
    torch.testing.assert_close(expert.norm.running_mean, before)


@pytest.mark.parametrize("pixels", [16, 22])
def test_rings_without_pixels_give_finite_measures(pixels):
    measures = RingMeasures(pixels)
    found = measures(torch.rand(2, 3, pixels, pixels))
    assert found.shape == (2, measures.outputs)
    assert torch.isfinite(found).all()
