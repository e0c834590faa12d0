"""From a video's frame rate to the tick rate: hold a frame until the next one, or draw what lies between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import groupby

import numpy as np
import numpy.typing as npt

from nil_core.config import VideoSettings
from nil_core.errors import ConfigError, DataError
from nil_core.types import Doubles, Frames, Masks
from nil_core.video.picture import Interpolate, Picture

EXACT = 1e-6
"""Share of a frame's time by which a tick may miss it and still show it as it is."""


@dataclass(frozen=True)
class FrameTimes:
    """Where each tick lies in a video.

    Attributes:
        index: int64 (ticks + 1,), the last frame whose time has come.
        fraction: float64 (ticks + 1,), how far the tick is on the way to the next frame, 0 ... 1; 0 is exact.
    """

    index: npt.NDArray[np.int64]
    fraction: Doubles


def hold(frames: int, fps: float, tick_hz: float) -> npt.NDArray[np.int64]:
    """Which frame shows at each tick: the last one whose time has come (paper v1).

    Args:
        frames: T, frames in the video; frame i shows time i / fps.
        fps: as read from the video, never assumed.
        tick_hz: ticks a second.

    Returns:
        frame index (ticks + 1,), from time 0 to the last tick the video reaches.

    Raises:
        DataError: the video ends before the first tick.
    """
    ticks = int(np.floor((frames - 1) / fps * tick_hz + EXACT))
    if ticks < 1:
        raise DataError(
            f"the video is too short: {frames} frame(s) at {fps:g} fps, less than one tick at {tick_hz:g} Hz",
            "a video to imitate shows the robot for a second or more",
        )
    return np.floor(np.arange(ticks + 1) / tick_hz * fps + EXACT).astype(np.int64)


def frame_times(frames: int, fps: float, tick_hz: float, seconds: float, method: str) -> FrameTimes:
    """Where the ticks of at most so many seconds lie; with the method ``hold`` none lies between two frames.

    Args and raises as :func:`hold`.
    """
    rows = hold(frames, fps, tick_hz)[: round(seconds * tick_hz) + 1]
    shares = np.arange(len(rows)) / tick_hz * fps - rows
    return FrameTimes(rows, np.where((shares < EXACT) | (method == "hold"), 0.0, shares))


def check_method(video: VideoSettings) -> None:
    """Whether the chosen method has what it needs, before anything is generated for it.

    Raises:
        ConfigError: with the line that mends it.
    """
    needs = {"flow": ("cv2", "pip install opencv-python-headless"), "rife": ("torch", "pip install torch")}
    if video.alignment in needs:
        module, install = needs[video.alignment]
        if find_spec(module) is None:
            raise ConfigError(f"video.alignment={video.alignment} needs the module {module}", install)
    if video.alignment == "rife":
        path = video.rife_weights
        if path is None or not path.expanduser().is_file():
            raise ConfigError(
                "video.alignment=rife needs RIFE as a TorchScript file, and "
                + (f"{path} is none" if path else "video.rife_weights is not set"),
                "docs/video.md shows how to make one; --set video.alignment=flow needs no weights",
            )


def method(video: VideoSettings, device: str) -> Interpolate:
    """The chosen way of drawing what lies between two frames (never asked with ``hold``).

    Raises:
        ConfigError, DataError: see :func:`check_method` and :class:`nil_core.video.rife.Rife`.
    """
    check_method(video)
    if video.alignment == "flow":
        from nil_core.video.flow import flow

        return flow
    if video.alignment == "rife":
        from nil_core.video.rife import Rife

        assert video.rife_weights is not None
        return Rife(video.rife_weights.expanduser(), device).interpolate
    return blend


def blend(first: Picture, second: Picture, shares: Sequence[float]) -> list[npt.NDArray[np.float32]]:
    """Cross-fades."""
    one, other = first.astype(np.float32), second.astype(np.float32)
    return [(1 - share) * one + share * other for share in shares]


def at_ticks(frames: Frames, masks: Masks, at: FrameTimes, interpolate: Interpolate) -> Iterator[tuple[Frames, Masks]]:
    """What each tick shows: a frame as it is, or a picture between two, its mask thresholded at one half.

    Args:
        frames, masks: uint8 (T, H, W, 3) and bool (T, H, W).
        at: from :func:`frame_times`.
        interpolate: from :func:`method`; it sees the robot on black.
    """
    for row, group in groupby(zip(at.index.tolist(), at.fraction.tolist(), strict=True), key=lambda moment: moment[0]):
        shares = [share for _, share in group]
        inner = [share for share in shares if share > 0]
        made = iter(interpolate(_picture(frames, masks, row), _picture(frames, masks, row + 1), inner) if inner else ())
        for share in shares:
            if share > 0:
                picture = next(made)
                yield np.rint(picture[..., :3]).clip(0, 255).astype(np.uint8), picture[..., 3] > 127.5
            else:
                yield frames[row], masks[row]


def trajectory_at_ticks(trajectory: Doubles, at: FrameTimes) -> Doubles:
    """Joint positions (T, nq) at the ticks, drawn straight between rows. Where a free root comes first (nq of 7 or
    more), its unit quaternion goes the short way round."""
    before, share = trajectory[at.index], at.fraction[:, None]
    after = trajectory[np.minimum(at.index + 1, len(trajectory) - 1)].copy()
    turns = slice(3, 7) if trajectory.shape[1] >= 7 else slice(0)
    after[:, turns] *= np.where((before[:, turns] * after[:, turns]).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    rows: Doubles = np.where(share > 0, (1 - share) * before + share * after, before)
    between = at.fraction > 0
    rows[between, turns] /= np.linalg.norm(rows[between, turns], axis=1, keepdims=True)
    return rows


def _picture(frames: Frames, masks: Masks, row: int) -> Picture:
    colored = np.concatenate([frames[row], np.full((*masks[row].shape, 1), 255, np.uint8)], axis=-1)
    return np.where(masks[row][..., None], colored, np.uint8(0))
