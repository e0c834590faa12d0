"""From a decoded frame of a film to the picture that a player shows."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter
from PIL import Image

from nil_core.errors import DataError
from nil_core.types import Frames
from nil_core.video.images import on_black
from nil_core.video.source import StoredPicture, convert_hint

UNSPECIFIED = 2
"""FFmpeg's number for a color matrix that the file does not name."""

HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
"""Transfer curves of high dynamic range: PQ and HLG."""


class FilmFrames:
    """Turns the decoded frames of one film into pictures.

    Args:
        pixel_aspect: width of a stored pixel over its height.
        path: of the film, for messages.
    """

    def __init__(self, pixel_aspect: Fraction, path: Path) -> None:
        self._pixel_aspect = pixel_aspect
        self._path = path
        self._scaler = VideoReformatter()  # one for all frames: for high dynamic range its tables take seconds

    def upright(self, frame: VideoFrame) -> StoredPicture:
        """The picture in RGB, turned and mirrored as the file asks, transparent parts black.

        Raises:
            DataError: turned by an angle that is no multiple of 90 degrees, skewed, or pixels that cannot be converted.
        """
        try:
            stored = self._rgb(frame)
        except (FFmpegError, ValueError) as error:
            what = f"{self._path}: pixels of the kind {frame.format.name} cannot be read"
            raise DataError(what, convert_hint(self._path)) from error
        width, height = max(round(stored.shape[1] * self._pixel_aspect), 1), stored.shape[0]
        (right_x, right_y), (down_x, down_y) = _orientation(frame, self._path)
        if right_x == 0:  # rows become columns
            stored, width, height = stored.transpose(1, 0, 2), height, width
            right_x, down_y = down_x, right_y
        return StoredPicture(np.ascontiguousarray(stored[::down_y, ::right_x]), width, height)

    def _rgb(self, frame: VideoFrame) -> Frames:
        transparent = frame.format.has_palette or any(component.is_alpha for component in frame.format.components)
        format = "rgba" if transparent else "rgb24"
        pixels = cast(Frames, self._scaler.reformat(frame, format=format, **_color(frame)).to_ndarray())
        return on_black(Image.fromarray(pixels)) if transparent else pixels


def _color(frame: VideoFrame) -> dict[str, Any]:
    """What FFmpeg's scaler must be told beside what the frame says: it reads matrix and range from the frame."""
    if frame.color_trc in HDR:
        return {"dst_color_trc": ColorTrc.IEC61966_2_1, "dst_color_primaries": ColorPrimaries.BT709}
    if frame.colorspace == UNSPECIFIED and not frame.format.is_rgb and (frame.width >= 1280 or frame.height > 576):
        return {"src_colorspace": Colorspace.ITU709}  # as players guess; the scaler would take BT.601
    return {}


def _orientation(frame: VideoFrame, path: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where the stored right and down point in the upright picture, each as (x, y) of -1, 0 or 1.

    FFmpeg turns scales of the display matrix into the pixel aspect, so that directions alone are left.
    """
    data = cast(SideData | None, frame.side_data.get("DISPLAYMATRIX"))
    if data is None:
        return (1, 0), (0, 1)
    matrix = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2].astype(np.float64)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not lengths.all():
        return (1, 0), (0, 1)  # no orientation: players ignore such a matrix
    directions = matrix / lengths
    whole = np.rint(directions).astype(int)
    if np.abs(directions - whole).max() > 0.02 or np.linalg.det(whole) == 0:
        angle = np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))
        raise DataError(f"{path} is to be shown turned by {angle:.0f} degrees, or skewed", convert_hint(path))
    (right_x, right_y), (down_x, down_y) = whole.tolist()
    return (right_x, right_y), (down_x, down_y)
