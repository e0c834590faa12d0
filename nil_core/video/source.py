"""What a video file or a folder of images gives: pictures in order, each with its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from nil_core.errors import DataError, NilError
from nil_core.storage.os_errors import explanation
from nil_core.types import Frames


@dataclass(frozen=True)
class StoredPicture:
    """A picture as it is stored, upright.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        width, height: size in which a player shows it, in square pixels.
    """

    pixels: Frames
    width: int
    height: int

    @classmethod
    def square(cls, pixels: Frames) -> StoredPicture:
        """A picture with square pixels."""
        return cls(pixels, pixels.shape[1], pixels.shape[0])


@dataclass(frozen=True)
class Moment:
    """A picture and when it is shown.

    Attributes:
        time: seconds after the first picture.
        lasts: seconds until the next picture; 0 where the file does not say.
        picture: decodes it.
        name: what to call it in a message.
    """

    time: float
    lasts: float
    picture: Callable[[], StoredPicture]
    name: str


@dataclass(frozen=True)
class Source:
    """The pictures of a file or folder.

    Attributes:
        moments: in the order in which they are shown; raises DataError where the file is damaged.
        rates: frame rates that the file declares.
        one_size: what to do where the pictures differ in size.
        remarks: what a person should know, one line each; complete when ``moments`` is used up.
    """

    moments: Iterator[Moment]
    rates: tuple[float, ...] = ()
    one_size: str = "scale all of them to one size"
    remarks: list[str] = field(default_factory=list)


def unreadable(path: Path, error: OSError) -> NilError:
    """That a file or folder cannot be read or reached."""
    other = DataError(f"{path} cannot be read: {error.strerror}", f"ls -l {quote(str(path))}")
    return explanation(error, path, "read") or other


def convert_hint(path: Path) -> str:
    """How to make a file that can be read: FFV1 keeps every pixel, and takes every size."""
    return f"make a fresh file with: ffmpeg -i {quote(str(path))} -an -c:v ffv1 video.mkv"
