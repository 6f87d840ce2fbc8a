"""Starts the processes of a command, one per device (ranks), and ends them together.

A rank that waits for tensors from a rank that has ended may wait forever. Therefore, whatever ends one rank
(an error, Ctrl-C, SIGTERM, SIGKILL) ends all ranks within seconds, with the same exit status and one line. A
thread in each rank receives signals, watches the ranks that it has started, and connects to the first rank.
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

from data_prep.common import requeueing, slurm
from data_prep.common.errors import GalaxyError, OtherProcessEndedError
from data_prep.common.local_rank import local_rank
from data_prep.common.processes import start_ranks
from galaxy_lightning.runtime.environment import environment_variables
from galaxy_lightning.runtime.rank_links import Ending, Link, require_same_args
from galaxy_lightning.runtime.rank_signals import Signals

_POLL_INTERVAL: Final = 0.2
"""Seconds between two checks of the ranks that this rank has started."""
_EARLY_CLEANUP_LIMIT, _CLEANUP_LIMIT = 3.0, 12.0
"""Seconds for a rank to clean up, before and after the ranks connect: it may wait for one that has ended."""
_REASON_LIMIT: Final = 4.0
"""Seconds to wait for the reason of a broken connection between ranks."""
_CONNECTION_LIMIT: Final = 5.0
"""Seconds for a rank to connect to the first rank."""
# SLURM sends SIGUSR1 before the time limit; see data_prep/common/requeueing.py.
_TERMINATING: Final = {int(getattr(signal, name)) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)}
_STATUSES: Final = {int(signal.SIGINT): 130} | dict.fromkeys(_TERMINATING, 143)
_LOCALHOST: Final = "127.0.0.1"


class Ranks:
    """The ranks of a command, which end together when the context manager exits.

    Args:
        args: The command line, for the ranks that this rank starts.

    Attributes:
        ending: The reason why the ranks end, or None while they run.
        deferring: Whether another handler defers SIGTERM, so that this class ignores it.
        leaving: Whether this rank is ending by an error of its own, and need not be interrupted.
    """

    def __init__(self, args: Sequence[str]) -> None:
        self.args = list(args)
        self.ending: Ending | None = None
        self.deferring = self.leaving = False
        self._rank = self._node = 0
        self._local = local_rank()
        self._silent = self._local > 0  # Only one rank per machine prints why they end.
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._links: list[Link] = []
        self._server: socket.socket | None = None
        self._started = self._has_met = self._connected = self._closed = False
        self._main_id: int | None = None
        self._token = ""
        self._deadline = float("inf")
        self._ending_known = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._variables = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._local or "TORCHELASTIC_RUN_ID" in os.environ or slurm.step_tasks() > 1:
            self._start_thread()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        try:
            self.leaving = True
            if error is not None:
                self._end_by_error(error)
            elif self.ending is not None:
                raise self.ending.exception()
            else:
                for link in self._links:
                    link.send({"done": True})
        finally:
            self._close()

    def start(self, trainer: Trainer) -> None:
        """Starts the other ranks of this machine, unless torchrun or a cluster starts them."""
        # Lightning would start them too, but when one fails, it kills all, including this one, silently.
        environment = getattr(trainer.strategy, "cluster_environment", None)
        if type(environment) is not LightningEnvironment or environment.creates_processes_externally:
            return
        if trainer.world_size == 1:
            return
        # These variables tell Lightning that the other ranks are started.
        variables = {
            "MASTER_ADDR": environment.main_address,
            "MASTER_PORT": str(environment.main_port),
            "NODE_RANK": str(environment.node_rank()),
            "LOCAL_RANK": "0",
            "WORLD_SIZE": str(trainer.world_size),
        }
        self._variables.enter_context(environment_variables(variables))
        self._children = start_ranks(self.args, trainer.num_devices)
        self._start_thread()

    def meet(self, trainer: Trainer) -> None:
        """Connects all ranks to the first rank. Call it on every rank, once they can exchange tensors."""
        self._started = True
        if self._has_met or trainer.world_size == 1:
            return
        self._start_thread()
        self._rank, self._node, self._local = trainer.global_rank, trainer.node_rank, trainer.local_rank
        self._silent = self._local > 0
        address: tuple[int, str] | None = None
        one_machine = trainer.num_nodes == 1
        if self._rank == 0:
            self._token = secrets.token_hex(16)
            # Without the server, a rank that waits for another ends at torch's time limit.
            with contextlib.suppress(OSError):
                # Ranks on other machines must reach it; they identify themselves by the token.
                self._server = socket.create_server((_LOCALHOST if one_machine else "", 0))
                self._server.settimeout(_CONNECTION_LIMIT)
                address = (self._server.getsockname()[1], self._token)
        address, args = trainer.strategy.broadcast((address, self.args))
        self._has_met = True  # Also if a connection fails below: the ranks must not meet again.
        if address is not None:
            with contextlib.suppress(OSError):
                self._connect(*address, _LOCALHOST if one_machine else os.environ["MASTER_ADDR"])
        # The first rank is told by the connection.
        require_same_args(self.args, args, self._rank)

    def _connect(self, port: int, token: str, host: str) -> None:
        """Connects this rank to the first one, or lets the others connect if it is the first."""
        if self._rank == 0:
            self._selector.register(self._server, selectors.EVENT_READ)  # type: ignore[arg-type]
        else:
            link = Link(socket.create_connection((host, port), timeout=_CONNECTION_LIMIT))
            link.send({"token": token, "rank": self._rank, "node": self._node, "local": self._local})
            self._add(link)
        self._connected = True

    def _start_thread(self) -> None:
        """Starts the thread, unless it runs or this is not the main thread."""
        if self._thread is not None or threading.current_thread() is not threading.main_thread():
            return
        self._main_id = threading.main_thread().ident
        self._selector = selectors.DefaultSelector()
        self._signals = Signals()
        self._selector.register(self._signals.socket, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="ranks", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(_POLL_INTERVAL):
                if key.fileobj is self._signals.socket:
                    self._receive_signals()
                elif key.fileobj is self._server:
                    self._accept()
                else:
                    self._receive(key.data)
            for local, child in self._unconnected_children():
                if child.poll():
                    status = child.returncode if child.returncode in (130, 143) else 1
                    self._end_all(Ending(status, f"process {local} has ended with status {child.returncode}"))
            if time.monotonic() > self._deadline:
                self._force_exit()

    def _receive_signals(self) -> None:
        for number in self._signals.received():
            requeueing.note_signal(number)
            if number in _STATUSES and not (number in _TERMINATING and self.deferring):
                self._end_all(Ending(_STATUSES[number]), interrupt=False)

    def _accept(self) -> None:
        assert self._server is not None
        with contextlib.suppress(OSError):  # The other side may have ended.
            link = Link(self._server.accept()[0])
            self._selector.register(link.socket, selectors.EVENT_READ, link)

    def _add(self, link: Link) -> None:
        link.joined = True
        self._links.append(link)
        if link.socket not in (key.fileobj for key in self._selector.get_map().values()):
            self._selector.register(link.socket, selectors.EVENT_READ, link)

    def _receive(self, link: Link) -> None:
        """Receives messages of another rank: why it ends, or a broken connection if it was killed."""
        messages = link.receive()
        for message in messages or []:
            if not link.joined:
                if message.get("token") != self._token:
                    messages = None
                    break
                link.rank, link.place = message["rank"], (message["node"], message["local"])
                self._add(link)
                if self.ending is not None:
                    link.send(asdict(self.ending))
            elif message.get("done"):
                link.done = True
            else:
                self._end_all(Ending(int(message["status"]), str(message["message"])))
        if messages is None:
            self._selector.unregister(link.socket)
            link.socket.close()
            if link.joined and not link.done and self.ending is None:
                if link.rank == 0 and self._node == 0:
                    self._silent = self._local > 1
                problem = "has ended without a message: it was killed, possibly out of memory"
                self._end_all(Ending(1, f"process {link.rank} of this command {problem}"))

    def _end_all(self, ending: Ending, *, interrupt: bool = True) -> None:
        """Ends all ranks; this rank ends by an exception in its main thread."""
        with self._lock:
            if self.ending is not None or self._closed:
                return
            self.ending = ending
            self._deadline = time.monotonic() + (_CLEANUP_LIMIT if self._started else _EARLY_CLEANUP_LIMIT)
        self._ending_known.set()
        for link in self._links:
            link.send(asdict(ending))
        for _, child in self._unconnected_children():
            child.terminate()
        if interrupt and not self.leaving and self._main_id is not None and hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._main_id, signal.SIGTERM)

    def _end_by_error(self, error: BaseException) -> None:
        """Tells the other ranks about an error, and raises the exception that ends this rank."""
        is_expected = isinstance(error, GalaxyError | OSError | MemoryError | KeyboardInterrupt | SystemExit)
        if not is_expected and (self._connected or self._local or self._children):
            # A connection may be broken because another rank has ended: wait for its reason.
            self._ending_known.wait(_REASON_LIMIT)
        if self.ending is None:
            self._end_all(Ending.from_error(error, self._rank), interrupt=False)
            if not (self._connected or (isinstance(error, SystemExit) and not error.code)):
                slurm.end_step_at_exit()
            if not is_expected and "Connection closed by peer" in str(error):
                problem = "another process of this command has ended; see its message"
                raise OtherProcessEndedError(problem) from error
            if is_expected and self._silent and self._connected:
                raise SystemExit(self.ending.status if self.ending else 1) from error
            return
        if self._silent:
            raise SystemExit(self.ending.status) from error
        if not (is_expected and Ending.from_error(error, self._rank) == self.ending):
            raise self.ending.exception() from error

    def _force_exit(self) -> None:
        """Exits at once, without cleaning up."""
        assert self.ending is not None
        for child in self._children.values():
            child.kill()
        if not self._silent:
            signal_text = {143: "terminated", 130: "interrupted"}.get(self.ending.status)
            program = f"python -m galaxy_lightning {self.args[0]}"
            print(f"{program}: {signal_text or f'error: {self.ending.message}'}", file=sys.stderr, flush=True)
        requeueing.requeue_if_asked()
        os._exit(self.ending.status)

    def _close(self) -> None:
        """Waits for the ranks that this rank has started, and stops the thread."""
        deadline = time.monotonic() + _CLEANUP_LIMIT
        for child in self._children.values():
            try:
                child.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._closed = True
        assert self._thread is not None
        self._thread.join()
        self._signals.close()
        if self._server is not None:
            self._server.close()
        for link in self._links:
            link.socket.close()
        self._selector.close()
        self._variables.close()

    def _unconnected_children(self) -> list[tuple[int, "subprocess.Popen[bytes]"]]:
        """Returns the ranks started here, with their local ranks, that have not connected yet."""
        connected = {link.place for link in self._links}
        return [
            (local, child) for local, child in self._children.items() if (self._node, local) not in connected
        ]
