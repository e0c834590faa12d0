"""Videos and images on disk: read as a player shows them, written whole or not at all.

Frames are uint8 (T, H, W, 3) RGB. PyAV reads and writes films, Pillow reads images, GIF and WebP.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from nil_core.errors import DataError
from nil_core.types import Video
from nil_core.video.even import CLOCK, even_frames
from nil_core.video.film import open_film
from nil_core.video.images import IMAGES, open_animation, open_folder, read_image
from nil_core.video.piece import Crop, Piece
from nil_core.video.source import Source, unreadable
from nil_core.video.writing import side_by_side, write_lossless, write_png, write_video

__all__ = [
    "LONGEST_SIDE",
    "read_image",
    "read_video",
    "side_by_side",
    "write_lossless",
    "write_png",
    "write_video",
]

LONGEST_SIDE = 1280
"""Pixels of the longest side that a reference video is worth keeping at: ten times what the reward sees by default."""

ANIMATIONS = (b"GIF8", b"\x89PNG")
STILLS = (b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")
"""How files begin that may be animated images, and those that are one: JPEG, BMP, TIFF."""


def read_video(
    path: Path | str,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    crop: Crop | None = None,
    fps: float | None = None,
    size: int | None = None,
) -> Video:
    """Read mp4, mov, mkv, webm, gif, webp (any film that FFmpeg decodes), or a folder of images in natural order.

    The picture is the one that a player shows: rotated and mirrored as the file asks, with square pixels, 8 bits,
    standard dynamic range, alpha flattened on black. Where pictures do not follow each other evenly, the frame rate is
    their usual one, and a picture that is shown for longer is repeated.

    Args:
        path: file or folder.
        start: s after the first frame.
        seconds: length wished for; a film that ends earlier gives what it has. None reads to the end.
        crop: x, y, width, height in pixels of the picture that a player shows.
        fps: frames per second, in place of the file's own times; a folder of images needs it.
        size: pixels of the longest side, after cropping; larger pictures are scaled down as they are read. None keeps
            them as they are.

    Returns:
        the video; ``facts["remarks"]`` are there where a person should know something of the file.

    Raises:
        DataError: missing, empty, unreadable or truncated, no film, less than two frames between the cuts, a crop
            outside the picture, or more than :func:`nil_core.video.piece.memory_limit`.
    """
    path = Path(path)
    until = math.inf if seconds is None else start + seconds
    source = _open(path, fps)
    piece = Piece(path, source.one_size, crop, size)
    end, goes_on = _fill(piece, source, start, until)
    if len(piece.frames) < 2:
        raise _too_few(path, start, end, goes_on)
    times = np.maximum.accumulate(piece.times)
    if times[0] == times[-1]:
        raise DataError(f"{path}: the time stamps stand still", "say its frame rate: --set generator.fps=25")
    indices, rate = even_frames(times, min(end, until), source.rates, start)
    piece.check_memory(len(indices), len(indices) / rate)
    facts = {"remarks": source.remarks} if source.remarks else {}
    return Video(np.stack([piece.frames[i] for i in indices]), rate, facts=facts)


def _open(path: Path, fps: float | None) -> Source:
    try:
        if path.is_dir():
            return open_folder(path, fps)
        with path.open("rb") as file:
            head = file.read(12)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "check the path; a relative one starts where you call nil") from None
    except OSError as error:
        raise unreadable(path, error) from error
    if not head:
        raise DataError(f"{path} is empty", "download or export it again")
    if head.startswith(ANIMATIONS) or (head.startswith(b"RIFF") and head.endswith(b"WEBP")):
        return open_animation(path, fps)
    if head.startswith(STILLS) and path.suffix.lower() in IMAGES:
        raise DataError(
            f"{path} is a still image, and a video has two frames or more",
            "put the images of all frames into a folder: --set generator.path=FOLDER --set generator.fps=25",
        )
    return open_film(path, fps)


def _fill(piece: Piece, source: Source, start: float, until: float) -> tuple[float, bool]:
    """Add what shows between two moments.

    Returns:
        when the last picture ends, and whether another one follows.
    """
    earlier, end = None, 0.0
    for moment in source.moments:
        if earlier and moment.time > start + CLOCK:
            piece.add(earlier)
            earlier = None
        if moment.time >= until - CLOCK:
            return moment.time, True
        if moment.time <= start + CLOCK:
            earlier = moment  # it may still show at the start
        else:
            piece.add(moment)
        end = moment.time + moment.lasts
    return end, False


def _too_few(path: Path, start: float, end: float, goes_on: bool) -> DataError:
    if goes_on:
        longer = math.ceil(100 * (end - start) + 1) / 100
        return DataError(f"{path} has fewer than two frames between the cuts", f"--set generator.seconds={longer}")
    if start > 0:
        what = f"{path} has fewer than two frames between the cuts: it ends at {end:.2f} s"
        return DataError(what, "--set generator.start=0 reads it from its beginning")
    return DataError(f"{path} has fewer than two frames in all, so no motion", "choose a video, not a still image")
