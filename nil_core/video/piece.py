"""The frames of a video file between two cuts, as they are kept: cropped, scaled, and no more than memory allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from nil_core.errors import DataError
from nil_core.hardware import memory_bytes
from nil_core.types import Frames
from nil_core.video.source import Moment, StoredPicture

Crop = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


def memory_limit() -> int:
    """Bytes of frames that are read at most: a quarter of the machine's memory, as what follows makes copies."""
    return max(memory_bytes() // 4, 2 * 2**30)


@dataclass
class Piece:
    """Frames, and when each begins to show.

    Attributes:
        path: of the file, for messages.
        one_size: what to do where pictures differ in size.
        crop: what to keep of each picture; None: all of it.
        size: pixels of the longest side, larger pictures are scaled down; None: as they are.
        frames: uint8 (H, W, 3), all of one size.
        times: seconds.
    """

    path: Path
    one_size: str
    crop: Crop | None
    size: int | None
    frames: list[Frames] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    _shown: tuple[int, int] | None = None

    def add(self, moment: Moment) -> None:
        """Decode, crop and scale a picture.

        Raises:
            DataError: damaged, of another size than those before, too small for the crop, or too much for memory.
        """
        picture = moment.picture()
        shown = (picture.width, picture.height)
        self._shown = self._shown or shown
        if shown != self._shown:
            raise DataError(
                f"{self.path}: {moment.name} is {_by(*shown)}, the ones before are {_by(*self._shown)}", self.one_size
            )
        self.frames.append(self._fitted(picture))
        self.times.append(moment.time)
        self.check_memory(len(self.frames), moment.time - self.times[0])

    def check_memory(self, count: int, seconds: float) -> None:
        """Raises DataError where so many frames, which last so many seconds, are more than memory allows."""
        fitting = memory_limit() // self.frames[0].nbytes
        if count <= fitting:
            return
        height, width = self.frames[0].shape[:2]
        shorter = math.floor(100 * seconds * (fitting - 1) / count) / 100
        smaller = max(height, width) // 2
        raise DataError(
            f"{self.path}: frames of {_by(width, height)} take more than {memory_limit() / 2**30:.1f} GiB of memory",
            f"read a piece: --set generator.seconds={shorter}; or smaller pictures: --set generator.size={smaller}",
        )

    def _fitted(self, picture: StoredPicture) -> Frames:
        width, height = picture.width, picture.height
        left, top, wide, high = self.crop or (0, 0, width, height)
        if min(left, top) < 0 or min(wide, high) < 1 or left + wide > width or top + high > height:
            raise DataError(
                f"{self.path}: the crop x={left} y={top} width={wide} height={high} leaves the picture, "
                f"{_by(width, height)}",
                f"the whole picture is --set 'generator.crop=[0,0,{width},{height}]'",
            )
        scale = min(1.0, self.size / max(wide, high)) if self.size else 1.0
        stored_height, stored_width = picture.pixels.shape[:2]
        if scale == 1 and (stored_width, stored_height) == (width, height):
            return np.array(picture.pixels[top : top + high, left : left + wide])
        across, down = stored_width / width, stored_height / height
        box = (left * across, top * down, (left + wide) * across, (top + high) * down)
        target = (max(round(wide * scale), 1), max(round(high * scale), 1))
        # averages where it shrinks, interpolates where it enlarges
        return np.asarray(Image.fromarray(picture.pixels).resize(target, Image.Resampling.HAMMING, box))


def _by(width: int, height: int) -> str:
    return f"{width} x {height}"
