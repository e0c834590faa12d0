"""Write videos and images: whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from PIL import Image

from nil_core.storage.atomic import writing
from nil_core.types import Frames, Masks, Video


def write_video(path: Path | str, frames: Frames, fps: float) -> None:
    """Write an mp4 that a browser plays while it loads: H.264, yuv420p, index first. Odd sizes grow by a pixel.

    Raises:
        DataError: the frames are not uint8 (T, H, W, 3), or the rate is not positive.
        MachineError: the disk is full or the folder cannot be written; what stood there still does.
    """
    height, width = Video(frames, fps).frames.shape[1:3]
    odd = height % 2 or width % 2
    even = np.pad(frames, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)], mode="edge") if odd else frames
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
        colors = {}
        if pixels.startswith("yuv"):  # players guess the matrix of a file that does not say it
            context = stream.codec_context
            context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
            context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
            colors = {"dst_colorspace": Colorspace.ITU709, "dst_color_range": ColorRange.MPEG}
        for frame in video.frames:
            picture = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            output.mux(stream.encode(picture.reformat(format=pixels, **colors)))
        output.mux(stream.encode())
