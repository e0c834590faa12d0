"""Histograms of oriented gradients (Dalal and Triggs, CVPR 2005), in plain numpy.

Each pixel needs one conversion to luma, two differences, one arctangent, one square root and two weighted counts.
This part runs per frame: the temporary arrays of one frame fit into the CPU cache; 16 frames at once were 2.5 times
slower. The rest processes a few hundred numbers per frame, for the whole batch at once.
"""

from __future__ import annotations

import numpy as np

from nil_core.api import DataError, Doubles, Floats, Frames
from nil_encoder_hog import HogOptions

LUMA = np.array([77, 150, 29], np.float32) / 256
"""Rec. 601 weights as multiples of 1/256: luma is exact in float32, so uniform colors have exactly zero gradients."""

NORM_FLOOR = 2000.0
"""Added in quadrature to the norm of a block, in luma levels summed over pixels: ten pixels of an edge of 100 levels.

With it, the features of a foot that enters a block grow gradually; otherwise its first pixel gives a full unit vector.
On a walking A1, joint noise of 0.05 rad reduces the cosine by 0.18 of the reduction by standing still, without
this constant by 0.28.
"""


class HogEncoder:
    """HOG features of each frame, concatenated over the clip.

    A frame becomes ``cells`` x ``cells`` histograms of unsigned gradient orientation, weighted by gradient magnitude
    and interpolated linearly between the two nearest bins. Without interpolation a vertical edge, the most common one
    on a standing robot, would be exactly on the border of the first and the last bin, so that rounding decides its bin.
    Each 2 x 2 cells are a block, normalized to unit length unless it is nearly empty; the features of a frame are its
    blocks, row by row. Norms are plain L2: Dalal and Triggs found the clipped L2-Hys no better, and it needs two more
    passes.

    Attributes:
        clip_length: L, frames in a clip.
        frame_size: S, side of a frame in pixels.
        features: F, number of features of a frame: ``(cells - 1)^2 * 4 * bins``.
    """

    def __init__(self, options: HogOptions) -> None:
        self.clip_length = options.clip_length
        self.frame_size = options.frame_size
        self.features = (options.cells - 1) ** 2 * 4 * options.bins
        self._cells = options.cells
        self._bins = options.bins
        # Orientations are first counted over 360 degrees, in `slots`: slot s is between the centers of the bins s - 1
        # and s, modulo 180 degrees. Folding the histograms afterwards saves a pass over the pixels.
        self._slots = 2 * options.bins + 1
        cell = np.arange(options.frame_size) // (options.frame_size // options.cells)
        self._first_slot = (cell[:, None] * options.cells + cell) * self._slots
        slots = np.arange(self._slots)
        self._bin_below = np.eye(options.bins)[(slots - 1) % options.bins]
        self._bin_above = np.eye(options.bins)[slots % options.bins]

    def encode(self, clips: Frames) -> Floats:
        """Embed clips: uint8 (B, L, S, S, 3) to float32 (B, L * F).

        Raises:
            DataError: the clip length is not ``clip_length``.
        """
        if clips.ndim != 5 or clips.shape[1] != self.clip_length:
            raise DataError(
                f"hog encodes clips of {self.clip_length} frames, got an array {clips.shape}",
                "set encoder.clip_length to the length of your clips",
            )
        features = self.encode_frames(clips.reshape(-1, *clips.shape[2:]))
        return features.reshape(len(clips), self.clip_length * self.features)

    def encode_frames(self, frames: Frames) -> Floats:
        """Features of single frames: uint8 (B, S, S, 3) to float32 (B, F). A frame without edges gives zeros.

        Raises:
            DataError: the frame size is not ``frame_size``.
        """
        size = self.frame_size
        if frames.shape[1:] != (size, size, 3) or frames.dtype != np.uint8:
            raise DataError(
                f"hog encodes frames uint8 (B, {size}, {size}, 3), got {frames.dtype} {frames.shape}",
                "resize the frames, or set encoder.frame_size",
            )
        histograms = np.empty((len(frames), self._cells, self._cells, self._bins))
        for histogram, frame in zip(histograms, frames, strict=True):
            histogram[:] = self._histograms(frame)
        return _blocks(histograms).reshape(-1, self.features).astype(np.float32)

    def _histograms(self, frame: Frames) -> Doubles:
        """Orientation histograms of a frame's cells: float64 (cells, cells, bins), in luma levels."""
        luma = frame.astype(np.float32) @ LUMA
        dx, dy = np.zeros_like(luma), np.zeros_like(luma)  # zero gradient at the border
        np.subtract(luma[:, 2:], luma[:, :-2], out=dx[:, 1:-1])
        np.subtract(luma[2:], luma[:-2], out=dy[1:-1])
        magnitude = np.sqrt(dx * dx + dy * dy)

        turn = np.arctan2(dy, dx) * np.float32(self._bins / np.pi) + np.float32(self._bins + 0.5)
        slot = turn.astype(np.int32)
        to_above = (turn - slot) * magnitude

        index = (slot + self._first_slot).ravel()
        shape = (self._cells, self._cells, self._slots)
        total = np.bincount(index, magnitude.ravel(), np.prod(shape)).reshape(shape)
        above = np.bincount(index, to_above.ravel(), np.prod(shape)).reshape(shape)
        return (total - above) @ self._bin_below + above @ self._bin_above


def _blocks(cells: Doubles) -> Doubles:
    """Overlapping blocks of 2 x 2 cells of at most unit length: (B, C, C, bins) to (B, C - 1, C - 1, 4 * bins)."""
    corners = (cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:])
    blocks = np.concatenate(corners, axis=-1)
    energy = np.einsum("...i,...i->...", blocks, blocks)[..., None]
    unit: Doubles = blocks / np.sqrt(energy + NORM_FLOOR**2)
    return unit
