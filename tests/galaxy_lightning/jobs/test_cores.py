import os
import sys
import threading

import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.jobs import cores as shares
from galaxy_lightning.jobs.cores import Share, count_at_once, describe_at_once, share_cores


@pytest.fixture
def machine(monkeypatch):
    """Simulates a machine with a number of cores."""

    def machine(number):
        monkeypatch.setattr(shares, "cores", lambda: number)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2 * core for core in range(number)})

    return machine


@pytest.mark.parametrize(
    ("number", "asked", "fits", "expected", "line"),
    [
        (8, 2, 5, 2, "Training up to 2 fits at once, each on 4 cores"),
        (8, 5, 5, 5, "Training up to 5 fits at once, each on 1 core"),
        (16, 5, 5, 5, "Training up to 5 fits at once, each on 3 cores"),
        (2, 8, 5, 2, "Training up to 2 fits at once, each on 1 core (--jobs 8, but only 2 cores)"),
        (8, 8, 3, 3, "Training up to 3 fits at once, each on 2 cores (--jobs 8, but only 3 fits)"),
        (1, 2, 5, 1, "Training one fit at a time (--jobs 2, but only 1 core)"),
        (2, 2, 1, 1, "Training one fit at a time (--jobs 2, but only 1 fit)"),
        (2, 2, 0, 1, "Training one fit at a time (--jobs 2, but only 1 fit)"),
        (2, 1, 5, 1, "Training one fit at a time"),
    ],
)
def test_no_more_fits_at_once_than_cores_or_fits(machine, number, asked, fits, expected, line):
    machine(number)
    assert count_at_once(asked, fits) == expected
    assert describe_at_once(asked, expected) == line


@pytest.mark.parametrize("asked", [0, -1])
def test_at_least_one_job(asked):
    with pytest.raises(GalaxyError, match=f"--jobs {asked} must be at least 1"):
        count_at_once(asked, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says which cores a process may use")
def test_shares_are_equal_and_do_not_overlap(machine):
    machine(5)
    one, other = share_cores(2)
    assert one == Share(2, 2, frozenset({0, 2}))
    assert other == Share(2, 2, frozenset({4, 6}))


def test_the_number_of_threads_is_that_of_the_cores_unless_the_user_has_set_it(monkeypatch):
    for name in shares._THREADS:
        monkeypatch.delenv(name, raising=False)
    alone = {"OMP_NUM_THREADS": "3", "TF_NUM_INTRAOP_THREADS": "3", "TF_NUM_INTEROP_THREADS": "3"}
    assert Share(3, 2).environment() == alone | {"GALAXY_FITS_AT_ONCE": "2"}
    assert Share(3, 2).environment(processes=2)["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("number", "kept"),
    [("2", "2"), ("3", "3"), ("7", "3"), ("7,2", "3"), (" 2 ", " 2 "), ("2,7", "2,7"), ("many", "many")],
)
def test_the_users_number_of_threads_is_at_most_that_of_the_cores(monkeypatch, number, kept):
    """A batch script of SLURM sets it to all cores of the job."""
    for name in shares._THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", number)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "1")
    threads = Share(3, 2).environment()
    assert os.environ | threads | {"OMP_NUM_THREADS": kept} == os.environ | threads
    assert threads["TF_NUM_INTRAOP_THREADS"] == kept
    assert (os.environ | threads)["TF_NUM_INTEROP_THREADS"] == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins threads")
def test_only_the_thread_is_pinned(monkeypatch):
    before, found = os.sched_getaffinity(0), []
    core = min(before)

    def pin():
        with Share(1, 2, frozenset({core})).pinned():
            found.append(os.sched_getaffinity(0))
        found.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=pin)
    thread.start()
    thread.join()
    assert found == [{core}, before]
    assert os.sched_getaffinity(0) == before
    with Share(1, 2).pinned():
        assert os.sched_getaffinity(0) == before
