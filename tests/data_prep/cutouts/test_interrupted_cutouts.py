"""The command in a second process, interrupted, and what it leaves."""

import signal
import threading
import time

import pytest

from data_prep.cli import main
from tests.data_prep.cutouts.runs import no_litter, read, start


def test_a_second_process_is_refused(server, words, fails, tmp_path):
    command = words()
    server.mood = lambda key, attempt: "slow"
    process = start([*command, "--rate", "5"])
    try:
        while not server.requests:
            time.sleep(0.02)
        assert "another process is making" in fails(command)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("number", "status", "said", "mood"),
    [
        (signal.SIGINT, 130, "interrupted", "slow"),
        (signal.SIGINT, 130, "interrupted", "hang"),
        (signal.SIGTERM, 143, "terminated", "hang"),
        (signal.SIGTERM, 143, "terminated", 503),
    ],
)
def test_an_interrupted_command_ends_at_once_and_resumes(server, words, tmp_path, number, status, said, mood):
    server.mood = lambda key, attempt: "ok" if len(server.requests) < 4 else mood
    command = words("--rate", "50")
    process = start(command)
    while len(server.requests) < 6:
        time.sleep(0.02)
    began = time.monotonic()
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert time.monotonic() - began < 3
    assert process.returncode == status
    assert error.strip().splitlines() == [
        f"The cutouts so far are in {tmp_path}/out: run the same command again to resume",
        f"python -m data_prep cutouts: {said}",
    ]
    server.mood = lambda key, attempt: "ok"
    main(command)
    assert len(read(tmp_path / "out")[0]) == 12
    no_litter(tmp_path / "out")


def test_no_thread_is_left(server, words):
    main(words())
    time.sleep(0.3)
    names = [thread.name for thread in threading.enumerate() if "(run)" in thread.name]
    assert names == []
