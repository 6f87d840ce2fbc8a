"""Signals that are heard at once, even while the main thread waits in a library."""

import os
import signal
import socket
from typing import Final


class Signals:
    """Hears the signals that Python has a handler for. Make it in the main thread.

    Attributes:
        socket: Can be read from when there are some.
    """

    def __init__(self) -> None:
        self.socket, self._write = socket.socketpair()
        self.socket.setblocking(False)
        self._write.setblocking(False)
        self._before = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        _LISTENING.append(self)

    def received(self) -> list[int]:
        """Returns the numbers of those that have arrived."""
        return list(self.socket.recv(4096))

    def close(self) -> None:
        """Stops listening."""
        _LISTENING.remove(self)
        signal.set_wakeup_fd(self._before)
        self.socket.close()
        self._write.close()


_LISTENING: Final[list[Signals]] = []


def _forget() -> None:
    """Keeps the signals of a forked process, one that loads data say, from being taken for its parent's."""
    if _LISTENING:
        signal.set_wakeup_fd(-1)
        _LISTENING.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
