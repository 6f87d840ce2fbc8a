"""A connection between two ranks: JSON, a line each."""

import contextlib
import json
import socket
from typing import Any, Final

_LONGEST: Final = 1 << 16
"""Bytes of a message; whoever sends more is no rank."""


class Link:
    """A connection with another rank.

    Args:
        connected: The socket.

    Attributes:
        socket: The socket.
        rank: The other's number.
        place: The numbers of its machine, and of the rank there.
        joined: It is known to be a rank of this command.
        done: The other has done its work.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket = connected
        self.rank = 0
        self.place = (0, 0)
        self.joined = self.done = False
        self._left = b""

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message; to one that is gone, nothing."""
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(message).encode()[: _LONGEST - 1] + b"\n")

    def receive(self) -> list[dict[str, Any]] | None:
        """Returns the messages that have arrived; None when the other is gone, or is no rank."""
        try:
            arrived = self.socket.recv(_LONGEST)
        except BlockingIOError:
            return []
        except OSError:
            return None
        *lines, self._left = (self._left + arrived).split(b"\n")
        if not arrived or len(self._left) > _LONGEST:
            return None
        try:
            messages = [json.loads(line) for line in lines]
        except ValueError:
            return None
        return messages if all(isinstance(message, dict) for message in messages) else None
