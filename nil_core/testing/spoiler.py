"""What video generators do to a robot, done to a video whose truth is known, each kind by a strength from 0 to 1.

>>> spoiled = spoil(video, {"camera_drift": 0.5, "compression": 1.0}, seed=3)

A strength of 0 changes nothing. Kinds may be combined in any order of writing: they are applied in that of
:data:`KINDS`, and each draws from random numbers of its own. Masks and trajectory stay those of what is shown.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
from scipy import ndimage

from nil_core.errors import DataError
from nil_core.sim.scene import RobotScene
from nil_core.testing.bodies_spoiled import REDRAWN, redraw
from nil_core.types import Frames, Masks, Video

Random = np.random.Generator


def spoil(video: Video, strengths: Mapping[str, float], seed: int = 0, scene: RobotScene | None = None) -> Video:
    """A spoiled copy of a video; the very same one where all strengths are 0.

    Args:
        video: with masks for ``texture`` and ``background``; with the trajectory for what is drawn anew.
        strengths: kind (of :data:`KINDS`) to strength, 0 to 1.
        seed: of everything random; the same seed gives the same video, bit for bit.
        scene: the robot, for ``limb_length``, ``limb_thickness``, ``limb_vanishes`` and ``feet_slide``, which draw
            the video anew at the scene's render size. They come first, so that the rest applies to them too.

    Raises:
        DataError: an unknown kind, a strength outside 0 to 1, or what a kind needs is missing.
    """
    if unknown := sorted(set(strengths) - set(KINDS)):
        raise DataError(f"videos are not spoiled by {', '.join(unknown)}", f"choose of {', '.join(KINDS)}")
    if wrong := {kind: value for kind, value in strengths.items() if not 0 <= value <= 1}:
        raise DataError(f"strengths lie between 0 and 1, not {wrong}", "0 leaves the video as it is")
    wanted = {kind: strengths[kind] for kind in KINDS if strengths.get(kind)}
    if redrawn := {kind: wanted[kind] for kind in REDRAWN if kind in wanted}:
        if scene is None or video.trajectory is None:
            raise DataError(f"{', '.join(redrawn)} need the scene and the trajectory of the video")
        video = redraw(video, scene, redrawn, {kind: _random(seed, kind) for kind in redrawn})
    for kind, strength in wanted.items():
        if kind in _PICTURES:
            video = _PICTURES[kind](video, strength, _random(seed, kind))
    return video


def _random(seed: int, kind: str) -> Random:
    return np.random.default_rng([seed, KINDS.index(kind)])


def _speed(video: Video, strength: float, random: Random) -> Video:
    """Time compressed: up to four times as fast, and as many times shorter."""
    factor = 1 + 3 * strength
    return _at(video, np.round(np.arange(0, len(video.frames) - 0.5, factor)).astype(np.int64))


def _repeats(video: Video, strength: float, random: Random) -> Video:
    """Up to half of the frames show once more what the one before showed, while the motion goes on."""
    stays = random.random(len(video.frames)) < 0.5 * strength
    stays[0] = False
    shown = _at(video, np.maximum.accumulate(np.where(stays, 0, np.arange(len(stays)))))
    return replace(shown, trajectory=video.trajectory)


def _texture(video: Video, strength: float, random: Random) -> Video:
    """Blotches of another color on the robot, which move with it."""
    masks = _masks(video, "texture")
    height, width = masks.shape[1:]
    pattern = ndimage.gaussian_filter(random.normal(size=(2 * height, 2 * width, 3)), (3, 3, 0), mode="wrap")
    pattern = np.clip(0.6 + 0.25 * pattern / pattern.std(), 0.1, 1)
    frames = video.frames.copy()
    for frame, mask in zip(frames, masks, strict=True):
        if mask.any():
            rows, columns = np.nonzero(mask)
            painted = pattern[rows - rows.min(), columns - columns.min()] * frame[mask].max(1, keepdims=True)
            frame[mask] = np.round((1 - strength) * frame[mask] + strength * painted)
    return replace(video, frames=frames)


def _light(video: Video, strength: float, random: Random) -> Video:
    """Light from another side, and of another color."""
    height, width = video.frames.shape[1:3]
    angle = random.uniform(0, 2 * np.pi)
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    field = 0.75 + 0.35 * (np.sin(angle) * rows + np.cos(angle) * columns)
    light = field[..., None] * random.uniform(0.6, 1.1, 3)
    return _times(video, 1 + strength * (light - 1))


def _flicker(video: Video, strength: float, random: Random) -> Video:
    """Every frame brighter or darker than it should be, by up to a half."""
    gains = 1 + 0.5 * strength * random.uniform(-1, 1, len(video.frames))
    return _times(video, gains[:, None, None, None])


def _background(video: Video, strength: float, random: Random) -> Video:
    """Up to 0.5 a plain color that grows out of the present background, from there on clutter in front of it."""
    masks = _masks(video, "background")
    height, width = masks.shape[1:]
    scenery = np.broadcast_to(random.uniform(80, 200, 3), (height, width, 3)).copy()
    for _ in range(25):
        top, left = random.integers(0, height), random.integers(0, width)
        tall, wide = random.integers(2, max(height // 3, 3)), random.integers(2, max(width // 3, 3))
        place = scenery[top : top + tall, left : left + wide]
        place += max(2 * strength - 1, 0) * random.uniform(-120, 120, 3)
    share = min(2 * strength, 1)
    behind = np.clip((1 - share) * video.frames + share * scenery, 0, 255).round().astype(np.uint8)
    return replace(video, frames=np.where(masks[..., None], video.frames, behind))


def _drift(video: Video, strength: float, random: Random) -> Video:
    """The camera moves sideways, by an eighth of the picture until the end."""
    angle, side = random.uniform(0, 2 * np.pi), min(video.frames.shape[1:3])
    way = strength * side / 8 * np.linspace(0, 1, len(video.frames))
    return _seen(video, np.ones(len(way)), way[:, None] * [np.sin(angle), np.cos(angle)])


def _zoom(video: Video, strength: float, random: Random) -> Video:
    """The camera zooms in or out, by a quarter until the end."""
    last = 1 + 0.25 * strength * random.choice([-1, 1])
    return _seen(video, np.linspace(1, last, len(video.frames)), np.zeros((len(video.frames), 2)))


def _shake(video: Video, strength: float, random: Random) -> Video:
    """The camera trembles, by a sixteenth of the picture at most and up to five times a second; still at first."""
    count, side = len(video.frames), min(video.frames.shape[1:3])
    times = np.arange(count) / video.fps
    way = np.zeros((count, 2))
    for hertz in (1.0, 2.0, 3.5, 5.0):
        phases = random.uniform(0, 2 * np.pi, 2)
        way += np.sin(2 * np.pi * hertz * times[:, None] + phases) - np.sin(phases)
    return _seen(video, np.ones(count), strength * side / 16 * way / max(float(np.abs(way).max()), 1e-9))


def _compression(video: Video, strength: float, random: Random) -> Video:
    """Through H.264 and back, at a quality from good (rate factor 18) to the worst there is (51)."""
    height, width = video.frames.shape[1:3]
    even = np.pad(video.frames, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)], mode="edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        options = {"crf": f"{18 + 33 * strength:.1f}", "threads": "1"}
        stream = output.add_stream("libx264", Fraction(video.fps).limit_denominator(1001), options=options)
        stream.height, stream.width, stream.pix_fmt = *even.shape[1:3], "yuv420p"
        for frame in even:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as written:
        frames = np.stack([frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in written.decode(video=0)])
    return replace(video, frames=frames[:, :height, :width])


_PICTURES: dict[str, Callable[[Video, float, Random], Video]] = {
    "speed": _speed,
    "repeats": _repeats,
    "texture": _texture,
    "light": _light,
    "background": _background,
    "flicker": _flicker,
    "camera_drift": _drift,
    "camera_zoom": _zoom,
    "camera_shake": _shake,
    "compression": _compression,
}

KINDS: tuple[str, ...] = (*REDRAWN, *_PICTURES)
"""What :func:`spoil` can do, in the order in which it does it."""


def _masks(video: Video, kind: str) -> Masks:
    if video.masks is None:
        raise DataError(f"{kind} needs to know where the robot is: a video with masks")
    return video.masks


def _at(video: Video, rows: np.ndarray) -> Video:
    """The frames of a video at some rows, with what belongs to them."""
    masks = None if video.masks is None else video.masks[rows]
    trajectory = None if video.trajectory is None else video.trajectory[rows]
    return replace(video, frames=video.frames[rows], masks=masks, trajectory=trajectory)


def _times(video: Video, gain: np.ndarray) -> Video:
    return replace(video, frames=np.clip(np.round(video.frames * gain), 0, 255).astype(np.uint8))


def _seen(video: Video, zooms: np.ndarray, shifts: np.ndarray) -> Video:
    """By a camera that zooms (T,) about the middle and shifts (T, 2) the picture, in pixels down and to the right."""
    middle = (np.array(video.frames.shape[1:3]) - 1) / 2
    frames: Frames = np.empty_like(video.frames)
    masks = None if video.masks is None else np.empty_like(video.masks)
    for i, (zoom, shift) in enumerate(zip(zooms, shifts, strict=True)):
        offset = middle - (middle + shift) / zoom
        for channel in range(3):
            ndimage.affine_transform(
                video.frames[i, ..., channel],
                [1 / zoom] * 2,
                offset,
                order=1,
                mode="nearest",
                output=frames[i, ..., channel],
            )
        if masks is not None and video.masks is not None:
            masks[i] = ndimage.affine_transform(video.masks[i].astype(np.uint8), [1 / zoom] * 2, offset, order=0)
    return replace(video, frames=frames, masks=masks)
