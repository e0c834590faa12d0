"""Event files by TensorBoard's own writer, which needs neither TensorFlow nor torch."""

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
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto


class EventFile:
    """One event file in a folder, which is made."""

    def __init__(self, folder: Path) -> None:
        self._writer = EventFileWriter(str(folder))

    def begin_at(self, step: int) -> None:
        """Let readers forget what earlier files of the folder say of this step and of later ones."""
        self._writer.add_event(Event(wall_time=time.time(), step=step, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Numbers by name."""
        self._add([Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()], step)

    def text(self, tag: str, markdown: str, step: int) -> None:
        """Markdown."""
        metadata = create_summary_metadata(display_name=tag, description="")
        tensor = make_tensor_proto(np.array([markdown.encode()], dtype=object))
        self._add([Summary.Value(tag=tag, metadata=metadata, tensor=tensor)], step)

    def picture(self, tag: str, encoded: bytes, step: int) -> None:
        """A PNG or GIF file's content."""
        with Image.open(io.BytesIO(encoded)) as opened:
            width, height = opened.size
        picture = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=encoded)
        self._add([Summary.Value(tag=tag, image=picture)], step)

    def flush(self) -> None:
        """On disk when the call returns."""
        self._writer.flush()

    def close(self) -> None:
        """Flush, and end."""
        self._writer.close()

    def _add(self, values: list[Summary.Value], step: int) -> None:
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
