"""Requests images from a service: at a limited rate, and with pauses when the service asks for them."""

import random
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypeVar

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from data_prep.common.errors import GalaxyError
from data_prep.cutouts.answers import (
    NoImageError,
    NotFoundError,
    TransientError,
    WrongAnswerError,
    describe_text,
)
from data_prep.sources.fetch import MAX_ATTEMPTS, is_transient

MAX_PAUSE_SECONDS: Final = 600.0
"""The longest pause that a service can ask for."""
MAX_REQUEST_SECONDS: Final = 300.0
"""The longest duration of one request: a server that sends a byte now and then never times out."""
BACKOFF_SECONDS: Final = 1.0
"""The mean delay before the second attempt; it doubles with each further one."""
TIMEOUT_SECONDS: Final = 30.0
"""The longest time to wait for a connection, and for each part of an answer."""

_CHUNK: Final = 1 << 16
_REFUSALS: Final = (401, 402, 403, 407, 451)
"""HTTP statuses that concern every request: no permission."""
_NOT_FOUND: Final = (404, 410)
_TOO_MANY: Final = 429

Found = TypeVar("Found")


def package_version() -> str:
    """Returns the version of this package; ``unknown`` if it is not installed."""
    try:
        return version("galaxy-lightning")
    except PackageNotFoundError:
        return "unknown"


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

    def pause(self, seconds: float) -> None:
        """Lets no request begin for a time, in any thread."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

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
        unavailable: HTTP statuses of a server error by which the service says that it has no image. They are
            believed the second time.

    Attributes:
        has_answered: Whether there was any answer so far.
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
                if attempt == MAX_ATTEMPTS:
                    raise
                self._limiter.wait(self._delay(attempt))
        raise AssertionError

    def _delay(self, attempt: int) -> float:
        """Returns the seconds to wait after an attempt: doubled each time, and varied by half."""
        return BACKOFF_SECONDS * 2.0 ** (attempt - 1) * self._random.uniform(0.5, 1.5)

    def _receive(self, url: str, attempt: int) -> bytes:
        """Returns the body of an answer with the status 200."""
        try:
            with self._session().get(url, stream=True, timeout=TIMEOUT_SECONDS) as response:
                self.has_answered = True
                if response.status_code != 200:
                    raise self._refusal(response, attempt)
                return self._read(response)
        except requests.RequestException as error:
            reason = _describe_failure(error)
            raise (TransientError if is_transient(error) else WrongAnswerError)(reason) from error

    def _session(self) -> requests.Session:
        """Returns the session of this thread, which keeps its connection open."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            # Without compression, the length of the content shows whether it is complete.
            self._local.session.headers.update(
                {"User-Agent": f"galaxy-lightning/{package_version()}", "Accept-Encoding": "identity"}
            )
        session: requests.Session = self._local.session
        return session

    def _read(self, response: requests.Response) -> bytes:
        """Returns the body of an answer, up to a size and within a time."""
        chunks, size = [], 0
        deadline = time.monotonic() + MAX_REQUEST_SECONDS
        for chunk in response.iter_content(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_bytes:
                raise WrongAnswerError(f"answer of more than {self._max_bytes:,} bytes")
            if time.monotonic() > deadline:
                raise TransientError(f"answer that took longer than {MAX_REQUEST_SECONDS:g} seconds")
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and size < int(length):  # Older versions of urllib3 do not raise an error.
            raise TransientError(f"incomplete answer: {size:,} of {int(length):,} bytes")
        return b"".join(chunks)

    def _refusal(self, response: requests.Response, attempt: int) -> Exception:
        """Returns the error for an answer with another status than 200, after pausing as it asks."""
        status = response.status_code
        reason = f"HTTP status {status} {response.reason or ''}".strip()
        if status in _REFUSALS:
            text = describe_text(next(response.iter_content(_CHUNK), b""))
            said = f" ({text})" if text else ""
            return GalaxyError(f"the image service refuses requests: {reason} for {response.url}{said}")
        if status in self._unavailable and attempt > 1:
            return NoImageError(f"{reason}, as outside the survey")
        if not is_transient(requests.HTTPError(response=response)):
            return (NotFoundError if status in _NOT_FOUND else WrongAnswerError)(reason)
        pause = _retry_after(response)
        if pause is not None or status == _TOO_MANY:
            self._limiter.pause(self._delay(attempt) if pause is None else pause)
        return TransientError(reason)


def _retry_after(response: requests.Response) -> float | None:
    """Returns the seconds after which a service wants to be asked again; None if it does not say so."""
    header = response.headers.get("Retry-After")
    try:
        return None if header is None else min(Retry().parse_retry_after(header), MAX_PAUSE_SECONDS)
    except (InvalidHeader, ValueError, OverflowError):
        return None


def _describe_failure(error: requests.RequestException) -> str:
    """Returns the reason of a failed request in a few words, without the addresses of Python objects."""
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection to the server (SSL)"
    text = str(error)
    if "NameResolutionError" in text or "Name or service not known" in text or "getaddrinfo" in text:
        return "the server's name could not be resolved (DNS): is there a network connection?"
    if isinstance(error, requests.exceptions.ProxyError):
        return "no connection through the proxy"
    if "NewConnectionError" in text:
        refused = text.rpartition("]")[2].strip(" ')\"")
        return f"no connection to the server: {refused}" if refused else "no connection to the server"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "the connection was interrupted"
    return f"the request failed: {' '.join(text.split())[:200] or type(error).__name__}"
