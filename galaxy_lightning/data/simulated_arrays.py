"""Makes galaxy arrays from a simulated survey."""

import contextlib
import tempfile
from pathlib import Path

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.locks import wait_for_lock


def simulate_arrays(arrays: Path, galaxies: int, seed: int) -> None:
    """Simulates a survey next to ``arrays``, and makes the galaxy arrays from it.

    If several processes call this for the same folder, on one machine or on several with a shared disk, one
    makes the arrays and the others wait.

    Args:
        arrays: The folder to make.
        galaxies: Number of galaxies.
        seed: Seed of the survey.

    Raises:
        GalaxyError: The arrays could not be made, by this process or the one it waited for.
    """
    lock = arrays.with_name(f".{arrays.name}.simulating")
    waiting = f"Another process is simulating {arrays}: waiting for it"
    with contextlib.ExitStack() as stack:
        with explain_write_errors(arrays, lock):
            arrays.parent.mkdir(parents=True, exist_ok=True)
            waited = stack.enter_context(wait_for_lock(lock, waiting))
        if arrays.exists():
            return
        if waited:
            raise GalaxyError(f"the process that was simulating {arrays} has failed: see its message")
        _simulate(arrays, galaxies, seed)


def _simulate(arrays: Path, galaxies: int, seed: int) -> None:
    from data_prep.arrays.preprocess import preprocess
    from data_prep.samples.extract import extract
    from data_prep.simulate import add_truth, simulate_survey

    raw = arrays.with_name(f"{arrays.name}_raw")
    print(f"{arrays} is missing: making it from {galaxies:,} simulated galaxies in {raw}")
    simulate_survey(raw, galaxies, seed, overwrite=True)
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample.csv"
        extract(raw, sample, n="all")
        add_truth(sample, raw)
        preprocess(sample, raw, arrays)
