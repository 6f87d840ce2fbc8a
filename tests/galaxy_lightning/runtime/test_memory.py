import contextlib
import mmap
import subprocess
import sys
import threading

import numpy as np
import pytest

from galaxy_lightning.runtime import memory
from galaxy_lightning.runtime.memory import PeakMemory, own_memory_mb

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells a process's own memory"
)


@contextlib.contextmanager
def held(size):
    """Allocates memory that is returned to the system at once, even if this process keeps freed memory."""
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
        for page in range(0, size, mmap.PAGESIZE):
            pages[page] = 1
        yield


def watching():
    return [thread for thread in threading.enumerate() if thread.name == "peak-memory"]


@linux
def test_released_memory_is_counted():
    with PeakMemory() as peak:
        before = own_memory_mb()
        with held(200_000_000):
            peak._sample()  # However busy the machine is.
        after = own_memory_mb()
    assert after < before + 100
    assert before + 190 < peak.mb < before + 300


@linux
def test_the_thread_finds_a_peak():
    with PeakMemory() as peak:
        before, waited = own_memory_mb(), threading.Event()
        looks = 0
        with held(100_000_000):
            while peak.mb < before + 90 and looks < 10_000:
                waited.wait(0.01)
                looks += 1
    assert peak.mb > before + 90


@linux
def test_the_pages_of_a_mapped_file_are_not_counted(tmp_path):
    np.save(tmp_path / "images.npy", np.ones(200_000_000, dtype=np.uint8))
    with PeakMemory() as peak:
        before = own_memory_mb()
        images = np.load(tmp_path / "images.npy", mmap_mode="r")
        assert images[::1024].sum() == len(images[::1024])
        peak._sample()
    assert peak.mb < before + 50


def test_no_thread_remains():
    peak = PeakMemory()
    peak.start()
    peak.start()
    assert len(watching()) <= 1
    peak.stop()
    peak.stop()
    assert not watching()


def test_the_memory_of_the_parent_is_not_counted():
    ours = bytearray(300_000_000)
    code = (
        "from galaxy_lightning.runtime.memory import PeakMemory\n"
        "with PeakMemory() as peak: pass\nprint(peak.mb)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1 < float(done.stdout) < len(ours) / 1e6


def test_other_systems_report_the_resident_memory_or_nothing(monkeypatch):
    monkeypatch.setattr(memory, "own_memory_mb", lambda: None)
    with PeakMemory() as peak:
        assert not watching()
    assert peak.mb > 10
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak.mb is None


def test_an_ended_process_has_no_memory():
    assert own_memory_mb(2**30) is None
