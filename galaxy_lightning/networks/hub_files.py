"""Files of the Hugging Face hub, and of folders with the files of a repository."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data_prep.common.paths import expand_path
from galaxy_lightning.networks.weight_folders import CONFIG, TRAINED_ON, WEIGHTS, is_export

FOLDER: Final = "local-dir"
"""timm's name for repositories that are folders."""
REPOSITORY: Final = ("hf_hub", "hf-hub")
"""timm's names for repositories on the hub."""
TIMEOUT: Final = 10.0
"""Seconds to wait for a response of a hub."""


def weights_of_backbone(name: str) -> Path | None:
    """Returns the file of the weights of a backbone, beside which a list of its training galaxies may lie.

    Args:
        name: The name of the backbone. If it is a repository on the hub, its list is downloaded.

    Returns:
        None if the weights do not come from a folder or a repository.

    Raises:
        Exception: A download failed. The type varies.
    """
    scheme, _, place = name.partition(":")
    if scheme == FOLDER:
        return Path(expand_path(place)) / WEIGHTS
    if scheme not in REPOSITORY:
        return None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, revision = place.partition("@")
    with one_hub_request(place):
        config = Path(hf_hub_download(repository, CONFIG, revision=revision or None))
        try:
            hf_hub_download(repository, TRAINED_ON, revision=revision or None)
        except LocalEntryNotFoundError:
            if is_export(config.with_name(WEIGHTS)):
                raise
        except EntryNotFoundError:
            pass  # Repositories of other programs have no such list.
    return config.with_name(WEIGHTS)


@contextlib.contextmanager
def one_hub_request(repository: str | None) -> Iterator[None]:
    """Sends one request to the Hugging Face hub; if it fails, only files in the local cache are used.

    timm itself would retry for minutes, and then hide the cause of the failure.
    """
    if repository is None:
        yield
        return
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    was_offline, hub_error = constants.HF_HUB_OFFLINE, None
    user_model, _, revision = repository.partition("@")
    try:
        address = hf_hub_url(user_model, "config.json", revision=revision or None)
        get_hf_file_metadata(address, timeout=TIMEOUT)
    except EntryNotFoundError:
        pass  # The repository exists.
    except Exception as error:  # The type depends on the HTTP library.
        hub_error = error
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    except Exception as error:
        raise (hub_error or error) from error
    finally:
        constants.HF_HUB_OFFLINE = was_offline
