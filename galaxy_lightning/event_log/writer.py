"""Writes event files for TensorBoard, without torch and TensorFlow."""

import io
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import yaml
from PIL import Image

from data_prep.common.files import explain_write_errors
from galaxy_lightning.runtime.noise import without_tensorflow

with without_tensorflow():
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.record_writer import RecordWriter

EVENTS: Final = "events.out.tfevents"
"""Start of the names of event files; TensorBoard reads all files whose names contain ``tfevents``."""
FINAL_EVENTS: Final = f"{EVENTS}.final"
"""The event file with the hyperparameters and final metrics of a fit by ``galaxy_lightning``."""


class EventSink(Protocol):
    """What summaries can be written to."""

    def add_summary(self, summary: Summary, step: int) -> None:
        """Writes a summary of an epoch."""


class EventLog:
    """An event file, as a context manager; each summary is on the disk when ``add_summary`` returns.

    Args:
        path: The file to write. Its name must contain ``tfevents``.

    Raises:
        GalaxyError: The file cannot be written, also from ``add_summary``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with explain_write_errors(path):
            self._file = path.open("wb")
        self._writer = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add_summary(self, summary: Summary, step: int) -> None:
        """Writes a summary.

        Args:
            summary: Any number of values with their tags.
            step: The position on the x axis: the epoch, counted from 1.
        """
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def __enter__(self) -> Self:
        """Returns the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file, which writes again what a full disk has refused."""
        with explain_write_errors(self._path):
            self._file.close()

    def _write(self, event: Event) -> None:
        with explain_write_errors(self._path):
            self._writer.write(event.SerializeToString())
            self._writer.flush()


def restart_event(epoch: int) -> Event:
    """Returns the event that makes TensorBoard drop what was logged from an epoch on.

    Args:
        epoch: The first epoch of a resumed fit, which starts at an earlier checkpoint than the log ends.
    """
    return Event(step=epoch, session_log=SessionLog(status=SessionLog.START))


def scalar_summary(values: Mapping[str, float]) -> Summary:
    """Returns numbers by tag; each is a curve."""
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def image_summary(tag: str, image: Image.Image, *, jpeg: bool = False) -> Summary:
    """Returns an image as PNG, or as JPEG, which takes a tenth of the space and time for photographs."""
    file = io.BytesIO()
    if jpeg:
        image.save(file, "JPEG", quality=85, subsampling=0)
    else:
        image.save(file, "PNG")
    width, height = image.size
    encoded = Summary.Image(
        height=height, width=width, colorspace=len(image.getbands()), encoded_image_string=file.getvalue()
    )
    return Summary(value=[Summary.Value(tag=tag, image=encoded)])


def text_summary(tag: str, markdown: str) -> Summary:
    """Returns a text in Markdown."""
    summary: Summary = text_pb(tag, markdown)
    return summary


def yaml_summary(tag: str, settings: str | Mapping[str, Any]) -> Summary:
    """Returns settings as a block of YAML, from YAML or from values of JSON types by name."""
    if isinstance(settings, str):
        text = settings
    else:  # The types of options are subclasses of int and float, which YAML does not know.
        text = yaml.safe_dump(json.loads(json.dumps(settings)), sort_keys=False)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return text_summary(tag, f"{fence}yaml\n{text.rstrip()}\n{fence}")
