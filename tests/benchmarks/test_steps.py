import pytest

from benchmarks.steps import trained_images_per_second


@pytest.mark.parametrize("network", ["reference_cnn", "galaxy_cnn"])
def test_steps_are_timed(network):
    assert trained_images_per_second(network, "cpu", 2, None, warmup=1, steps=2) > 0
