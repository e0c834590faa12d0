"""The paper's clips, over a whole video and over running episodes.

The clip of time t is frames t - L + 1 ... t once there are that many; before, it is frame 0 repeated L - 1 times
followed by frame t (NIL, section 3.2, with L = 8). An episode that starts later in the reference continues it: frames
before its start are the reference's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.interfaces import FrameWiseEncoder, VideoEncoder
from nil_core.types import Floats, Frames, Progress, Reference, no_progress
from nil_core.video.resize import resize

VIDEO_BATCH = 8
"""Small, so that a large encoder on a CPU shows how far it is."""


def clip_indices(t: int, length: int) -> npt.NDArray[np.int64]:
    """Frame indices (length,) of the clip of time t."""
    if t < length - 1:
        return np.array([0] * (length - 1) + [t])
    return np.arange(t - length + 1, t + 1)


class ClipEmbedder:
    """An encoder, asked for whole videos or for clips of running episodes.

    Args:
        encoder: any encoder.
        frame_wise: the card's capability: clips then reuse the features of their frames.
        name: of the encoder, for messages.
    """

    def __init__(self, encoder: VideoEncoder, frame_wise: bool, name: str = "") -> None:
        self.name = name
        self.length = encoder.clip_length
        self._encoder = encoder
        self._frame_wise: FrameWiseEncoder | None = encoder if frame_wise else None  # type: ignore[assignment]

    def units(self, frames: Frames) -> npt.NDArray[Any]:
        """What clips are made of: features (B, F) of a frame-wise encoder, else the resized frames themselves."""
        frames = resize(frames, self._encoder.frame_size)
        return frames if self._frame_wise is None else self._frame_wise.encode_frames(frames)

    def units_of(self, reference: Reference, moments: slice) -> npt.NDArray[Any]:
        """The units of some moments of a reference; features are those that :meth:`embed_video` gave it."""
        if self._frame_wise is not None:
            return reference.features[moments]
        return resize(reference.frames[moments], self._encoder.frame_size)

    def embed(self, clips: list[list[npt.NDArray[Any]]]) -> Floats:
        """Embeddings (B, D) of B clips of L units each."""
        if self._frame_wise is not None:
            return np.stack([np.concatenate(units) for units in clips])
        frames = np.stack([unit for units in clips for unit in units])  # copied once: a clip is a megabyte
        return self._encoder.encode(frames.reshape(len(clips), self.length, *frames.shape[1:]))

    def embed_video(self, frames: Frames, progress: Progress = no_progress) -> tuple[Floats, Floats]:
        """Of a whole video (T, S, S, 3): embeddings (T, D) and features of single moments (T, F)."""
        units = np.concatenate([self.units(frames[i : i + VIDEO_BATCH]) for i in range(0, len(frames), VIDEO_BATCH)])
        parts = []
        for i in range(0, len(frames), VIDEO_BATCH):
            times = range(i, min(i + VIDEO_BATCH, len(frames)))
            parts.append(self.embed([[units[j] for j in clip_indices(t, self.length)] for t in times]))
            if self._frame_wise is None:  # else the work is done
                progress(times.stop, len(frames), "moments of the video embedded")
        embeddings = np.concatenate(parts)
        return embeddings, units if self._frame_wise is not None else embeddings


class RollingClips:
    """The clips of N running episodes.

    Args:
        embedder: whose clips they are.
        num_envs: N.
        reference: the video that an episode continues which does not start at its beginning; needed for such starts
            alone.
    """

    def __init__(self, embedder: ClipEmbedder, num_envs: int, reference: Reference | None = None) -> None:
        self._embedder = embedder
        self._reference = reference
        self._history: list[list[npt.NDArray[Any]]] = [[] for _ in range(num_envs)]

    def embed(self, environments: list[int], ticks: list[int], frames: Frames) -> Floats:
        """Take in new moments in the order they happened and embed the clips that end at them.

        Args:
            environments: B environment indices.
            ticks: B ticks, one more than the environment's last. 0 starts an episode at rest, -k one at tick k, as if
                the reference had been shown before: its frames then fill the clip.
            frames: uint8 (B, S, S, 3).

        Returns:
            float32 (number of ticks above 0, D), in order.
        """
        clips = []
        for i, t, unit in zip(environments, ticks, self._embedder.units(frames), strict=True):
            clips += self._advance(i, t, unit)
        return self._embedder.embed(clips) if clips else np.empty((0, 0), np.float32)

    def _advance(self, i: int, t: int, unit: npt.NDArray[Any]) -> list[list[npt.NDArray[Any]]]:
        if t <= 0:
            self._history[i] = [*self._before(-t), unit]
            return []
        history, length = self._history[i], self._embedder.length
        history.append(unit)
        if len(history) > length:
            del history[: len(history) - length]
        whole = t >= length - 1
        # nothing is dropped before t = length, so that frame 0 is still there when it is repeated
        return [list(history) if whole else [history[0]] * (length - 1) + [unit]]

    def _before(self, start: int) -> list[npt.NDArray[Any]]:
        """Units of the reference before a start: those of the clip, and all of them where it reaches to frame 0."""
        if start == 0:
            return []
        assert self._reference is not None
        first = max(0, start - self._embedder.length + 1)
        return list(self._embedder.units_of(self._reference, slice(first, start)))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """As arrays, one per environment that has begun."""
        return {str(i): np.stack(units) for i, units in enumerate(self._history) if units}

    def restore(self, state: dict[str, npt.NDArray[Any]]) -> None:
        """Back to a saved :meth:`state`."""
        self._history = [list(state[str(i)]) if str(i) in state else [] for i in range(len(self._history))]
