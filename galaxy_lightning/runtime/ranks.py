"""The processes of one command, one per device (ranks): started here, and ended together.

A rank that waits for tensors from another that has ended may wait for ever. So whatever ends one of them (an
error, Ctrl-C, SIGTERM, SIGKILL) ends all within seconds, with the same exit status and one line. Each rank
has a thread that hears the system's signals, watches the ranks that this one has started, and is connected
with the first rank.
"""

import contextlib
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Final, Self

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer

from data_prep.common.errors import GalaxyError, OtherProcessEndedError
from data_prep.common.processes import start_ranks
from galaxy_lightning.runtime.rank_links import Ending, Link
from galaxy_lightning.runtime.rank_signals import Signals

_LOOK_EVERY: Final = 0.2
"""Seconds between two looks at the ranks that this one has started."""
_GRACE: Final = 12.0
"""Seconds that a rank has to clear away before it is ended where it is: it may wait for one that is gone."""
_GRACE_BEFORE: Final = 3.0
"""The same before the ranks have met, when there is nothing to clear away."""
_NEWS: Final = 4.0
"""Seconds in which the reason for a broken connection between ranks is heard of."""
_CONNECTS: Final = 5.0
"""Seconds that a rank has to connect with the first one."""
_STATUS: Final = {int(signal.SIGTERM): 143, int(signal.SIGINT): 130}
_LOCALHOST: Final = "127.0.0.1"


class Ranks:
    """The ranks of a command; as a context, the block in which they end together.

    Args:
        words: The command line, for the ranks that this one starts.

    Attributes:
        ending: Why they end, once they do.
        deferring: SIGTERM is left to whoever listens to it, because the command ends at a moment of its own.
        leaving: This rank is about to end by an error of its own, and need not be interrupted.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.ending: Ending | None = None
        self.deferring = self.leaving = False
        self._rank = self._node = 0
        self._local = int(os.environ.get("LOCAL_RANK", 0))
        self._silent = self._local > 0  # One rank a machine says why they end.
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._links: list[Link] = []
        self._server: socket.socket | None = None
        self._began = self._met = self._closed = False
        self._main: int | None = None
        self._token = ""
        self._deadline = float("inf")
        self._news = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> Self:
        if self._local or "TORCHELASTIC_RUN_ID" in os.environ:
            self._watch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        try:
            self.leaving = True
            if error is not None:
                self._end_by(error)
            elif self.ending is not None:
                raise self.ending.error()
            else:
                for link in self._links:
                    link.send({"done": True})
        finally:
            self._close()

    def start(self, trainer: Trainer) -> None:
        """Starts the other ranks of this machine, where nobody else does (torchrun and clusters do).

        Lightning would do the same when the work begins, but when one has ended with an error it kills all of
        them without a message, itself too.
        """
        environment = getattr(trainer.strategy, "cluster_environment", None)
        if type(environment) is not LightningEnvironment or trainer.world_size == 1:
            return
        if environment.creates_processes_externally:
            return
        # What tells Lightning that it need not start them.
        together = {
            "MASTER_ADDR": environment.main_address,
            "MASTER_PORT": str(environment.main_port),
            "NODE_RANK": str(environment.node_rank()),
            "LOCAL_RANK": "0",
            "WORLD_SIZE": str(trainer.world_size),
        }
        self._environment = {name: os.environ.get(name) for name in together}
        os.environ |= together
        self._children = start_ranks(self.words, trainer.num_devices)
        self._watch()

    def meet(self, trainer: Trainer) -> None:
        """Connects all ranks with the first one. Call it on every rank, once they exchange tensors."""
        self._began = True
        if self._met or trainer.world_size == 1:
            return
        self._watch()
        self._rank, self._node, self._local = trainer.global_rank, trainer.node_rank, trainer.local_rank
        self._silent = self._local > 0
        address: tuple[int, str] | None = None
        here = trainer.num_nodes == 1
        if self._rank == 0:
            self._token = secrets.token_hex(16)
            # Without it, a rank that waits for another is ended by the limits of torch.
            with contextlib.suppress(OSError):
                # Ranks of other machines must reach it; they know the token that they were sent.
                self._server = socket.create_server((_LOCALHOST if here else "", 0))
                self._server.settimeout(_CONNECTS)
                address = (self._server.getsockname()[1], self._token)
        address = trainer.strategy.broadcast(address)
        if address is None:
            return
        if self._rank == 0:
            self._selector.register(self._server, selectors.EVENT_READ)  # type: ignore[arg-type]
        else:
            port, token = address
            try:
                host = _LOCALHOST if here else os.environ["MASTER_ADDR"]
                link = Link(socket.create_connection((host, port), timeout=_CONNECTS))
                link.send({"token": token, "rank": self._rank, "node": self._node, "local": self._local})
                self._join(link)
            except OSError:
                return
        self._met = True

    def _watch(self) -> None:
        """Begins to listen."""
        if self._thread is not None or threading.current_thread() is not threading.main_thread():
            return
        self._main = threading.main_thread().ident
        self._selector = selectors.DefaultSelector()
        self._signals = Signals()
        self._selector.register(self._signals.socket, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._listen, name="ranks", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(_LOOK_EVERY):
                if key.fileobj is self._signals.socket:
                    self._hear_signals()
                elif key.fileobj is self._server:
                    self._accept()
                else:
                    self._hear(key.data)
            for local, child in self._unconnected():
                if child.poll():
                    status = child.returncode if child.returncode in (130, 143) else 1
                    self._end(Ending(status, f"process {local} has ended with status {child.returncode}"))
            if time.monotonic() > self._deadline:
                self._give_up()

    def _hear_signals(self) -> None:
        for number in self._signals.received():
            if number in _STATUS and not (number == signal.SIGTERM and self.deferring):
                self._end(Ending(_STATUS[number]), interrupt=False)

    def _accept(self) -> None:
        assert self._server is not None
        with contextlib.suppress(OSError):  # It may be gone again.
            link = Link(self._server.accept()[0])
            self._selector.register(link.socket, selectors.EVENT_READ, link)

    def _join(self, link: Link) -> None:
        link.joined = True
        self._links.append(link)
        if link.socket not in (key.fileobj for key in self._selector.get_map().values()):
            self._selector.register(link.socket, selectors.EVENT_READ, link)

    def _hear(self, link: Link) -> None:
        """Hears what another rank says: how it ends, or nothing, when it was killed."""
        messages = link.receive()
        for said in messages or []:
            if not link.joined:
                if said.get("token") != self._token:
                    messages = None
                    break
                link.rank, link.place = said["rank"], (said["node"], said["local"])
                self._join(link)
                if self.ending is not None:
                    link.send(asdict(self.ending))
            elif said.get("done"):
                link.done = True
            else:
                self._end(Ending(int(said["status"]), str(said["message"])))
        if messages is None:
            self._selector.unregister(link.socket)
            link.socket.close()
            if link.joined and not link.done and self.ending is None:
                if link.rank == 0 and self._node == 0:
                    self._silent = self._local > 1
                name = f"process {link.rank} of this command"
                why = "has ended without a message: it was killed, perhaps for want of memory"
                self._end(Ending(1, f"{name} {why}"))

    def _end(self, ending: Ending, *, interrupt: bool = True) -> None:
        """Has all ranks end, this one by an exception in its main thread."""
        with self._lock:
            if self.ending is not None or self._closed:
                return
            self.ending = ending
            self._deadline = time.monotonic() + (_GRACE if self._began else _GRACE_BEFORE)
        self._news.set()
        for link in self._links:
            link.send(asdict(ending))
        for _, child in self._unconnected():
            child.terminate()
        if interrupt and not self.leaving and self._main is not None and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._main, signal.SIGTERM)

    def _end_by(self, error: BaseException) -> None:
        """Tells the others of an error, and raises what all ranks end by."""
        ours = isinstance(error, GalaxyError | OSError | MemoryError | KeyboardInterrupt | SystemExit)
        if not ours and (self._met or self._local or self._children):
            # What this rank was waiting for may be broken because another has ended.
            self._news.wait(_NEWS)
        if self.ending is None:
            self._end(Ending.of(error, self._rank), interrupt=False)
            if not ours and "Connection closed by peer" in str(error):
                problem = "another process of this command has ended; see its message"
                raise OtherProcessEndedError(problem) from error
            if ours and self._silent and self._met:
                raise SystemExit(self.ending.status if self.ending else 1) from error
            return
        if self._silent:
            raise SystemExit(self.ending.status) from error
        if not (ours and Ending.of(error, self._rank) == self.ending):
            raise self.ending.error() from error

    def _give_up(self) -> None:
        """Ends this rank where it is."""
        assert self.ending is not None
        for child in self._children.values():
            child.kill()
        if not self._silent:
            word = {143: "terminated", 130: "interrupted"}.get(self.ending.status)
            program = f"python -m galaxy_lightning {self.words[0]}"
            print(f"{program}: {word or f'error: {self.ending.message}'}", file=sys.stderr, flush=True)
        os._exit(self.ending.status)

    def _close(self) -> None:
        """Waits for the ranks that this one has started, and stops listening."""
        until = time.monotonic() + _GRACE
        for child in self._children.values():
            try:
                child.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._closed = True
        assert self._thread is not None
        self._thread.join()
        self._signals.close()
        for each in (self._server, *(link.socket for link in self._links)):
            if each is not None:
                each.close()
        self._selector.close()
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def _unconnected(self) -> list[tuple[int, "subprocess.Popen[bytes]"]]:
        """Returns the ranks started here, by their local numbers, that have not connected: they begin."""
        connected = {link.place for link in self._links}
        return [
            (local, child) for local, child in self._children.items() if (self._node, local) not in connected
        ]
