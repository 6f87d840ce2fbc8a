"""Downloads that go on where they were cut off, and whose every byte is checked."""

import shutil
from pathlib import Path
from typing import Any, Final

import pooch
import requests
from pooch.core import stream_download
from pooch.downloaders import doi_to_repository
from tqdm import tqdm

from data_prep.errors import GalaxyError

TRIES: Final = 6
"""How often a download is tried, a few seconds apart, before the user is told."""

GO_ON: Final = "run the command again later to go on, or place the files by hand (see --dry-run)"

_CHUNK: Final = 1 << 16
_TIMEOUT_SECONDS: Final = 30
_MAY_PASS: Final = (408, 425, 429)
"""What a server answers when asked too soon; whatever else it holds against a request will not change."""


def fetch(url: str, path: Path, checksum: str) -> None:
    """Downloads a file, unless it lies there already, and verifies it.

    What an interruption leaves stays beside it, ``NAME.part``, and the next call goes on from there where
    the server can.

    Args:
        url: Where it is.
        path: Where it goes; its folder exists.
        checksum: What it must hash to, as ``"md5:..."`` or ``"sha256:..."``.

    Raises:
        GalaxyError: The server does not have it, cannot be reached, or serves other bytes.
    """
    if is_verified(path, checksum):
        return
    try:
        stream_download(url, path, checksum, _Resuming(path), retry_if_failed=TRIES - 1)
    except (requests.RequestException, ValueError) as error:
        raise GalaxyError(f"{url} could not be downloaded: {error}; {GO_ON}") from error


def is_verified(path: Path, checksum: str) -> bool:
    """Says whether a file is there and hashes to what it must."""
    algorithm, _, digest = checksum.partition(":")
    return path.is_file() and pooch.file_hash(str(path), alg=algorithm) == digest


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
        record = pooch.create(path="", base_url=f"doi:{doi}/")
        record.load_registry_from_doi()
        return doi_to_repository(doi).download_url(name), record.registry[name]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise GalaxyError(
            f"Zenodo could not be asked for {name} of doi:{doi}: {error or type(error).__name__}; {GO_ON}"
        ) from error


class _Resuming:
    """A downloader for pooch that keeps what it has when it is cut off, and asks for the rest.

    Args:
        path: The file that it is to become.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.part = path.with_name(f"{path.name}.part")
        self.version = path.with_name(f"{path.name}.part-version")

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        had = self.part.stat().st_size if self.part.is_file() else 0
        headers = {"Accept-Encoding": "identity"}  # What is counted must be the file's own bytes.
        if had:
            headers["Range"] = f"bytes={had}-"
            if self.version.is_file():
                headers["If-Range"] = self.version.read_text(
                    encoding="latin-1"
                )  # All of it, if it has changed.
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
            if response.status_code == 416:  # There is no such rest: it is no part of that file.
                self._forget()
            elif 400 <= response.status_code < 500 and response.status_code not in _MAY_PASS:
                raise GalaxyError(f"{url}: the server says {response.status_code} {response.reason}; {GO_ON}")
            response.raise_for_status()
            self._receive(response, had)
        shutil.move(self.part, output_file)
        self._forget()

    def _receive(self, response: requests.Response, had: int) -> None:
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {had}-")
        if response.status_code != 206 or not goes_on:
            self._forget()
            had = 0
            if version := response.headers.get("ETag") or response.headers.get("Last-Modified"):
                self.version.write_text(version, encoding="latin-1")
        length = response.headers.get("Content-Length")
        bar = tqdm(
            total=None if length is None else had + int(length),
            initial=had,
            desc=self.name,
            unit="B",
            unit_scale=True,
            delay=1,
        )
        with self.part.open("ab") as file, bar:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)
