"""cutouts killed at any moment and run again: no cutout is lost, none is requested twice without need."""

import random
import signal
import time

import numpy as np
import pandas as pd
import pytest

from tests.data_prep.cutouts.image_server import BODIES, SIZE
from tests.data_prep.cutouts.runs import start
from tests.fuzzing import SOAKING

pytestmark = pytest.mark.soak

COUNT = 1000 if SOAKING else 400
CONNECTIONS = 16
KILLS = 40 if SOAKING else 2
PERMANENT = {"blank": "blank image", 404: "HTTP status 404", "large": "128 x 128", "png": "PNG", 400: "HTTP"}
TRANSIENT = [503, 500, 408, (429, "0"), (503, "1"), "cut", "truncated", "empty", "page", "redirect"]


def test_every_row_has_one_result(server, tmp_path):
    generator = random.Random(None if SOAKING else 0)
    numbers = list(range(COUNT))
    generator.shuffle(numbers)
    permanent = dict(zip(numbers, [*PERMANENT] * 8, strict=False))
    transient = dict(zip(numbers[40:], TRANSIENT * 3, strict=False))

    def mood(key, attempt):
        number = int(key) - 10**18
        return permanent.get(number, transient.get(number, "ok") if attempt == 1 else "ok")

    server.mood = mood
    table, out = tmp_path / "t.csv", tmp_path / "out"
    ids = 10**18 + np.arange(COUNT)
    ra = np.where(np.arange(COUNT) % 50 == 49, np.nan, np.linspace(1, 300, COUNT))
    pd.DataFrame({"objid": ids, "ra": ra, "dec": 0.5}).to_csv(table, index=False)
    words = [
        "cutouts", "--table", str(table), "--url", server.template, "--pixel-scale", "0.4",
        "--size", str(SIZE), "--out", str(out), "--connections", str(CONNECTIONS), "--rate", "400",
    ]  # fmt: skip
    landed = 0
    for _ in range(KILLS):
        before = len(server.requests)
        process = start(words)
        wanted = before + generator.randint(1, COUNT // KILLS)
        while len(server.requests) < wanted and process.poll() is None:
            time.sleep(0.005)
        landed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert landed
    process = start(words)
    written, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (0, "")
    saved, failed = pd.read_csv(out / "cutouts.csv"), pd.read_csv(out / "cutouts_failed.csv")
    assert sorted([*saved["objid"], *failed["objid"]]) == ids.tolist()
    assert saved["objid"].is_monotonic_increasing
    assert f"Saved {len(saved)} cutouts to {out}; {len(failed)} not available" in written
    reasons = dict(zip(failed["objid"] - 10**18, failed["reason"], strict=True))
    without_position = {number for number in range(COUNT) if number % 50 == 49}
    assert reasons.keys() == permanent.keys() | without_position
    for number, reason in reasons.items():
        expected = "position missing" if number in without_position else PERMANENT[permanent[number]]
        assert expected in reason
    assert all((out / path).read_bytes() == BODIES["ok"] for path in saved["path"])
    files = {path.name for path in out.rglob("*")}
    assert files == {
        *saved["path"], "cutouts.csv", "cutouts_failed.csv", "cutouts.json", ".cutouts_failed.jsonl",
    }  # fmt: skip
    again = [key for key, count in server.served.items() if count > 1]
    assert len(again) <= 2 * CONNECTIONS * landed
    assert max(server.served.values()) <= 1 + landed
    asked = len(server.requests)
    assert start(words).wait(60) == 0
    assert len(server.requests) == asked
