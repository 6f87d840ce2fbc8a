"""Sends a table by SAMP, and says where it went."""

import shlex
from pathlib import Path

from galaxy_lightning.program import PROGRAM
from galaxy_lightning.tables.samp import send_table


def send_by_samp(table: Path) -> list[str]:
    """Sends a table to the programs of a running SAMP hub.

    Args:
        table: The table, as FITS or VOTable.

    Returns:
        A message for the user. Without a hub, it says how to send the table later.
    """
    receivers = send_table(table)
    if receivers is None:
        return [
            "Not sent: no SAMP hub is running. Start TOPCAT or Aladin, then run: "
            f"{PROGRAM} table {shlex.quote(str(table))} --samp"
        ]
    if not receivers:
        return ["Not sent: no program that loads tables is connected to the SAMP hub"]
    return [f"Sent to {', '.join(receivers)}"]
