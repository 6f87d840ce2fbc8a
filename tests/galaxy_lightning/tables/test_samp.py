"""Tables sent to other programs: to astropy's hub, and to TOPCAT where it is installed."""

import os
import shutil
import signal
import subprocess
import time
import urllib.parse
import warnings
from pathlib import Path

import pytest

from data_prep.common.errors import GalaxyError
from galaxy_lightning.tables.samp import send_table
from tests.galaxy_lightning.tables.made_tables import converted

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    samp = pytest.importorskip("astropy.samp")


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """The file by which programs find the hub; no other hub is found."""
    path = tmp_path / "hub.samp"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{path.as_uri()}")
    return path


@pytest.fixture
def hub(lock):
    server = samp.SAMPHubServer(web_profile=False, lockfile=str(lock), addr="127.0.0.1")
    server.start()
    yield server
    server.stop()


def receiver(lock, message, received):
    client = samp.SAMPIntegratedClient(name="receiver", addr="127.0.0.1")
    client.connect()
    client.bind_receive_notification(
        message, lambda key, sender, kind, params, extra: received.append(params)
    )
    return client


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(".vot", "table.load.votable"), (".xml", "table.load.votable"), (".fits", "table.load.fits")],
)
def test_all_programs_that_load_the_format_get_the_file(hub, lock, suffix, message, tmp_path):
    path = converted(tmp_path, suffix)
    received = []
    client = receiver(lock, message, received)
    try:
        assert send_table(path) == ["receiver"]
        deadline = time.monotonic() + 10
        while not received and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        client.disconnect()
    url = urllib.parse.urlparse(received[0]["url"])
    assert (url.scheme, Path(urllib.parse.unquote(url.path))) == ("file", path)
    assert received[0]["name"] == "out"


def test_a_hub_without_programs(hub, tmp_path):
    assert send_table(converted(tmp_path, ".vot")) == []


def test_without_a_hub_nothing_is_sent(lock, tmp_path):
    assert send_table(converted(tmp_path, ".vot")) is None


def test_other_formats_are_not_sent(tmp_path):
    with pytest.raises(GalaxyError, match=r"FITS and VOTable only: name the table t\.fits, \.vot or \.xml"):
        send_table(tmp_path / "t.csv")


@pytest.mark.soak
def test_topcat_loads_the_table(lock, tmp_path):
    if not (shutil.which("topcat") and shutil.which("xvfb-run")):
        pytest.skip("topcat and xvfb-run are not installed")
    words = ["xvfb-run", "-a", "topcat", "-hub"]
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as topcat:
        try:
            deadline, received = time.monotonic() + 60, None
            while received != ["topcat"] and time.monotonic() < deadline:
                time.sleep(0.5)
                received = send_table(converted(tmp_path, ".vot"))
            assert received == ["topcat"]
        finally:
            os.killpg(topcat.pid, signal.SIGTERM)
