import pytest

from benchmarks.steps import steps_per_second


@pytest.mark.parametrize("network", ["reference_cnn", "galaxy_cnn"])
def test_steps_are_timed(network):
    assert steps_per_second(network, "cpu", 2, None, warm=1, counted=2) > 0
