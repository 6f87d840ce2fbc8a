"""What ranks say to one another: why they end, as JSON, a line each."""

import contextlib
import json
import socket
from dataclasses import dataclass
from typing import Any, Final

from data_prep.common.errors import GalaxyError, OtherProcessEndedError, Terminated

_LONGEST: Final = 1 << 16
"""Bytes of a message; whoever sends more is no rank."""


@dataclass(frozen=True)
class Ending:
    """Why all ranks end.

    Attributes:
        status: The exit status.
        message: What the user is told.
    """

    status: int
    message: str = ""

    @classmethod
    def of(cls, error: BaseException, rank: int) -> "Ending":
        """Returns what an error means for the other ranks."""
        if isinstance(error, Terminated):
            return cls(143)
        if isinstance(error, KeyboardInterrupt):
            return cls(130)
        if isinstance(error, SystemExit):
            return cls(error.code if isinstance(error.code, int) else 1, "another process has ended")
        if isinstance(error, GalaxyError | OSError | MemoryError):
            return cls(1, str(error))
        return cls(1, f"process {rank} has failed: {type(error).__name__}: {error}")

    def error(self) -> BaseException:
        """Returns it as an error."""
        if self.status in (143, 130):
            return Terminated() if self.status == 143 else KeyboardInterrupt()
        return OtherProcessEndedError(self.message)


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
