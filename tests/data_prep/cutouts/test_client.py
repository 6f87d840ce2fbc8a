import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest

from data_prep.common.errors import GalaxyError
from data_prep.cutouts import client as module
from data_prep.cutouts.answers import (
    NoImageError,
    TransientError,
    WrongAnswerError,
    recognise,
)
from data_prep.cutouts.client import Client, RateLimiter, Stopped
from data_prep.cutouts.services import choose_service
from data_prep.sources.fetch import MAX_ATTEMPTS
from tests.data_prep.cutouts.image_server import BODIES, SIZE

SERVICE = choose_service(None, "https://a.org/{ra}/{dec}", SIZE)


@pytest.fixture
def fetch(server, hurried):
    def fetch(client=None, key="1"):
        client = client or Client(1000, SERVICE.max_bytes)
        url = f"{server.url}/image?id={key}"
        return client.fetch(url, lambda content: recognise(content, SERVICE))

    return fetch


def test_an_image_is_received_with_one_request(server, fetch):
    assert fetch().content == BODIES["ok"]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "mood", [408, 425, 429, 500, 502, 503, "cut", "truncated", "empty", "page", "text", "hang"]
)
def test_transient_failures_are_repeated(server, fetch, mood, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    client = Client(1000, SERVICE.max_bytes)
    fetch(client, key="0")
    server.mood = lambda key, attempt: mood if attempt < 3 else "ok"
    assert fetch(client).content == BODIES["ok"]
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("mood", "message"),
    [
        (503, "HTTP status 503 Service Unavailable"),
        ("cut", "the connection was interrupted"),
        ("page", "web page instead of an image"),
    ],
)
def test_the_number_of_attempts_is_limited(server, fetch, mood, message, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.1)
    server.mood = lambda key, attempt: mood
    with pytest.raises(TransientError, match=message):
        fetch()
    assert len(server.requests) == MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("mood", "error", "message"),
    [
        (400, WrongAnswerError, "HTTP status 400 Bad Request"),
        (404, WrongAnswerError, "HTTP status 404 Not Found"),
        (403, GalaxyError, "refuses requests: HTTP status 403 Forbidden for http://[^?]*/image .*Down for"),
        (401, GalaxyError, "refuses requests: HTTP status 401"),
        ("blank", NoImageError, "blank image"),
        ("large", WrongAnswerError, "128 x 128"),
    ],
)
def test_permanent_failures_are_not_repeated(server, fetch, mood, error, message):
    server.mood = lambda key, attempt: mood
    with pytest.raises(error, match=message):
        fetch()
    assert len(server.requests) == 1


def test_a_server_error_that_means_no_image_is_accepted_the_second_time(server, fetch):
    server.mood = lambda key, attempt: 500
    with pytest.raises(WrongAnswerError, match="HTTP status 500.*, as outside the survey"):
        fetch(Client(1000, SERVICE.max_bytes, unavailable=(500,)))
    assert len(server.requests) == 2


def test_the_content_type_is_not_believed_and_redirects_are_followed(server, fetch):
    server.mood = lambda key, attempt: "wrong type"
    assert fetch().content == BODIES["ok"]
    server.mood = lambda key, attempt: "redirect" if attempt == 1 else "ok"
    assert fetch(key="2").content == BODIES["ok"]
    assert [path for _, path, _ in server.requests][1:] == ["/image", "/moved"]


@pytest.mark.parametrize(
    ("location", "error", "message", "attempts"),
    [
        ("/image?id=1", TransientError, "^too many redirects$", 6 * MAX_ATTEMPTS),
        ("ftp://x/y", WrongAnswerError, "^a redirect to an invalid address$", 1),
        (f"http://{'a' * 70}..b:99999999/", WrongAnswerError, "^a redirect to an invalid address$", 1),
        ("http://[::1/", WrongAnswerError, "^a redirect to an invalid address$", 1),
    ],
)
def test_a_redirect_that_leads_nowhere_is_an_answer(server, fetch, location, error, message, attempts):
    server.mood = lambda key, attempt: ("to", location)
    client = Client(1000, 10**6)
    with pytest.raises(error, match=message):
        fetch(client)
    assert client.has_answered
    assert len(server.requests) == attempts


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_compressed_answer_is_unpacked(server, fetch, encoding):
    server.mood = lambda key, attempt: encoding
    assert fetch().content == BODIES["ok"]


def test_a_damaged_compressed_answer_is_transient(server, fetch):
    server.mood = lambda key, attempt: "damaged gzip"
    with pytest.raises(TransientError, match="^damaged compressed answer$"):
        fetch()
    assert len(server.requests) == MAX_ATTEMPTS


def test_a_large_answer_is_not_read(server, fetch):
    with pytest.raises(WrongAnswerError, match="answer of more than 100 bytes"):
        fetch(Client(1000, 100))


@pytest.mark.parametrize(
    ("mood", "error", "message"),
    [
        ("drip", TransientError, "answer that took longer than 0.7 seconds"),
        ("drip 403", GalaxyError, "refuses requests: HTTP status 403 Forbidden for http://[^ ]*/image$"),
    ],
)
def test_an_answer_that_takes_too_long_is_ended(server, fetch, mood, error, message, monkeypatch):
    monkeypatch.setattr(module, "MAX_REQUEST_SECONDS", 0.7)
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 1)
    server.mood = lambda key, attempt: mood
    began = time.monotonic()
    with pytest.raises(error, match=message):
        fetch()
    assert 0.7 < time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9/", "^no connection to the server: Connection refused$"),
        ("http://name.invalid/", "could not be resolved"),
    ],
)
def test_a_server_that_cannot_be_reached(hurried, url, message):
    client = Client(1000, 100)
    with pytest.raises(TransientError, match=message):
        client.fetch(url, len)
    assert not client.has_answered


def test_until_anything_has_answered_there_are_two_attempts(server, fetch, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.1)
    server.mood = lambda key, attempt: "hang"
    client = Client(1000, SERVICE.max_bytes)
    with pytest.raises(TransientError, match="did not answer in time"):
        fetch(client)
    assert len(server.requests) == 2
    server.mood = lambda key, attempt: "ok"
    fetch(client, key="2")
    server.mood = lambda key, attempt: "hang"
    server.requests.clear()
    with pytest.raises(TransientError, match="did not answer in time"):
        fetch(client, key="3")
    assert len(server.requests) == MAX_ATTEMPTS


def in_threads(fetch, client, number, threads):
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(fetch, client, str(key)) for key in range(number)]:
            future.result()


def test_requests_of_all_threads_begin_at_the_rate(server, fetch):
    server.mood = lambda key, attempt: "slow"
    in_threads(fetch, Client(40, SERVICE.max_bytes), 24, 8)
    moments = sorted(server.times)
    assert moments[-1] - moments[0] > 22 / 40
    # In any second are at most the allowed requests; a request may arrive a little late.
    assert min(later - first for first, later in zip(moments, moments[9:], strict=False)) > 4 / 40
    assert 2 <= server.most_at_once <= 8


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_all_threads_pause_when_the_service_asks_for_it(server, fetch, form, status):
    wait = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    asked = threading.Event()

    def mood(key, attempt):
        if key == "3" and attempt == 1:
            asked.set()
            return (status, wait)
        return "ok"

    server.mood = mood
    in_threads(fetch, Client(100, SERVICE.max_bytes), 30, 4)
    moments = sorted(server.times)
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert asked.is_set()
    assert max(pauses) > 0.9
    # A few requests had begun before the answer.
    assert pauses.index(max(pauses)) < 25
    assert len(moments) == 31


def test_a_long_pause_is_announced_once(server, fetch, monkeypatch, capsys):
    monkeypatch.setattr(RateLimiter, "wait_for_turn", lambda self: None)
    server.mood = lambda key, attempt: (429, "600") if attempt == 1 else "ok"
    in_threads(fetch, Client(100, SERVICE.max_bytes), 4, 4)
    assert capsys.readouterr().err == "the service asks to wait 600 s (HTTP 429)\n"
    server.mood = lambda key, attempt: (503, "9") if attempt == 1 else "ok"
    fetch(key="short")
    assert capsys.readouterr().err == ""


def test_a_pause_is_limited_and_a_wrong_one_is_ignored(server, fetch, monkeypatch):
    monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 0.2)
    for wait in ("100000", "soon", "-1", formatdate(time.time() - 100, usegmt=True)):
        server.mood = lambda key, attempt, wait=wait: (429, wait) if attempt == 1 else "ok"
        began = time.monotonic()
        fetch(key=wait)
        assert time.monotonic() - began < 1


def test_waiting_ends_when_the_client_is_stopped():
    limiter = RateLimiter(1)
    limiter.wait_for_turn()
    limiter.pause(100)
    threading.Timer(0.1, limiter.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        limiter.wait_for_turn()
    assert time.monotonic() - began < 5
