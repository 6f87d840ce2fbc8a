"""Connections between ranks, which tell each other why they end: one JSON message per line."""

import contextlib
import itertools
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from data_prep.common.errors import GalaxyError, OtherProcessEndedError, Terminated

_MAX_MESSAGE: Final = 1 << 16
"""Bytes of a message; a sender of longer messages is not a rank."""

_KEEPALIVE: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""Seconds and number of the probes that notice a lost machine within half a minute, instead of hours."""


@dataclass(frozen=True)
class Ending:
    """The reason why all ranks end.

    Attributes:
        status: The exit status.
        message: The message to the user.
    """

    status: int
    message: str = ""

    @classmethod
    def from_error(cls, error: BaseException, rank: int) -> "Ending":
        """Returns the reason that an error on a rank gives to all ranks."""
        if isinstance(error, Terminated):
            return cls(143)
        if isinstance(error, KeyboardInterrupt):
            return cls(130)
        if isinstance(error, SystemExit):
            return cls(error.code if isinstance(error.code, int) else 1, "another process has ended")
        if isinstance(error, GalaxyError | OSError | MemoryError):
            return cls(1, str(error))
        return cls(1, f"process {rank} has failed: {type(error).__name__}: {error}")

    def exception(self) -> BaseException:
        """Returns the exception that ends a rank for this reason."""
        if self.status in (143, 130):
            return Terminated() if self.status == 143 else KeyboardInterrupt()
        return OtherProcessEndedError(self.message)


class Link:
    """A connection to another rank.

    Args:
        connected: The connected socket.

    Attributes:
        socket: The connected socket.
        rank: Number of the other rank.
        place: Number of the other rank's machine, and its local rank there.
        joined: Whether the other side is known to be a rank of this command.
        done: Whether the other rank has finished its work.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self.socket = connected
        self.rank = 0
        self.place = (0, 0)
        self.joined = self.done = False
        self._incomplete = b""

    def send(self, message: dict[str, Any]) -> None:
        """Sends a message, unless the other rank has ended."""
        with contextlib.suppress(OSError):
            self.socket.sendall(json.dumps(message).encode()[: _MAX_MESSAGE - 1] + b"\n")

    def receive(self) -> list[dict[str, Any]] | None:
        """Returns the messages that have arrived, or None if the other side has ended or is not a rank."""
        try:
            received = self.socket.recv(_MAX_MESSAGE)
        except BlockingIOError:
            return []
        except OSError:
            return None
        *lines, self._incomplete = (self._incomplete + received).split(b"\n")
        if not received or len(self._incomplete) > _MAX_MESSAGE:
            return None
        try:
            messages = [json.loads(line) for line in lines]
        except ValueError:
            return None
        return messages if all(isinstance(message, dict) for message in messages) else None


def require_same_args(own: Sequence[str], first: Sequence[str], rank: int) -> None:
    """Checks that a rank runs the same command as the first one, for example from the same checkpoint.

    Args:
        own: The completed command line of the rank.
        first: That of the first rank.
        rank: The rank.

    Raises:
        GalaxyError: They differ.
    """
    for word, expected in itertools.zip_longest(own, first, fillvalue="nothing"):
        if word != expected:
            raise GalaxyError(
                f"process {rank} of this command has {word} where process 0 has {expected}: start all "
                "with the same options, on a file system that shows them the same files"
            )
