"""Conversion of videos to GIF, which TensorBoard shows."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from nil_core.api import read_video


def gif(path: Path) -> bytes:
    """A video as an endless GIF of the same size; the duration of a frame is rounded to 10 ms.

    Raises:
        DataError: the video cannot be read.
    """
    video = read_video(path)
    first, *others = (Image.fromarray(frame) for frame in video.frames)
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, duration=round(1000 / video.fps), loop=0)
    return content.getvalue()
