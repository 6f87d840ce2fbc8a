"""The light profiles, compared with astropy and with their analytic totals."""

import numpy as np
import pytest
from astropy.modeling.models import Sersic2D

from data_prep.simulate import light

SHAPE = (301, 301)
CENTRE = (150.0, 150.0)


@pytest.mark.parametrize("n", [0.5, 1.0, 2.5, 4.0])
def test_sersic_profiles_equal_those_of_astropy(n: float) -> None:
    radius, axis_ratio, angle = 12.0, 0.6, 0.7
    ours = light.sersic(light.plane(SHAPE, CENTRE, axis_ratio, angle), radius, n)

    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    # Our angles increase anticlockwise on the image, whose rows increase downwards.
    theirs = Sersic2D(1.0, radius, n, *CENTRE, ellip=1 - axis_ratio, theta=-angle)(x, y)
    # The centre is softened, and values below the range of float32 are zero.
    compared = (np.hypot(x - CENTRE[0], y - CENTRE[1]) > 5) & (theirs > 1e-9)
    ratio = ours[compared] / theirs[compared]

    assert ratio.std() / ratio.mean() < 0.01


@pytest.mark.parametrize("n", [0.5, 1.0])
def test_sersic_holds_half_its_light_within_the_effective_radius(n: float) -> None:
    disc = light.plane(SHAPE, CENTRE, 0.5, 0.3)
    profile = light.sersic(disc, 15.0, n)

    assert profile.sum() == pytest.approx(1.0, abs=0.01)
    assert profile[disc.radius < 15.0].sum() == pytest.approx(0.5, abs=0.01)


def test_edge_on_disc_and_clumps_integrate_to_one() -> None:
    disc = light.plane(SHAPE, CENTRE)
    knots = light.clumps(disc, np.random.default_rng(0), count=5, spread=10.0, size=(2.0, 4.0))

    assert light.edge_on_disc(disc, 10.0, 3.0).sum() == pytest.approx(1.0, abs=0.01)
    assert knots.sum() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("winding", [-1, 1])
def test_arms_wind_in_the_given_direction(winding: int) -> None:
    disc = light.plane(SHAPE, CENTRE)
    arms = light.spiral_arms(
        disc, scale_length=20.0, arms=1, pitch=np.pi / 4, winding=winding, sharpness=5.0, phase=0.0
    )

    # With a pitch angle of 45 degrees and one arm, the crest is at azimuth = winding * ln(r / scale length).
    for radius in (20.0, 30.0, 60.0):
        azimuth = winding * np.log(radius / 20.0)
        column = round(CENTRE[0] + radius * np.cos(azimuth))
        row = round(CENTRE[1] - radius * np.sin(azimuth))
        assert arms[row, column] > 0.95 * arms.max()
    ring = np.abs(disc.radius - 50) < 1
    assert arms[ring].mean() == pytest.approx(1.0, abs=0.03)


def test_dust_is_densest_in_the_lane() -> None:
    depth = light.dust_lane(light.plane(SHAPE, CENTRE), depth=1.5, height=3.0, length=40.0, offset=10.0)

    assert depth[140, 150] == depth.max() == pytest.approx(1.5)
