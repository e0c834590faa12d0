"""Event files, written with TensorBoard's record writer, which needs neither TensorFlow nor torch."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto


class EventFile:
    """One event file in a folder, which is created. Data is on disk when a call returns.

    TensorBoard's ``EventFileWriter`` is not used: it writes in a thread, which ends with a traceback on a full disk.

    Raises:
        OSError: from every method, if the disk is full or not writable.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"events.out.tfevents.{time.time():.9f}"  # files are read in the order of their names
        self._write(Event(file_version="brain.Event:2"))

    def begin_at(self, step: int) -> None:
        """Make readers drop the data of earlier files in the folder from this step on."""
        self._write(Event(step=step, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers by name."""
        self._add([Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()], step)

    def text(self, tag: str, markdown: str, step: int) -> None:
        """Write Markdown."""
        metadata = create_summary_metadata(display_name=tag, description="")
        tensor = make_tensor_proto(np.array([markdown.encode()], dtype=object))
        self._add([Summary.Value(tag=tag, metadata=metadata, tensor=tensor)], step)

    def image(self, tag: str, encoded: bytes, step: int) -> None:
        """Write an image, as the content of a PNG or GIF file."""
        with Image.open(io.BytesIO(encoded)) as opened:
            width, height = opened.size
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=encoded)
        self._add([Summary.Value(tag=tag, image=image)], step)

    def _add(self, values: list[Summary.Value], step: int) -> None:
        self._write(Event(step=step, summary=Summary(value=values)))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        with open(self._path, "ab") as file:
            RecordWriter(file).write(event.SerializeToString())
