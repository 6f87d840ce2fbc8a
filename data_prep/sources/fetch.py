"""Resumable downloads, verified by checksum."""

import hashlib
import time
from pathlib import Path
from typing import Final

import requests

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.progress import progress_bar

MAX_ATTEMPTS: Final = 6
"""Maximum number of attempts at a download, a few seconds apart."""

_ADVICE: Final = "run the command again later to resume, or place the files by hand (see --dry-run)"

_RECORDS: Final = "https://zenodo.org/api/records"
"""URL of Zenodo's records; the number of a record is the last part of its DOI."""
_CHUNK: Final = 1 << 16
_TIMEOUT_SECONDS: Final = 30
_TRANSIENT_STATUSES: Final = (408, 425, 429)
"""HTTP statuses of requests that a client may repeat: Request Timeout, Too Early, Too Many Requests."""


def fetch(url: str, path: Path, checksum: str) -> None:
    """Downloads a file and verifies its checksum, unless the verified file already exists.

    An interrupted download is kept as ``NAME.part``, and the next call resumes it if the server supports
    this. After a transient failure (broken connection, busy server), the request is repeated. After a wrong
    checksum, the download is restarted from the beginning, but only once, and only if part of it came from an
    earlier connection, when the server may have had another file.

    Args:
        url: The URL of the file.
        path: The path to save it to, in an existing folder.
        checksum: The expected checksum, as ``"md5:..."`` or ``"sha256:..."``.

    Raises:
        GalaxyError: The server cannot be reached or does not have the file, the checksum is wrong, or the
            file cannot be written.
    """
    if has_checksum(path, checksum):
        return
    download, restarted = _Download(url, path), False
    while True:
        resumed = _receive_with_retries(download)
        if has_checksum(download.part, checksum):
            with explain_write_errors(path, download.part):
                download.part.replace(path)
            download.discard()
            return
        download.discard()
        if restarted or not resumed:
            raise GalaxyError(
                f"{url} is not the file that was published: its checksum is not {checksum}. The "
                "download was deleted; try again later, or place the file by hand (see --dry-run)"
            )
        restarted = True


def _receive_with_retries(download: "_Download") -> bool:
    """Downloads a file and retries after transient failures; returns the result of ``receive``."""
    attempts = 0
    while True:
        attempts += 1
        try:
            return download.receive()
        except requests.RequestException as error:
            if attempts >= MAX_ATTEMPTS or not _is_transient(error):
                raise _download_error(download.url, error) from error
        time.sleep(attempts)


def _download_error(url: str, error: requests.RequestException) -> GalaxyError:
    response = error.response
    reason = error if response is None else f"the server responded {response.status_code} {response.reason}"
    return GalaxyError(f"{url} could not be downloaded: {reason}; {_ADVICE}")


def _is_transient(error: requests.RequestException) -> bool:
    """Returns whether the same request may succeed a few seconds later."""
    if error.response is not None:
        return is_transient_status(error.response.status_code)
    return isinstance(
        error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
    )


def is_transient_status(status: int) -> bool:
    """Returns whether a request that was answered with an HTTP status may succeed later."""
    return status >= 500 or status in _TRANSIENT_STATUSES


def has_checksum(path: Path, checksum: str) -> bool:
    """Returns whether a file exists and has the given checksum."""
    algorithm, _, digest = checksum.partition(":")
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == digest


def find_zenodo_file(doi: str, name: str) -> tuple[str, str]:
    """Looks up the URL and the checksum of a file on Zenodo.

    Args:
        doi: The DOI of the record.
        name: The name of the file in the record.

    Returns:
        The URL, and the checksum as ``"md5:..."``.

    Raises:
        GalaxyError: Zenodo cannot be reached, or the record does not have the file.
    """
    try:
        with requests.get(f"{_RECORDS}/{doi.rpartition('.')[2]}", timeout=_TIMEOUT_SECONDS) as response:
            response.raise_for_status()
            files = {file["key"]: file for file in response.json()["files"]}
        return files[name]["links"]["self"], files[name]["checksum"]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise GalaxyError(
            f"{name} of doi:{doi} could not be found on Zenodo: {error or type(error).__name__}; {_ADVICE}"
        ) from error


class _Download:
    """A download that keeps the received bytes when interrupted, and then requests only the rest.

    Args:
        url: The URL of the file.
        path: The path of the complete file.

    Attributes:
        part: The path of the bytes received so far.
        version_file: The path of the file's version on the server: its entity tag or modification date.
    """

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.name = path.name
        self.part = path.with_name(f"{path.name}.part")
        self.version_file = path.with_name(f"{path.name}.part-version")

    def receive(self) -> bool:
        """Receives the bytes that the part lacks.

        Returns:
            Whether the file includes bytes of an earlier connection.

        Raises:
            requests.RequestException: The server cannot be reached, refuses the request, or the connection
                is interrupted.
            GalaxyError: The part cannot be written.
        """
        offset = self._size()
        headers = {"Accept-Encoding": "identity"}  # Ranges count the bytes of the uncompressed file.
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self.version_file.is_file():
                # If the file has changed, the server sends all of it.
                headers["If-Range"] = self.version_file.read_text(encoding="latin-1")
        with requests.get(self.url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
            if offset and response.status_code == 416:  # The part is complete, or belongs to another file.
                return True
            response.raise_for_status()
            return self._save(response, offset)

    def _save(self, response: requests.Response, offset: int) -> bool:
        """Appends a response to the part, or replaces the part if the server sends the complete file."""
        if response.status_code != 206:
            self.discard()
            offset = 0
            if version := response.headers.get("ETag") or response.headers.get("Last-Modified"):
                with explain_write_errors(self.version_file):
                    self.version_file.write_text(version, encoding="latin-1")
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            self.discard()
            raise requests.ConnectionError("the server sent a different part of the file than requested")
        length = response.headers.get("Content-Length")
        total = None if length is None else offset + int(length)
        with progress_bar(total=total, initial=offset, desc=self.name, unit="B", unit_scale=True) as bar:
            for chunk in response.iter_content(_CHUNK):
                with explain_write_errors(self.part), self.part.open("ab") as file:
                    file.write(chunk)
                bar.update(len(chunk))
        if total is not None and self._size() < total:  # Older versions of urllib3 do not raise an error.
            raise requests.ConnectionError("the connection was interrupted")
        return offset > 0

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def discard(self) -> None:
        """Deletes the part and its version."""
        self.part.unlink(missing_ok=True)
        self.version_file.unlink(missing_ok=True)
