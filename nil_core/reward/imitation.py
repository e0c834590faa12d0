"""The reward of NIL: R = alpha * S_v + beta * S_M + gamma * P, one value per tick (sections 3.2 and 3.3).

The training loop knows it only as a :class:`RewardSource`. Frames are taken in as they come and encoded in one batch
when somebody asks for rewards: nobody needs them before the transitions are replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nil_core.config import Framing, RewardSettings
from nil_core.reward.regularization import weighted_terms, weights
from nil_core.reward.similarity import SIMILARITIES, Scale
from nil_core.sim.environment import Measurements
from nil_core.sim.vector_env import StepBuffers
from nil_core.types import Floats, Frames, Masks, Reference
from nil_core.video.box_framing import BoxFraming
from nil_core.video.clips import ClipEmbedder, RollingClips
from nil_core.video.masks import iou

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TickRewards:
    """Rewards of B finished ticks in the order they finished, and what they consist of.

    Attributes:
        total: float32 (B,).
        parts: name to float32 (B,): ``similarity`` and ``iou`` unscaled, the regularizers weighted.
    """

    total: Floats
    parts: dict[str, Floats]


class RewardSource(Protocol):
    """What the training loop asks of a reward. Video imitation is one; adversarial rewards can be others."""

    def reset(self, buffers: StepBuffers) -> None:
        """All episodes begin: look at the start frames."""
        ...

    def observe(self, buffers: StepBuffers) -> None:
        """A control step is over: remember what is needed (buffers are valid only now)."""
        ...

    @property
    def waiting(self) -> int:
        """Ticks observed whose rewards have not been asked for."""
        ...

    def rewards(self) -> TickRewards:
        """Of every waiting tick, by environment within a step, steps in order."""
        ...

    def state(self) -> Arrays:
        """Everything that must survive a checkpoint, as arrays."""
        ...

    def restore(self, state: Arrays) -> None:
        """Back to a saved :meth:`state`."""
        ...


class ImitationReward:
    """The video imitation reward of N environments against one reference.

    Args:
        reference: at the tick rate and render size.
        settings: weights and scales; parts of weight 0 are not computed.
        embedder: needed unless the video weight is 0.
        environments: N.
        actions, feet: sizes of the packed measurements.
        framing: ``whole``, or ``box``: pictures are framed as the reference was, see :class:`BoxFraming`.
    """

    def __init__(
        self,
        reference: Reference,
        settings: RewardSettings,
        embedder: ClipEmbedder | None,
        environments: int,
        actions: int,
        feet: int,
        framing: Framing = "whole",
    ) -> None:
        self._settings = settings
        self._reference = reference
        self._sizes = actions, feet
        self._weights = weights(settings)
        self._windows: RollingClips | None = None
        self._framing: BoxFraming | None = None
        if framing == "box" and (settings.video > 0 or settings.iou > 0):
            self._framing = BoxFraming(environments, reference.tick_hz)
        if settings.video > 0:
            assert embedder is not None
            self._windows = RollingClips(embedder, environments, reference)
            self._similarity, best = SIMILARITIES[settings.similarity]
            # the window of t = 0 is the first frame L times: a robot that stands
            still = np.broadcast_to(reference.embeddings[0], reference.embeddings.shape)
            at_rest = self._similarity(reference.embeddings[1:], still[1:])
            self.video_scale = Scale(settings.scale, best, float(at_rest.mean()))
        if settings.iou > 0:
            first = np.broadcast_to(reference.masks[0], reference.masks.shape)
            self.iou_scale = Scale(settings.scale, 1.0, float(iou(reference.masks[1:], first[1:]).mean()))
        self._penalty = np.zeros((environments, len(self._weights)))
        self._steps = np.zeros(environments, np.int64)
        self._clear()

    def _clear(self) -> None:
        self._environments: list[int] = []
        self._ticks: list[int] = []
        self._frames: list[npt.NDArray[np.uint8]] = []
        self._masks: list[npt.NDArray[np.bool_]] = []
        self._penalties: list[npt.NDArray[np.float64]] = []

    def reset(self, buffers: StepBuffers) -> None:
        """All episodes begin."""
        self._clear()
        self._penalty[:] = 0.0
        self._steps[:] = 0
        everywhere = np.ones(len(buffers.tick), np.bool_)
        starts = self._framed_starts(everywhere, buffers)
        for i in range(len(buffers.tick)):
            self._begin(i, int(buffers.start_tick[i]), starts)

    def observe(self, buffers: StepBuffers) -> None:
        """Add up the regularizers; where a tick ended, keep its frame and mask."""
        if self._weights:
            m = Measurements.unpack(buffers.measurements, *self._sizes)
            self._penalty += weighted_terms(m, self._weights)
        self._steps += 1
        frames, masks = self._framed(buffers.ticked, buffers.frames, buffers.masks)
        starts = self._framed_starts(buffers.ended, buffers)
        for i in np.flatnonzero(buffers.ticked):
            self._environments.append(int(i))
            self._ticks.append(int(buffers.tick[i]))
            if self._windows is not None:
                self._frames.append(frames[i].copy())
            if self._settings.iou > 0:
                self._masks.append(masks[i].copy())
            self._penalties.append(self._penalty[i] / self._steps[i])
            self._penalty[i], self._steps[i] = 0.0, 0
            if buffers.ended[i]:
                self._begin(int(i), int(buffers.start_tick[i]), starts)

    def _begin(self, i: int, tick: int, starts: Frames) -> None:
        if self._windows is not None:
            self._environments.append(i)
            self._ticks.append(-tick)  # see RollingClips.embed
            self._frames.append(starts[i].copy())

    def _framed(self, new: Masks, frames: Frames, masks: Masks) -> tuple[Frames, Masks]:
        """The new pictures as the reference shows its own; the others are left as they are."""
        if self._framing is None:
            return frames, masks
        frames, masks = frames.copy(), masks.copy()
        for i in np.flatnonzero(new):
            frames[i], masks[i] = self._framing.take(int(i), frames[i], masks[i], first=False)
        return frames, masks

    def _framed_starts(self, new: Masks, buffers: StepBuffers) -> Frames:
        """The same of the first pictures of new episodes."""
        if self._framing is None:
            return buffers.start_frames
        frames, lags = buffers.start_frames.copy(), self._reference.box_lags
        for i in np.flatnonzero(new):
            tick = int(buffers.start_tick[i])
            lag = lags[tick] if lags is not None and tick > 0 else None
            frames[i] = self._framing.take(int(i), frames[i], buffers.start_masks[i], first=True, lag=lag)[0]
        return frames

    @property
    def waiting(self) -> int:
        """Ticks observed whose rewards have not been asked for."""
        return len(self._penalties)

    def rewards(self) -> TickRewards:
        """Encode what waits in one batch, and score it."""
        total = np.zeros(self.waiting, np.float32)
        parts: dict[str, Floats] = {}
        ticks = np.array([t for t in self._ticks if t > 0], np.int64)
        if self._windows is not None and self._frames:
            embeddings = self._windows.embed(self._environments, self._ticks, np.stack(self._frames))
            if len(ticks):
                parts["similarity"] = self._similarity(embeddings, self._reference.embeddings[ticks])
                total += self._settings.video * self.video_scale(parts["similarity"])
        if self._settings.iou > 0 and len(ticks):
            parts["iou"] = iou(np.stack(self._masks), self._reference.masks[ticks])
            total += self._settings.iou * self.iou_scale(parts["iou"])
        if self._weights and len(ticks):
            penalties = np.stack(self._penalties).astype(np.float32)
            parts |= {name: penalties[:, j] for j, name in enumerate(self._weights)}
            total += penalties.sum(axis=1)
        self._clear()
        return TickRewards(total, parts)

    def state(self) -> Arrays:
        """Windows, sums of the open ticks, and frames that wait."""
        arrays: Arrays = {
            "penalty": self._penalty,
            "steps": self._steps,
            "environments": np.array(self._environments, np.int64),
            "ticks": np.array(self._ticks, np.int64),
        }
        waiting: dict[str, list[npt.NDArray[Any]]] = {
            "frames": self._frames,
            "masks": self._masks,
            "penalties": self._penalties,
        }
        arrays |= {name: np.stack(rows) for name, rows in waiting.items() if rows}
        if self._windows is not None:
            arrays |= {f"window.{key}": value for key, value in self._windows.state().items()}
        if self._framing is not None:
            arrays["framing"] = self._framing.windows
        return arrays

    def restore(self, state: Arrays) -> None:
        """Back to a saved :meth:`state`."""
        self._penalty, self._steps = state["penalty"].copy(), state["steps"].copy()
        self._environments = [int(i) for i in state["environments"]]
        self._ticks = [int(t) for t in state["ticks"]]
        self._frames = list(state.get("frames", ()))
        self._masks = list(state.get("masks", ()))
        self._penalties = list(state.get("penalties", ()))
        if self._windows is not None:
            prefix = "window."
            self._windows.restore({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        if self._framing is not None:
            self._framing.windows = state["framing"].copy()
