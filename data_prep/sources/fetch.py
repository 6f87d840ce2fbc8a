"""Resumable downloads, verified by checksum."""

import hashlib
import time
from pathlib import Path
from typing import Final

import requests

from data_prep.common.errors import GalaxyError
from data_prep.common.files import explain_write_errors
from data_prep.common.progress import progress_bar

TRIES: Final = 6
"""How often a download is tried, a few seconds apart, before the user is told."""

GO_ON: Final = "run the command again later to go on, or place the files by hand (see --dry-run)"

_RECORDS: Final = "https://zenodo.org/api/records"
"""Where Zenodo describes its records, each by the number in which its DOI ends."""
_CHUNK: Final = 1 << 16
_TIMEOUT_SECONDS: Final = 30
_MAY_PASS: Final = (408, 425, 429)
"""What a server answers when asked too soon; whatever else it holds against a request will not change."""


def fetch(url: str, path: Path, checksum: str) -> None:
    """Downloads a file, unless it is there already, and verifies it.

    What an interruption leaves stays beside it, ``NAME.part``, and the next call resumes it where the server
    can. A failure that may pass (the connection breaks off, the server is busy) is followed by another try. A
    wrong checksum is not: only where part of the file came from an earlier connection, which may have been of
    another file, is it downloaded once from the beginning.

    Args:
        url: Where it is.
        path: Where it goes; its folder exists.
        checksum: What it must hash to, as ``"md5:..."`` or ``"sha256:..."``.

    Raises:
        GalaxyError: The server does not have it, cannot be reached, or serves other bytes; or it cannot be
            written.
    """
    if is_verified(path, checksum):
        return
    download, from_the_beginning = _Download(url, path), False
    while True:
        resumed = _with_retries(download)
        if is_verified(download.part, checksum):
            with explain_write_errors(path, download.part):
                download.part.replace(path)
            download.forget()
            return
        download.forget()
        if from_the_beginning or not resumed:
            raise GalaxyError(
                f"{url} is not the file that was published: its checksum is not {checksum}. The "
                "download was deleted; try again later, or place the file by hand (see --dry-run)"
            )
        from_the_beginning = True


def _with_retries(download: "_Download") -> bool:
    """Downloads a file, again where what has failed may pass; returns what ``receive`` does."""
    tries = 0
    while True:
        tries += 1
        try:
            return download.receive()
        except requests.RequestException as error:
            if tries >= TRIES or not _may_pass(error):
                raise _not_downloaded(download.url, error) from error
        time.sleep(tries)


def _not_downloaded(url: str, error: requests.RequestException) -> GalaxyError:
    answer = error.response
    reason = error if answer is None else f"the server says {answer.status_code} {answer.reason}"
    return GalaxyError(f"{url} could not be downloaded: {reason}; {GO_ON}")


def _may_pass(error: requests.RequestException) -> bool:
    """Says whether the same request may succeed a few seconds later."""
    if error.response is not None:
        return error.response.status_code >= 500 or error.response.status_code in _MAY_PASS
    return isinstance(
        error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError
    )


def is_verified(path: Path, checksum: str) -> bool:
    """Says whether a file is there and hashes to what it must."""
    algorithm, _, digest = checksum.partition(":")
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == digest


def zenodo_file(doi: str, name: str) -> tuple[str, str]:
    """Asks Zenodo where a file of a record is, and what it hashes to.

    Args:
        doi: The record's DOI.
        name: The file's name in the record.

    Returns:
        Its URL, and its checksum, ``"md5:..."``.

    Raises:
        GalaxyError: Zenodo cannot be reached, or the record has no such file.
    """
    try:
        with requests.get(f"{_RECORDS}/{doi.rpartition('.')[2]}", timeout=_TIMEOUT_SECONDS) as response:
            response.raise_for_status()
            files = {file["key"]: file for file in response.json()["files"]}
        return files[name]["links"]["self"], files[name]["checksum"]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise GalaxyError(
            f"Zenodo could not be asked for {name} of doi:{doi}: {error or type(error).__name__}; {GO_ON}"
        ) from error


class _Download:
    """A download that keeps its bytes when interrupted, and requests the rest.

    Args:
        url: Where the file is.
        path: The file that it is to become.
    """

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.name = path.name
        self.part = path.with_name(f"{path.name}.part")
        self.version = path.with_name(f"{path.name}.part-version")

    def receive(self) -> bool:
        """Receives what the part lacks of the file.

        Returns:
            Whether there was a part to begin with.

        Raises:
            requests.RequestException: The server cannot be reached, breaks off, or refuses (``response``).
            GalaxyError: The part cannot be written.
        """
        had = self._size()
        headers = {"Accept-Encoding": "identity"}  # What is counted must be the file's own bytes.
        if had:
            headers["Range"] = f"bytes={had}-"
            if self.version.is_file():
                # All of it, if it has changed.
                headers["If-Range"] = self.version.read_text(encoding="latin-1")
        with requests.get(self.url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
            if had and response.status_code == 416:  # There is no rest: it is all there, or is another file.
                return True
            response.raise_for_status()
            return self._receive(response, had)

    def _receive(self, response: requests.Response, had: int) -> bool:
        if response.status_code != 206:
            self.forget()
            had = 0
            if version := response.headers.get("ETag") or response.headers.get("Last-Modified"):
                with explain_write_errors(self.version):
                    self.version.write_text(version, encoding="latin-1")
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {had}-"):
            self.forget()
            raise requests.ConnectionError("the server has sent another part of the file than was asked for")
        length = response.headers.get("Content-Length")
        whole = None if length is None else had + int(length)
        with progress_bar(total=whole, initial=had, desc=self.name, unit="B", unit_scale=True) as bar:
            for chunk in response.iter_content(_CHUNK):
                with explain_write_errors(self.part), self.part.open("ab") as file:
                    file.write(chunk)
                bar.update(len(chunk))
        if whole is not None and self._size() < whole:  # Older versions of urllib3 do not notice.
            raise requests.ConnectionError("the connection broke off")
        return had > 0

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def forget(self) -> None:
        """Removes the part."""
        self.part.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)
