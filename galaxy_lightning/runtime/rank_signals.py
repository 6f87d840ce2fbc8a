"""Receives signals at once, even while the main thread waits in a library."""

import os
import signal
import socket
from typing import Final


class Signals:
    """Receives the signals that Python has a handler for. It must be made in the main thread.

    Attributes:
        socket: A socket that is readable when signals have arrived.
    """

    def __init__(self) -> None:
        self.socket, self._write = socket.socketpair()
        self.socket.setblocking(False)
        self._write.setblocking(False)
        self._previous_fd = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        _RECEIVERS.append(self)

    def received(self) -> list[int]:
        """Returns the numbers of the signals that have arrived."""
        return list(self.socket.recv(4096))

    def close(self) -> None:
        """Stops receiving signals."""
        _RECEIVERS.remove(self)
        signal.set_wakeup_fd(self._previous_fd)
        self.socket.close()
        self._write.close()


_RECEIVERS: Final[list[Signals]] = []


def _detach_child() -> None:
    """Keeps the signals of a forked process, such as a data loader, from reaching its parent."""
    if _RECEIVERS:
        signal.set_wakeup_fd(-1)
        _RECEIVERS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_detach_child)
