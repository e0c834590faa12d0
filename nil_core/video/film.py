"""Films: containers with a video track, decoded by PyAV (FFmpeg)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from shlex import quote
from typing import cast

import av
from av.codec import CodecContext
from av.container import InputContainer
from av.error import ArgumentError, FFmpegError
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from nil_core.errors import DataError
from nil_core.video.film_frame import FilmFrames
from nil_core.video.source import Moment, Source, convert_hint
from nil_core.video.whole import missing_bytes

FILMS = "mov,matroska,avi,mpegts,mpeg,ogg,flv,asf"
"""What is read, as FFmpeg calls it (mov is mp4 too, matroska webm, asf wmv); no playlists, which fetch others."""

STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
"""Tracks that are pictures beside the film, such as a cover."""

AGAIN = "download or export it again"


def open_film(path: Path, fps: float | None) -> Source:
    """The video track of a film; a track that is one picture, such as a cover, is passed over.

    Args:
        path: of the file.
        fps: frames per second in place of the film's own time stamps.

    Raises:
        DataError: no film that FFmpeg reads, or none with a video track.
    """
    container = _open(path)
    tracks = [track for track in container.streams.video if not track.disposition & STILL]
    if not tracks:
        what = "video beside a cover picture" if container.streams.video else "pictures"
        container.close()
        raise DataError(f"{path} holds no {what}", "choose a file with a video track")
    moving = _moving(path, [track.index for track in tracks]) if len(tracks) > 1 else []
    chosen = min((t for t in tracks if t.index in moving), key=_not_default, default=tracks[0])
    remarks = []
    if len(moving) > 1:
        remarks.append(
            f"{path} holds {len(moving)} video tracks, and number {chosen.index} is read: another is taken out with "
            f"ffmpeg -i {quote(str(path))} -map 0:{next(i for i in moving if i != chosen.index)} -c copy one.mkv"
        )
    declared = (fps,) if fps else (chosen.average_rate, chosen.guessed_rate)
    rates = tuple(float(rate) for rate in declared if rate)
    return Source(_moments(container, chosen, path, fps, remarks), rates, convert_hint(path), remarks)


def _open(path: Path) -> InputContainer:
    try:
        # "file:" lets names hold colons.
        return av.open(f"file:{path}", options={"format_whitelist": FILMS}, metadata_errors="ignore")
    except FFmpegError as error:
        if missing := missing_bytes(path):
            raise DataError(f"{path} breaks off: {missing} bytes are missing at its end", AGAIN) from error
        if isinstance(error, ArgumentError):  # FFmpeg knows it, and FILMS has it not
            raise DataError(f"{path} is no video that can be read: another kind", convert_hint(path)) from error
        raise DataError(f"{path} is no video that can be read: {error.strerror}", AGAIN) from error


def _not_default(track: VideoStream) -> bool:
    return not track.disposition & Disposition.default


def _moving(path: Path, tracks: list[int]) -> list[int]:
    """Which tracks have more than one picture."""
    counts = dict.fromkeys(tracks, 0)
    with _open(path) as container:
        try:
            for packet in container.demux(tracks):
                counts[packet.stream_index] += packet.size > 0
                if min(counts.values()) > 1:
                    break
        except FFmpegError:
            pass  # told when it is read
    return [track for track in tracks if counts[track] > 1]


def _moments(
    container: InputContainer, track: VideoStream, path: Path, fps: float | None, remarks: list[str]
) -> Iterator[Moment]:
    pictures = FilmFrames(Fraction(track.sample_aspect_ratio or 1), path)
    first, time, count, declared = 0.0, 0.0, 0, track.frames
    damaged = interlaced = False
    broken: FFmpegError | None = None
    with container:
        try:
            for frame in _decoded(container, track):
                if frame.time is None and fps is None:
                    raise DataError(f"{path} has no time stamps", "say its frame rate: --set generator.fps=25")
                first = first if count else frame.time or 0.0
                time = count / fps if fps else frame.time - first
                lasts = 1 / fps if fps else float(frame.duration * (frame.time_base or 0))
                if frame.interlaced_frame and not interlaced:
                    remarks.append(_interlaced(path))
                    interlaced = True
                if frame.is_corrupt and not damaged:
                    remarks.append(f"{path}: from frame {count}, {time:.2f} s, pictures are damaged: {AGAIN}")
                    damaged = True
                yield Moment(time, lasts, partial(pictures.upright, frame), f"frame {count}")
                count += 1
        except FFmpegError as error:
            broken = error
    missing = missing_bytes(path)
    if broken or (missing and not 0 < declared <= count):  # sound may be missing
        reason = broken.strerror if broken else ""
        what = f"{missing} bytes are missing at its end" if missing else f"what follows is damaged: {reason}"
        seconds = math.floor(100 * time) / 100
        piece = f", or read its beginning: --set generator.start=0 --set generator.seconds={seconds}"
        hint = AGAIN + piece if count > 2 else AGAIN
        raise DataError(f"{path} breaks off after {count} frames, {time:.2f} s: {what}", hint)


def _interlaced(path: Path) -> str:
    return (
        f"{path} is interlaced: what moves has teeth like a comb; "
        f"ffmpeg -i {quote(str(path))} -vf bwdif -an -c:v ffv1 video.mkv makes whole frames of it"
    )


def _decoded(container: InputContainer, track: VideoStream) -> Iterator[VideoFrame]:
    decoder = track.codec_context
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(decoder.name)
    if name and track.metadata.get("alpha_mode") == "1":  # FFmpeg's own decoders of these drop the alpha channel
        decoder = cast(VideoCodecContext, CodecContext.create(name, "r"))
    for packet in container.demux(track):
        yield from decoder.decode(packet)
