"""Writes TensorBoard's events at once, each whole or not at all.

TensorBoard's own writer has a thread for it. What the system refuses that thread it tells by a traceback, and
the fit hears of it some events later.
"""

import contextlib
import io
import os
import socket
import time
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]
from torch.utils.tensorboard import FileWriter, SummaryWriter

from data_prep.common.files import explain_write_errors


class RunSummary(SummaryWriter):
    """TensorBoard's writer for a run folder.

    A method that writes raises a ``GalaxyError`` where the system refuses.
    """

    file_writer: Any
    all_writers: Any

    def _get_file_writer(self) -> Any:
        if self.file_writer is None:
            self.file_writer = _FileWriter(Path(self.log_dir))
            self.all_writers = {self.log_dir: self.file_writer}
        return self.file_writer


class _FileWriter(FileWriter):
    def __init__(self, folder: Path) -> None:
        self.event_writer = _EventWriter(folder)


class _EventWriter:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name
        self.add_event(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def get_logdir(self) -> str:
        return str(self._folder)

    def add_event(self, event: Event) -> None:
        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            with explain_write_errors(self._path), self._path.open("ab") as file:
                file.write(record.getbuffer())
        except BaseException:
            with contextlib.suppress(OSError):
                os.truncate(self._path, size) if size else self._path.unlink()
            raise

    def flush(self) -> None:
        """There is nothing that was not written."""

    close = reopen = flush
