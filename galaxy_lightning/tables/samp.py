"""Sends a table to the programs of a running SAMP hub, such as TOPCAT and Aladin."""

import warnings
from pathlib import Path
from typing import Final

from data_prep.common.errors import GalaxyError
from galaxy_lightning.tables.formats import list_suffixes

MESSAGES: Final = {".fits": "table.load.fits", ".vot": "table.load.votable", ".xml": "table.load.votable"}
"""The message that loads a table, by the suffix of its name."""


def require_sendable(path: Path) -> None:
    """Checks that SAMP can send a table.

    Args:
        path: The table.

    Raises:
        GalaxyError: It has another format than FITS or VOTable.
    """
    if path.suffix.lower() not in MESSAGES:
        raise GalaxyError(
            f"--samp sends FITS and VOTable only: name the table {path.stem}{list_suffixes(*MESSAGES)}"
        )


def send_table(path: Path) -> list[str] | None:
    """Sends a table to all programs that load tables of its format.

    Args:
        path: The table, which the programs read from the disk.

    Returns:
        The names of the programs; None if no hub is running.

    Raises:
        GalaxyError: SAMP cannot send tables of this format.
    """
    require_sendable(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Astropy 8 announces that the module moves to pyvo.
        try:
            from astropy.samp import SAMPHubError, SAMPIntegratedClient, SAMPProxyError
        except ImportError:
            raise GalaxyError(
                "this version of astropy has no SAMP: run: pip install 'astropy<9', or open the table by hand"
            ) from None
    message = MESSAGES[path.suffix.lower()]
    client = SAMPIntegratedClient(name="Galaxy Lightning", description="Classes of galaxies", callable=False)
    try:
        client.connect()
    except (SAMPHubError, SAMPProxyError, OSError):
        return None
    try:
        receivers = sorted(client.get_subscribed_clients(message))
        names = [str(client.get_metadata(each).get("samp.name", each)) for each in receivers]
        client.enotify_all(message, url=path.resolve().as_uri(), name=path.stem)
    finally:
        client.disconnect()
    return names
