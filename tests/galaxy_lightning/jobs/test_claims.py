import threading

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.common.locks import try_lock
from galaxy_lightning.jobs import claims as waiting
from galaxy_lightning.jobs.claims import Claims
from tests.galaxy_lightning.jobs.made_jobs import make_job


@pytest.fixture
def jobs(tmp_path):
    return [make_job(tmp_path / "jobs", name) for name in ("a", "b", "c")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(waiting, "POLL_INTERVAL", 0.02)
    (tmp_path / "jobs").mkdir()


def complete(job):
    job.folder.mkdir(exist_ok=True)
    (job.folder / "run.json").write_text("{}")


def test_fits_are_claimed_in_order_by_one_command(jobs, tmp_path):
    complete(jobs[1])
    claims, others = Claims(jobs), Claims(jobs)
    with claims.take() as first:
        assert (first.job, first.number, first.is_complete) == (jobs[0], 0, False)
        assert len(first.inherited) == 1
        second = others.take()
        assert (second.job, second.is_complete, second.inherited) == (jobs[1], True, [])
        with others.take() as third:
            assert third.job == jobs[2]
            assert others.take() is None
            assert others.are_left
    assert others.take().job == jobs[0]
    assert others.take() is None
    assert others.wait() is None
    assert not others.are_left


def test_a_fit_that_another_command_trains_is_waited_for(jobs, capsys):
    claims, lock = Claims(jobs[:1]), try_lock(jobs[0].lock)

    def train():
        complete(jobs[0])
        lock.release()

    timer = threading.Timer(0.2, train)
    timer.start()
    claim = claims.wait()
    timer.join()
    assert claim.is_complete
    assert capsys.readouterr().err == "a: another command is training it: waiting for it\n"
    assert not jobs[0].lock.exists()


def test_a_fit_that_another_command_has_not_completed_is_trained(jobs, capsys):
    claims, lock = Claims(jobs[:1]), try_lock(jobs[0].lock)
    timer = threading.Timer(0.1, lock.release)
    timer.start()
    with claims.wait() as claim:
        assert not claim.is_complete
    timer.join()


def test_a_fit_that_is_completed_while_it_is_claimed_is_not_trained_again(jobs, monkeypatch):
    def completing(file):
        complete(jobs[0])
        return try_lock(file)

    monkeypatch.setattr(waiting, "try_lock", completing)
    assert Claims(jobs).take().is_complete
    assert not jobs[0].lock.exists()


def test_the_lock_that_a_killed_command_has_left_beside_a_complete_run_is_removed(jobs):
    for job in jobs[:2]:
        complete(job)
        job.lock.touch()
    held = try_lock(jobs[1].lock)
    claims = Claims(jobs[:2])
    assert claims.take().is_complete
    assert claims.take().is_complete
    assert not jobs[0].lock.exists()
    assert jobs[1].lock.exists()
    held.release()


def test_a_lock_that_cannot_be_written_is_reported(jobs, tmp_path):
    folder = tmp_path / "file"
    folder.write_text("")
    job = make_job(tmp_path / "jobs", "d")
    object.__setattr__(job, "folder", folder / "run")
    claims = Claims([job, jobs[0]])
    with claims.take() as claim, pytest.raises(GalaxyError, match="cannot be written"):
        claim.check()
    assert not claim.is_complete
    with claims.take() as other:
        assert other.job == jobs[0]
        other.check()
