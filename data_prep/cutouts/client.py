"""Requests images from a service: at a limited rate, and with pauses when the service asks for them."""

import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast

import requests
from tqdm import tqdm
from urllib3.exceptions import (
    DecodeError,
    HTTPError,
    InvalidHeader,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Retry

from data_prep.common.environment import package_version
from data_prep.common.errors import GalaxyError
from data_prep.cutouts.answers import AnswerError, TransientError, WrongAnswerError, describe_text
from data_prep.cutouts.services import without_query
from data_prep.sources.fetch import MAX_ATTEMPTS, is_transient_status

MAX_PAUSE_SECONDS: Final = 600.0
"""The longest pause that a service can ask for."""
MAX_REQUEST_SECONDS: Final = 300.0
"""The longest duration of one request: a server that sends a byte now and then never times out."""
BACKOFF_SECONDS: Final = 1.0
"""The mean delay before the second attempt; it doubles with each further one."""
TIMEOUT_SECONDS: Final = 30.0
"""The longest time to wait for a connection, and for each part of an answer."""

_MAX_REDIRECTS: Final = 5
_FIRST_ATTEMPTS: Final = 2
"""Number of attempts at a request until anything has answered."""
_LONG_PAUSE_SECONDS: Final = 10.0
"""The user is told of longer pauses."""
_CHUNK: Final = 1 << 16
_TEXT_BYTES: Final = 4096
"""Number of bytes that are read of the text with which a service refuses requests."""
_REFUSALS: Final = (401, 402, 403, 407, 451)
"""HTTP statuses that concern every request: no permission."""
_TOO_MANY: Final = 429
_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}

Found = TypeVar("Found")


class Stopped(Exception):  # noqa: N818  # It is no error.
    """The client was stopped while it waited."""


class RateLimiter:
    """Lets requests of all threads begin one after another, with pauses in between.

    Args:
        rate: The maximum number of requests per second.
    """

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._next = 0.0
        self._lock, self._stopped = threading.Lock(), threading.Event()

    def wait_for_turn(self) -> None:
        """Waits until the next request may begin.

        Raises:
            Stopped: ``stop`` was called.
        """
        while True:
            with self._lock:
                now = time.monotonic()
                delay = self._next - now
                if delay <= 0:
                    self._next = now + self._interval
                    return
            self.wait(delay)

    def pause(self, seconds: float) -> float:
        """Lets no request begin for a time, in any thread; returns by how much this is longer than before."""
        with self._lock:
            before = max(self._next, time.monotonic())
            self._next = max(before, time.monotonic() + seconds)
            return self._next - before

    def wait(self, seconds: float) -> None:
        """Waits in this thread.

        Raises:
            Stopped: ``stop`` was called.
        """
        if self._stopped.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        """Ends all waiting, now and later."""
        self._stopped.set()


class Client:
    """Requests answers from one service, in any number of threads.

    Args:
        rate: The maximum number of requests per second.
        max_bytes: The maximum size of an answer in bytes.
        unavailable: HTTP statuses of a server error by which the service says that it has no image; accepted
            after the second such answer.

    Attributes:
        has_answered: Whether there was any answer so far, redirects included.
    """

    def __init__(self, rate: float, max_bytes: int, *, unavailable: tuple[int, ...] = ()) -> None:
        self.has_answered = False
        self._limiter = RateLimiter(rate)
        self._max_bytes, self._unavailable = max_bytes, unavailable
        self._local = threading.local()
        self._random = random.Random()  # noqa: S311  # Only spreads requests over time.

    def stop(self) -> None:
        """Ends the waiting of all threads; they raise ``Stopped``."""
        self._limiter.stop()

    def fetch(self, url: str, recognise: Callable[[bytes], Found]) -> Found:
        """Requests an answer, again after transient failures.

        Args:
            url: The URL.
            recognise: Returns the result from the body of an answer, or raises an ``AnswerError``.

        Raises:
            AnswerError: There is no such answer.
            GalaxyError: No request to the service can succeed.
            Stopped: ``stop`` was called.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            self._limiter.wait_for_turn()
            try:
                return recognise(self._receive(url, attempt))
            except TransientError:
                if attempt == MAX_ATTEMPTS or (attempt >= _FIRST_ATTEMPTS and not self.has_answered):
                    raise
                self._limiter.wait(self._delay(attempt))
        raise AssertionError

    def _delay(self, attempt: int) -> float:
        """Returns the seconds to wait after an attempt: doubled each time, and varied by half."""
        return BACKOFF_SECONDS * 2.0 ** (attempt - 1) * self._random.uniform(0.5, 1.5)

    def _receive(self, url: str, attempt: int) -> bytes:
        """Returns the body of an answer with the status 200."""
        deadline = time.monotonic() + MAX_REQUEST_SECONDS
        try:
            with self._session().get(url, stream=True, timeout=TIMEOUT_SECONDS) as response:
                if response.status_code != 200:
                    raise self._refusal(response, attempt, deadline)
                return self._read(response, deadline)
        # A redirect to an invalid address raises errors of urllib3 and of Python.
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise _explain(error, has_answered=self.has_answered) from error

    def _session(self) -> requests.Session:
        """Returns the session of this thread, which keeps its connection open."""
        if not hasattr(self._local, "session"):
            session = self._local.session = requests.Session()
            session.max_redirects = _MAX_REDIRECTS
            # Without compression, the length of the content shows whether it is complete.
            session.headers.update(
                {"User-Agent": f"galaxy-lightning/{package_version()}", "Accept-Encoding": "identity"}
            )
            session.hooks["response"].append(self._note_answer)
        return cast("requests.Session", self._local.session)

    def _note_answer(self, response: requests.Response, **_: Any) -> None:
        self.has_answered = True

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        """Returns the body of an answer, up to a size and within a time."""
        content = _read_until(response, self._max_bytes + 1, deadline)
        if len(content) > self._max_bytes:
            raise WrongAnswerError(f"answer of more than {self._max_bytes:,} bytes")
        length = response.headers.get("Content-Length", "")
        is_encoded = response.headers.get("Content-Encoding", "identity").strip().lower() != "identity"
        # Older versions of urllib3 do not raise an error.
        if length.isascii() and length.isdigit() and len(content) < int(length) and not is_encoded:
            raise TransientError(f"incomplete answer: {len(content):,} of {int(length):,} bytes")
        return content

    def _refusal(self, response: requests.Response, attempt: int, deadline: float) -> Exception:
        """Returns the error for an answer with another status than 200, after pausing as it asks."""
        status = response.status_code
        reason = f"HTTP status {status} {_PHRASES.get(status, '')}".strip()
        if status in _REFUSALS:
            text = ""
            with contextlib.suppress(TransientError, HTTPError):  # Without the text, it is still a refusal.
                text = describe_text(_read_until(response, _TEXT_BYTES, deadline))
            said = f" ({text})" if text else ""
            address = without_query(response.url)
            return GalaxyError(f"the image service refuses requests: {reason} for {address}{said}")
        if status in self._unavailable and attempt > 1:
            return WrongAnswerError(f"{reason}, as outside the survey")
        if not is_transient_status(status):
            return WrongAnswerError(reason)
        pause = _retry_after(response)
        if pause is not None or status == _TOO_MANY:
            longer = self._limiter.pause(self._delay(attempt) if pause is None else pause)
            if pause is not None and longer > _LONG_PAUSE_SECONDS:  # Not once in each thread.
                tqdm.write(f"the service asks to wait {pause:.0f} s (HTTP {status})", file=sys.stderr)
        return TransientError(reason)


def _read_until(response: requests.Response, size: int, deadline: float) -> bytes:
    """Returns the first bytes of the body of an answer.

    Args:
        response: The answer.
        size: The maximum number of bytes.
        deadline: The time by which they must have arrived, as that of ``time.monotonic``.

    Raises:
        TransientError: They have not.
    """
    content = bytearray()
    # Other functions wait for a whole piece, which takes forever if a server sends a byte now and then.
    while len(content) < size and (piece := response.raw.read1(_CHUNK, decode_content=True)):
        content += piece
        if time.monotonic() > deadline:
            raise TransientError(f"answer that took longer than {MAX_REQUEST_SECONDS:g} seconds")
    return bytes(content[:size])


def _retry_after(response: requests.Response) -> float | None:
    """Returns the seconds after which a service wants to be asked again; None if it does not say so."""
    header = response.headers.get("Retry-After")
    try:
        return None if header is None else min(Retry().parse_retry_after(header), MAX_PAUSE_SECONDS)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _explain(error: Exception, *, has_answered: bool) -> AnswerError:
    """Returns the reason of a failed request in a few words, without the addresses of Python objects."""
    if isinstance(error, requests.TooManyRedirects):
        return TransientError("too many redirects")
    if isinstance(error, requests.exceptions.ContentDecodingError | DecodeError):
        return TransientError("damaged compressed answer")
    if isinstance(error, requests.Timeout | ReadTimeoutError):
        return TransientError("the server did not answer in time")
    if isinstance(error, requests.exceptions.SSLError | SSLError):
        return TransientError("no secure connection to the server (SSL)")
    if isinstance(error, requests.exceptions.ProxyError):
        return TransientError("no connection through the proxy")
    text = str(error)
    if "NameResolutionError" in text or "Name or service not known" in text or "getaddrinfo" in text:
        return TransientError("the server's name could not be resolved (DNS); check the network connection")
    if "NewConnectionError" in text:
        refused = text.rpartition("]")[2].strip(" ')\"")
        return TransientError(f"no connection to the server{f': {refused}' if refused else ''}")
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError | ProtocolError):
        return TransientError("the connection was interrupted")
    if isinstance(error, ValueError):
        return WrongAnswerError("a redirect to an invalid address" if has_answered else "an invalid address")
    return WrongAnswerError(f"the request failed: {type(error).__name__}")
