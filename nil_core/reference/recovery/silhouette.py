"""Residual between a rendered pose and a video frame, and its derivative by the pose.

Masks (and gray values, if the video has the simulator's shading) are compared after a blur, at two scales. The
derivative needs no further rendering: every edge in the image moves with the surface in front, whose depth and body a
second render pass provides; the change of the blurred image is the blur of (jump at the edge) x (speed of the edge).
One linearization costs as much as three renders; finite differences would cost one render per joint.

If the video's camera pans and zooms, the robot is rendered as before, and the video is blurred and resampled to the
view of the first frame's camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from nil_core.reference.recovery.pose_space import VIEW, PoseSpace
from nil_core.sim.renderer import Renderer
from nil_core.sim.scene import RobotScene
from nil_core.types import FIELD_OF_VIEW, Camera, Doubles, Floats, Frames, Masks

SAMPLE_STRIDE = 0.9  # distance between samples of a blurred image, in units of the blur
MARGIN_PIXELS = 8.0  # of 128, around all masks, in which the robot is compared
MARGIN_PIXELS_CAMERA = 20.0  # likewise if the camera is unknown: frames are shifted to the view of the first one
VIEW_STEP = 1e-3  # of pan and zoom, for finite differences
MIN_EDGE_JUMP = 1e-4  # smaller differences between neighboring pixels are not edges


Number = TypeVar("Number", np.float32, np.float64, np.int64)


@dataclass(frozen=True)
class Look:
    """Settings of the image comparison.

    Attributes:
        blurs: standard deviations in pixels of an image 128 pixels wide.
        shading: weight of gray values relative to masks; 0 compares masks alone.
        shrink: factor by which images are downsampled before.
    """

    blurs: tuple[float, ...]
    shading: float = 0.0
    shrink: int = 1


@dataclass(frozen=True)
class Linearization:
    """The squared residual of a frame about a pose, to second order (Gauss-Newton).

    Attributes:
        cost: r . r.
        gradient: float64 (n,), J^T r.
        curvature: float64 (n, n), J^T J.
        overlap: intersection over union of the masks.
    """

    cost: float
    gradient: Doubles
    curvature: Doubles
    overlap: float


class FrameComparison:
    """Compares poses of a robot with the frames of one reference.

    Args:
        scene: the robot; it is rendered at the size of the frames, not at its own render size.
        frames: uint8 (T, S, S, 3), robot on black.
        masks: bool (T, S, S).
        camera: whether pose vectors hold the pan and zoom of the video's camera.
    """

    def __init__(self, scene: RobotScene, frames: Frames, masks: Masks, camera: bool = False) -> None:
        self.space = PoseSpace(scene, camera)
        self._size = masks.shape[-1]
        self._renderer = Renderer(scene.model, self._size, scene.spec.camera, scene.spec.root)
        self._camera = _Pinhole(scene.spec.camera, self._size)
        self._box = _box(masks, round((MARGIN_PIXELS_CAMERA if camera else MARGIN_PIXELS) * self._size / 128))
        self._masks = masks
        self._gray = [gray(frame, mask) for frame, mask in zip(frames, masks, strict=True)]
        self._frame = np.empty((self._size, self._size, 3), np.uint8)
        self._mask = np.empty((self._size, self._size), np.bool_)
        self._labels = np.empty((self._size, self._size), np.int16)
        self._depth = np.empty((self._size, self._size), np.float32)
        self._look: Look | None = None

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    def compare(self, t: int, pose: Doubles, look: Look) -> tuple[float, float]:
        """Squared residual of a pose (n,) against frame t, and the overlap of the masks."""
        self._set_look(look)
        residual, mask = self._residual(t, pose, self._draw(pose))
        return float(residual @ residual), self._overlap(t, pose, mask)

    def linearize(self, t: int, pose: Doubles, look: Look) -> Linearization:
        """The squared residual about a pose (n,)."""
        self._set_look(look)
        images = self._draw(pose)
        residual, mask = self._residual(t, pose, images)
        if look.shading:
            self._renderer.draw_labels(self.space.data, self._labels, self._depth)
        jacobian = self._jacobian(pose, images)
        return Linearization(
            cost=float(residual @ residual),
            gradient=(jacobian.T @ residual).astype(np.float64),
            curvature=(jacobian.T @ jacobian).astype(np.float64),
            overlap=self._overlap(t, pose, mask),
        )

    def view(self, t: int, pose: Doubles, look: Look) -> Doubles:
        """Pan and zoom (3,) that best explain the residual of a pose with a known camera (one Gauss-Newton step)."""
        self._set_look(look)
        residual, _ = self._residual(t, pose, self._draw(pose))
        rates = self._view_rates(t, np.zeros(VIEW)).astype(np.float64)
        return np.linalg.lstsq(rates, residual.astype(np.float64), rcond=None)[0].astype(np.float64)

    def _set_look(self, look: Look) -> None:
        if look == self._look:
            return
        self._look = look
        top, bottom, left, right = self._box
        self._blurs, self._samples = [], []
        for blur in look.blurs:
            sigma = blur * self._size / 128
            stride = max(1, round(SAMPLE_STRIDE * sigma))
            weight = stride * 128 / self._size  # makes costs comparable at all sizes
            self._blurs.append((_blur(bottom - top, sigma, stride), _blur(right - left, sigma, stride), weight))
            self._samples.append((sigma, top + _centers(bottom - top, stride), left + _centers(right - left, stride)))
        self._targets = [
            self._blurred(self._channels(mask, shade)) for mask, shade in zip(self._masks, self._gray, strict=True)
        ]

    def _draw(self, pose: Doubles) -> list[Floats]:
        """Render the channels of a pose, within the box."""
        assert self._look is not None
        data = self.space.place(pose)
        if not self._look.shading:
            self._renderer.draw_labels(data, self._labels, self._depth)
            self._mask[:] = self._labels >= 0
            return self._channels(self._mask, None)
        self._renderer.draw(data, self._frame, self._mask)
        return self._channels(self._mask, gray(self._frame, self._mask))

    def _channels(self, mask: Masks, shade: Floats | None) -> list[Floats]:
        assert self._look is not None
        top, bottom, left, right = self._box
        channels = [mask[top:bottom, left:right].astype(np.float32)]
        if self._look.shading and shade is not None:
            channels.append(shade[top:bottom, left:right] * np.float32(self._look.shading))
        return channels

    def _blurred(self, channels: Sequence[Floats]) -> Floats:
        return np.concatenate(
            [(rows @ image @ columns.T).ravel() * weight for image in channels for rows, columns, weight in self._blurs]
        )

    def _residual(self, t: int, pose: Doubles, images: list[Floats]) -> tuple[Floats, Masks]:
        target = self._target(t, pose[self.space.view]) if self.space.camera else self._targets[t]
        return self._blurred(images) - target, self._mask

    def _overlap(self, t: int, pose: Doubles, mask: Masks) -> float:
        if not self.space.camera:
            return overlap_of(mask, self._masks[t])
        return overlap_of(mask, warp_to_first_view(self._masks[t], pose[self.space.view]))

    def _target(self, t: int, view: Doubles) -> Floats:
        """Frame t in the view of the first frame's camera, blurred."""
        assert self._look is not None
        images = [self._masks[t].astype(np.float32)]
        if self._look.shading:
            images.append(self._gray[t] * np.float32(self._look.shading))
        zoom = float(np.exp(view[2]))
        parts = []
        for image in images:
            for (sigma, rows, columns), (_, _, weight) in zip(self._samples, self._blurs, strict=True):
                down = _gaussian(_in_video(rows, view[1], zoom, self._size), self._size, zoom * sigma)
                across = _gaussian(_in_video(columns, view[0], zoom, self._size), self._size, zoom * sigma)
                parts.append((down @ image @ across.T).ravel() * np.float32(weight))
        return np.concatenate(parts)

    def _view_rates(self, t: int, view: Doubles) -> Floats:
        """Derivative (R, 3) of the target by pan and zoom."""
        steps = VIEW_STEP * np.eye(len(view))
        rates = [(self._target(t, view + step) - self._target(t, view - step)) / (2 * VIEW_STEP) for step in steps]
        return np.stack(rates, axis=1).astype(np.float32)

    def _jacobian(self, pose: Doubles, images: list[Floats]) -> Floats:
        """Derivative (R, n) of the blurred images; labels and depth must be those of the pose."""
        top, bottom, left, right = self._box
        labels = self._labels[top:bottom, left:right]
        depth = self._depth[top:bottom, left:right].astype(np.float64)
        seen = labels >= 0
        rows, columns = np.nonzero(seen)
        index = np.full(seen.shape, -1, np.int64)
        index[rows, columns] = np.arange(len(rows))
        across, below = (columns + left + 0.5).astype(np.float64), (rows + top + 0.5).astype(np.float64)
        points, right_rates, down_rates = self._camera.surface(
            across, below, depth[rows, columns], self.space.data.xpos[self.space.root]
        )
        bodies = labels[rows, columns]
        sideways = self.space.rates(pose, points, right_rates, bodies).astype(np.float32)
        downwards = self.space.rates(pose, points, down_rates, bodies).astype(np.float32)
        for rates in (sideways, downwards):
            rates[:, :2] = 0.0  # the camera follows the root
        if self.space.camera:
            # Undoing a pan to the right moves the video to the left, as if the robot moved to the right. The derivative
            # uses the robot's edges, so that a sinking image and a rising root, which look alike, cancel exactly.
            right, down, zoom = range(self.space.view.start, self.space.view.stop)
            sideways[:, right] = downwards[:, down] = self._size / np.exp(pose[zoom])
            sideways[:, zoom], downwards[:, zoom] = across - self._size / 2, below - self._size / 2
        parts = []
        for image in images:
            moved = _moved_edges(image, depth, index, sideways, axis=1)
            moved += _moved_edges(image, depth, index, downwards, axis=0)
            height, width, n = moved.shape
            for blur_rows, blur_columns, weight in self._blurs:
                first = (blur_rows @ moved.reshape(height, -1)).reshape(len(blur_rows), width, n)
                parts.append((np.matmul(blur_columns, first) * np.float32(weight)).reshape(-1, n))
        return np.concatenate(parts)


class _Pinhole:
    """Pinhole model of the follow camera of :class:`nil_core.sim.renderer.Renderer`."""

    def __init__(self, camera: Camera, size: int) -> None:
        azimuth, elevation = np.deg2rad([camera.azimuth, camera.elevation])
        self._forward = np.array(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        )
        self._right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
        self._up = np.cross(self._right, self._forward)
        self._place = np.array([0.0, 0.0, camera.height]) - camera.distance * self._forward
        self._focal = size / 2 / np.tan(np.deg2rad(FIELD_OF_VIEW / 2))
        self._middle = size / 2

    def surface(
        self, columns: Doubles, rows: Doubles, depth: Doubles, root: Doubles
    ) -> tuple[Doubles, Doubles, Doubles]:
        """Surface points (B, 3) in the world at pixels (B,), and derivatives (B, 3) of column and row by the point."""
        across, up = (columns - self._middle) / self._focal, (self._middle - rows) / self._focal
        rays = self._forward + across[:, None] * self._right + up[:, None] * self._up
        points = self._place + np.array([root[0], root[1], 0.0]) + depth[:, None] * rays
        scale = (self._focal / depth)[:, None]
        right = scale * (self._right - across[:, None] * self._forward)
        down = -scale * (self._up - up[:, None] * self._forward)
        return points, right, down


def gray(frame: Frames, mask: Masks) -> Floats:
    """Brightness (S, S), 0 ... 1, of the robot in a frame; 0 around it."""
    shade: Floats = frame.mean(axis=2, dtype=np.float32) / np.float32(255) * mask
    return shade


def _moved_edges(image: Floats, depth: Doubles, index: npt.NDArray[np.int64], rates: Floats, axis: int) -> Floats:
    """Derivative (h, w, n) of an image by the pose, from edges between neighbors along an axis.

    Args:
        image: (h, w).
        depth: (h, w), infinite for the background; of two neighbors the nearer one owns the edge.
        index: (h, w), the row of ``rates`` for each pixel.
        rates: (B, n), pixels along the axis by which the surface at a pixel moves.
        axis: 0 for rows, 1 for columns.
    """
    before, after = _neighbors(image, axis)
    jump = after - before
    y, x = np.nonzero(np.abs(jump) > MIN_EDGE_JUMP)
    depth_before, depth_after = _neighbors(depth, axis)
    index_before, index_after = _neighbors(index, axis)
    owner = np.where(depth_before[y, x] <= depth_after[y, x], index_before[y, x], index_after[y, x])
    change = np.zeros((*image.shape, rates.shape[1]), np.float32)
    speed = rates[owner] * (-0.5 * jump[y, x])[:, None]
    change[y, x] = speed  # an edge lies between two pixels: half of its change belongs to each
    if axis:
        change[:, 1:] += change[:, :-1].copy()
    else:
        change[1:] += change[:-1].copy()
    return change


def _neighbors(image: npt.NDArray[Number], axis: int) -> tuple[npt.NDArray[Number], npt.NDArray[Number]]:
    return (image[:, :-1], image[:, 1:]) if axis else (image[:-1], image[1:])


def warp_to_first_view(mask: Masks, view: Doubles) -> Masks:
    """Warp a mask (S, S) to the view of the first frame's camera; ``view``: pan and zoom (3,)."""
    size, zoom = len(mask), float(np.exp(view[2]))
    pixels = np.arange(size, dtype=np.float64)
    rows, columns = (np.rint(_in_video(pixels, pan, zoom, size)).astype(np.int64) for pan in (view[1], view[0]))
    inside = ((rows >= 0) & (rows < size))[:, None] & ((columns >= 0) & (columns < size))
    seen: Masks = mask[np.clip(rows, 0, size - 1)][:, np.clip(columns, 0, size - 1)] & inside
    return seen


def _in_video(pixels: Doubles, pan: float, zoom: float, size: int) -> Doubles:
    """Row or column in the video of one in the first frame's view."""
    middle = (size - 1) / 2
    return middle + zoom * (pixels - middle) + pan * size


def _centers(size: int, stride: int) -> Doubles:
    """Sample positions of a blurred image."""
    return np.arange((stride - 1) / 2, size, stride)


def _blur(size: int, sigma: float, stride: int) -> Floats:
    """Gaussian weights (samples, size); rows sum to 1 away from the border."""
    return _gaussian(_centers(size, stride), size, sigma)


def _gaussian(centers: Doubles, size: int, sigma: float) -> Floats:
    """Weights (samples, size) of pixels about the centers."""
    weights = np.exp(-0.5 * ((centers[:, None] - np.arange(size)) / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)
    samples: Floats = weights.astype(np.float32)
    return samples


def _box(masks: Masks, margin: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the compared part of the image."""
    size = masks.shape[-1]
    ever = np.logical_or.reduce(masks)
    rows, columns = np.flatnonzero(ever.any(axis=1)), np.flatnonzero(ever.any(axis=0))
    top, left = max(0, int(rows[0]) - margin), max(0, int(columns[0]) - margin)
    return top, min(size, int(rows[-1]) + margin + 1), left, min(size, int(columns[-1]) + margin + 1)


def overlap_of(a: Masks, b: Masks) -> float:
    """Intersection over union of two masks; 1 if both are empty."""
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 1.0
