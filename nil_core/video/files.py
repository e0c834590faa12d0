"""Videos and images on disk: read with their own frame rate, written whole or not at all.

Frames are uint8 (T, H, W, 3) RGB. PyAV reads and writes films, Pillow reads images, GIF and WebP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.codec import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from natsort import natsorted
from PIL import Image, ImageOps, ImageSequence

from nil_core.errors import DataError
from nil_core.storage.atomic import writing
from nil_core.types import Doubles, Frames, Masks, Video

IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of the images that a folder of images is made of."""

FILMS = "mov,matroska,avi,mpegts,mpeg,ogg"
"""Containers that are read, as FFmpeg calls them (mov is mp4 too, matroska webm): no playlists, which fetch others."""

LARGEST = 2 * 2**30
"""Bytes of frames that are read at most: beyond it, a person meant a piece of the film."""

CLOCK = 1e-3
"""Seconds; the coarsest clock of the containers (Matroska's), so the error of a timestamp."""

_CONVERT = "make a fresh file with: ffmpeg -i {name} -pix_fmt yuv420p video.mp4"


@dataclass(frozen=True)
class _Source:
    """Pictures in order, each with its time in seconds and a way to get it, and the frame rate the file declares."""

    moments: Iterator[tuple[float, Callable[[], Frames]]]
    rate: float | None = None


def read_video(
    path: Path | str,
    *,
    start: float = 0.0,
    seconds: float | None = None,
    crop: tuple[int, int, int, int] | None = None,
    fps: float | None = None,
) -> Video:
    """Read mp4, mov, mkv, webm, gif, webp (any film that FFmpeg decodes), or a folder of images in natural order.

    Rotation stored in the file is applied, alpha is flattened on black. A variable frame rate becomes its average:
    each moment shows the frame that a player would show then.

    Args:
        path: file or folder.
        start: s after the first frame.
        seconds: length wished for; a film that ends earlier gives what it has. None reads to the end.
        crop: x, y, width, height in pixels of the upright picture.
        fps: frames per second, in place of the file's own; a folder of images needs it.

    Raises:
        DataError: missing, empty, unreadable or truncated, no film, less than two frames between the cuts, a crop
            outside the picture, or more than :data:`LARGEST` bytes.
    """
    path = Path(path)
    source = _open(path, fps)
    times: list[float] = []
    frames: list[Frames] = []
    time, budget = 0.0, LARGEST
    for count, (stamp, picture) in enumerate(source.moments):
        time = count / fps if fps else stamp
        if time < start - CLOCK:
            continue
        if seconds is not None and time >= start + seconds - CLOCK:
            break
        frame = _cropped(picture(), crop, path)
        if frames and frame.shape != frames[0].shape:
            raise DataError(
                f"{path}: frame {count} is {_size(frame)}, the ones before are {_size(frames[0])}",
                "scale all of them to one size",
            )
        budget -= frame.nbytes
        if budget < 0:
            raise DataError(
                f"{path}: the frames take more than {LARGEST / 2**30:.0f} GiB of memory",
                "read a piece: --set generator.start=0 --set generator.seconds=5",
            )
        times.append(time)
        frames.append(frame)
    if len(frames) < 2:
        whole = start == 0 and seconds is None
        raise DataError(
            f"{path} has fewer than two frames {'in all' if whole else 'between the cuts'}, so no motion",
            "choose a video, not a still image" if whole else f"the last frame seen is at {time:.2f} s: cut elsewhere",
        )
    return _evenly_spaced(np.stack(frames), np.array(times), fps or source.rate, path)


def write_video(path: Path | str, frames: Frames, fps: float) -> None:
    """Write an mp4 that a browser plays while it loads: H.264, yuv420p, index first. Odd sizes grow by a pixel.

    Raises:
        DataError: the frames are not uint8 (T, H, W, 3), or the rate is not positive.
        MachineError: the disk is full or the folder cannot be written; what stood there still does.
    """
    height, width = Video(frames, fps).frames.shape[1:3]
    even = np.pad(frames, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)], mode="edge")
    _encode(Path(path), Video(even, fps), "mp4", "libx264", "yuv420p", {"crf": "18"}, {"movflags": "+faststart"})


def write_lossless(path: Path | str, frames: Frames, fps: float) -> None:
    """Write Matroska with FFV1, from which :func:`read_video` returns the same bytes. Raises as :func:`write_video`."""
    _encode(Path(path), Video(frames, fps), "matroska", "ffv1", "bgr0", {}, {})


def write_png(path: Path | str, image: Frames | Masks) -> None:
    """Write one RGB frame, uint8 (H, W, 3), or one mask, bool (H, W), white on black.

    Raises:
        MachineError: the disk is full or the folder cannot be written; what stood there still does.
    """
    with writing(Path(path)) as unfinished:
        Image.fromarray(_rgb(image)).save(unfinished, format="PNG")


def read_image(path: Path | str) -> Frames:
    """Read one still image as uint8 (H, W, 3), upright and flattened on black.

    Raises:
        DataError: missing or no image.
    """
    try:
        with Image.open(path) as image:
            return _on_black(ImageOps.exif_transpose(image).convert("RGBA"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is no image that can be read: {error}", "give it as png or jpg") from error


def side_by_side(panels: Sequence[Frames | Masks]) -> Frames:
    """Join clips from left to right for comparison: each uint8 (T, H, W, 3) or bool (T, H, W), white on black.

    Smaller panels are filled up with black below, shorter ones hold their last frame.
    """
    length, height = max(map(len, panels)), max(panel.shape[1] for panel in panels)
    columns = []
    for panel in map(_rgb, panels):
        held = panel[np.minimum(np.arange(length), len(panel) - 1)]
        columns.append(np.pad(held, [(0, 0), (0, height - panel.shape[1]), (0, 0), (0, 0)]))
    return np.concatenate(columns, axis=2)


def _open(path: Path, fps: float | None) -> _Source:
    if path.is_dir():
        return _Source(_folder(path, fps))
    if not path.exists():
        raise DataError(f"{path} does not exist", "check the path; a relative one starts where you call nil")
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", f"check with: ls -l {path}") from error
    if not head:
        raise DataError(f"{path} is empty", "download or export it again")
    if head.startswith((b"GIF8", b"\x89PNG")) or (head.startswith(b"RIFF") and head.endswith(b"WEBP")):
        return _Source(_animation(path))
    return _film(path)


def _folder(path: Path, fps: float | None) -> Iterator[tuple[float, Callable[[], Frames]]]:
    if fps is None:
        raise DataError(f"{path} is a folder of images, which has no frame rate", "say it: --set generator.fps=25")
    images = [file for file in path.iterdir() if file.suffix.lower() in IMAGES and not file.name.startswith(".")]
    if not images:
        raise DataError(f"{path} holds no images", f"put frames there, as {', '.join(sorted(IMAGES))}")
    for number, file in enumerate(natsorted(images, key=lambda image: image.name)):
        yield number / fps, partial(read_image, file)


def _animation(path: Path) -> Iterator[tuple[float, Callable[[], Frames]]]:
    time = 0.0
    try:
        with Image.open(path) as image:
            for picture in ImageSequence.Iterator(image):
                flat = picture.convert("RGBA")  # decodes, without which WebP has no durations
                yield time, partial(_on_black, flat)
                delay = picture.info.get("duration", 0) / 1000
                time += delay if delay > 0.01 else 0.1  # as browsers do with delays too short to be meant
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is damaged: {error}", "download or export it again") from error


def _film(path: Path) -> _Source:
    hint = _CONVERT.format(name=path.name)
    try:
        # "file:" lets names hold colons.
        container = av.open(f"file:{path}", options={"format_whitelist": FILMS}, metadata_errors="ignore")
    except FFmpegError as error:
        raise DataError(f"{path} is no video that can be read: {error.strerror}", hint) from error
    if not container.streams.video:
        container.close()
        raise DataError(f"{path} holds no pictures", "choose a file with a video track")
    stream = container.streams.video[0]
    rate = float(stream.average_rate) if stream.average_rate else None
    if stream.duration is not None and stream.time_base is not None:
        duration = float(stream.duration * stream.time_base)
    elif container.duration is not None and len(container.streams) == 1:
        duration = container.duration / av.time_base
    else:
        duration = None  # unknown, or that of the sound

    def frame_times() -> Iterator[tuple[float, Callable[[], Frames]]]:
        first, time, decoded = 0.0, 0.0, 0
        broken: FFmpegError | None = None
        with container:
            try:
                for frame in _decoded(container, stream):
                    if frame.time is None:
                        raise DataError(f"{path} has no timestamps", hint)
                    first = first if decoded else frame.time
                    time = frame.time - first
                    decoded += 1
                    yield time, partial(_upright, frame)
            except FFmpegError as error:
                broken = error
        missing = 0.0 if duration is None or rate is None else duration - time - 1 / rate
        if broken or (rate and duration and missing > max(2 / rate, 0.05 * duration)):
            of = f" of {round(duration * rate)}" if rate and duration else ""
            raise DataError(
                f"{path} breaks off: {decoded}{of} frames can be read",
                f"get it again whole, or read its beginning: --set generator.seconds={max(time - 0.1, 0.1):.1f}",
            )

    return _Source(frame_times(), rate)


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1":  # FFmpeg's own decoders of VP8 and VP9 drop the alpha channel
        name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}[decoder.name]
        decoder = cast(VideoCodecContext, CodecContext.create(name, "r"))
    for packet in container.demux(stream):
        yield from decoder.decode(packet)


def _upright(frame: VideoFrame) -> Frames:
    if any(component.is_alpha for component in frame.format.components):
        picture = _on_black(Image.fromarray(frame.to_ndarray(format="rgba")))
    else:
        picture = cast(Frames, frame.to_ndarray(format="rgb24"))
    return np.rot90(picture, frame.rotation // 90)


def _on_black(rgba: Image.Image) -> Frames:
    black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
    return np.array(Image.alpha_composite(black, rgba).convert("RGB"))


def _cropped(frame: Frames, crop: tuple[int, int, int, int] | None, path: Path) -> Frames:
    if crop is None:
        return np.ascontiguousarray(frame)
    x, y, width, height = crop
    if min(x, y) < 0 or min(width, height) < 1 or x + width > frame.shape[1] or y + height > frame.shape[0]:
        raise DataError(
            f"{path}: the crop x={x} y={y} width={width} height={height} leaves the picture, {_size(frame)}",
            f"the whole picture is --set generator.crop=[0,0,{frame.shape[1]},{frame.shape[0]}]",
        )
    return frame[y : y + height, x : x + width].copy()


def _size(frame: Frames) -> str:
    return f"{frame.shape[1]} x {frame.shape[0]}"


def _evenly_spaced(frames: Frames, times: Doubles, declared: float | None, path: Path) -> Video:
    """Keep the declared rate where the times bear it out, else take the average; hold frames where they are uneven."""
    steps, span = len(times) - 1, float(times[-1] - times[0])
    if span <= 0:
        raise DataError(f"{path}: the timestamps stand still", _CONVERT.format(name=path.name))
    rate = declared if declared and abs(span - steps / declared) < 2 * CLOCK else steps / span
    even = times[0] + np.arange(len(times)) / rate
    if np.abs(times - even).max() > 0.25 / rate:
        frames = frames[np.searchsorted(times, even + CLOCK, side="right") - 1]
    return Video(frames, rate)


def _rgb(images: Frames | Masks) -> Frames:
    if images.dtype == np.bool_:
        return np.repeat(images[..., None].astype(np.uint8) * np.uint8(255), 3, axis=-1)
    return images.astype(np.uint8, copy=False)


def _encode(
    path: Path,
    video: Video,
    container: str,
    codec: str,
    pixels: str,
    codec_options: dict[str, str],
    container_options: dict[str, str],
) -> None:
    rate = Fraction(video.fps).limit_denominator(1001)
    with (
        writing(path) as unfinished,
        av.open(f"file:{unfinished}", "w", format=container, container_options=container_options) as output,
    ):
        stream = cast(VideoStream, output.add_stream(codec, rate, options=codec_options))
        stream.height, stream.width = video.frames.shape[1:3]
        stream.pix_fmt = pixels
        for frame in video.frames:
            output.mux(stream.encode(VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        output.mux(stream.encode())
