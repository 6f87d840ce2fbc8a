import hashlib

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.sources import fetch as module
from data_prep.sources.fetch import MAX_ATTEMPTS, fetch
from tests.data_prep.published import Publisher
from tests.full_disk import largest_file

CONTENT = bytes(range(256)) * 4000
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    publisher = Publisher()
    publisher.files["data.bin"] = CONTENT
    yield publisher
    publisher.close()


@pytest.fixture
def get(publisher, tmp_path):
    def get():
        fetch(f"{publisher.url}/data.bin", tmp_path / "data.bin", CHECKSUM)
        assert (tmp_path / "data.bin").read_bytes() == CONTENT
        assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]

    return get


def test_a_file_is_downloaded_once(publisher, get):
    get()
    get()
    assert publisher.asked("data.bin") == [None]


def test_a_file_with_a_wrong_checksum_is_downloaded_again(publisher, get, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"something else")
    get()


def test_an_interrupted_transfer_resumes(publisher, get):
    publisher.moods["data.bin"] = ["cut", "cut", "ok"]
    get()
    first, *rest = publisher.asked("data.bin")
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in rest]
    assert first is None
    assert len(CONTENT) / 3 < starts[0] < starts[1] < len(CONTENT)


def test_an_interrupted_transfer_resumes_in_the_next_call(publisher, get, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 1)
    publisher.moods["data.bin"] = ["cut", "ok"]
    with pytest.raises(GalaxyError, match="run the command again later"):
        get()
    size = (tmp_path / "data.bin.part").stat().st_size
    assert size > len(CONTENT) / 3
    get()
    assert publisher.asked("data.bin")[1] == f"bytes={size}-"


def test_a_server_without_range_requests_sends_the_whole_file_again(publisher, get):
    publisher.moods["data.bin"] = ["cut", "whole"]
    get()


def test_a_file_that_changed_meanwhile_is_downloaded_from_the_start(publisher, get, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 1)
    publisher.files["data.bin"] = bytes(len(CONTENT))
    publisher.moods["data.bin"] = ["cut", "ok"]
    with pytest.raises(GalaxyError):
        get()
    publisher.files["data.bin"] = CONTENT
    get()


def test_a_part_longer_than_the_file_is_discarded(publisher, get, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT * 2)
    get()


def test_a_part_of_another_file_is_detected(publisher, get, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(b"?" * 1000)
    get()
    assert publisher.asked("data.bin") == ["bytes=1000-", None]


def test_redirections_are_followed(publisher, get):
    publisher.moods["data.bin"] = ["redirect", "ok"]
    get()


@pytest.mark.parametrize("status", [503, 500, 429])
def test_a_busy_server_is_asked_again(publisher, get, status):
    publisher.moods["data.bin"] = [status, status, "ok"]
    get()


def test_a_server_that_stays_busy_is_given_up_after_some_tries(publisher, get, tmp_path):
    publisher.moods["data.bin"] = [503]
    with pytest.raises(GalaxyError, match="503.*run the command again later"):
        get()
    assert len(publisher.requests) == MAX_ATTEMPTS
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_missing_file_is_requested_once(publisher, get, status, tmp_path):
    publisher.moods["data.bin"] = [status]
    with pytest.raises(GalaxyError, match=f"the server responded {status}"):
        get()
    assert len(publisher.requests) == 1
    assert not list(tmp_path.iterdir())


def test_wrong_bytes_never_get_the_final_name_and_are_downloaded_once(publisher, get, tmp_path):
    publisher.moods["data.bin"] = ["wrong"]
    with pytest.raises(GalaxyError, match="is not the file that was published: its checksum is not sha256:"):
        get()
    assert publisher.asked("data.bin") == [None]
    assert not list(tmp_path.iterdir())


def test_wrong_bytes_after_a_part_are_downloaded_once_more(publisher, get, tmp_path):
    publisher.moods["data.bin"] = ["cut", "cut", "wrong"]
    (tmp_path / "data.bin.part").write_bytes(b"?" * 1000)
    with pytest.raises(GalaxyError, match="is not the file that was published"):
        get()
    assert len(publisher.asked("data.bin")) <= 4
    assert not list(tmp_path.iterdir())


def test_a_part_of_another_file_is_discarded_only_once(publisher, get, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(b"?" * 1000)
    publisher.moods["data.bin"] = ["ok", "wrong"]
    with pytest.raises(GalaxyError, match="is not the file that was published"):
        get()
    assert publisher.asked("data.bin") == ["bytes=1000-", None]


def test_a_complete_but_unverified_part_is_not_downloaded_again(publisher, get, tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("hashlib.file_digest", interrupted)
        get()
    assert (tmp_path / "data.bin.part").stat().st_size == len(CONTENT)
    get()
    assert publisher.asked("data.bin") == [None, f"bytes={len(CONTENT)}-"]


def test_a_full_disk_keeps_what_has_arrived(publisher, get, tmp_path):
    with largest_file(len(CONTENT) // 2), pytest.raises(GalaxyError) as caught:
        get()
    part = tmp_path / "data.bin.part"
    assert str(caught.value) == f"{part} cannot be written: File too large"
    assert part.stat().st_size == len(CONTENT) // 2
    assert len(publisher.requests) == 1
    get()
    assert publisher.asked("data.bin")[1] == f"bytes={len(CONTENT) // 2}-"


def test_a_server_that_cannot_be_reached_is_an_error(publisher, get):
    publisher.close()
    with pytest.raises(GalaxyError, match="could not be downloaded"):
        get()
