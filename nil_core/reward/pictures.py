"""Image terms of the reward: compare frames, masks or embeddings of running episodes with the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nil_core.reward.terms import RewardTerm
from nil_core.tick import Arrays, Tick
from nil_core.types import Floats, Frames, Masks, Reference
from nil_core.video.box_framing import BoxFraming
from nil_core.video.clips import ClipEmbedder, RollingClips

CLIP_PREFIX = "clip."


class PictureTerms:
    """Computes image terms tick by tick; keeps the clips of N running episodes.

    Args:
        terms: none with needs ``state``.
        reference: at the tick rate and render size.
        num_envs: N.
        framing: ``whole``, or ``box``: frames are cropped as those of the reference, see :class:`BoxFraming`.
        embedder: required if a term compares embeddings.
    """

    def __init__(
        self,
        terms: Sequence[RewardTerm],
        reference: Reference,
        num_envs: int,
        framing: str,
        embedder: ClipEmbedder | None,
    ) -> None:
        self._terms = tuple(terms)
        self._needs = {term.needs for term in terms}
        self._reference = reference
        self._framing = BoxFraming(num_envs, reference.tick_hz) if framing == "box" and terms else None
        self._clips: RollingClips | None = None
        if "embeddings" in self._needs:
            assert embedder is not None
            self._clips = RollingClips(embedder, num_envs, reference)

    def __bool__(self) -> bool:
        return bool(self._terms)

    def measure(self, ticks: Sequence[Tick]) -> dict[str, Floats]:
        """Process ticks, in the order they happened in each environment.

        Returns:
            term to float32 (B,), one value for each tick that does not begin an episode, in order.
        """
        if not self._terms or not ticks:
            return {}
        ended = [b for b, tick in enumerate(ticks) if not tick.begins]
        frames, masks = self._framed(ticks)
        rollout: dict[str, Frames | Masks | Floats] = {}
        if self._clips is not None:
            indices = [-tick.index if tick.begins else tick.index for tick in ticks]
            rollout["embeddings"] = self._clips.embed([tick.env for tick in ticks], indices, np.stack(frames))
        if not ended:
            return {}
        rows = [ticks[b].index for b in ended]
        if "frames" in self._needs:
            rollout["frames"] = np.stack([frames[b] for b in ended])
        if "masks" in self._needs:
            rollout["masks"] = np.stack([masks[b] for b in ended])
        return {
            term.name: np.asarray(
                term.function(rollout[term.needs], getattr(self._reference, term.needs)[rows]), np.float32
            )
            for term in self._terms
        }

    def standing(self, term: RewardTerm) -> float:
        """Mean score of a motionless robot over the ticks of the reference."""
        rows = getattr(self._reference, term.needs)  # the clip of row 0 is the first frame L times
        still = np.broadcast_to(rows[0], rows.shape)
        return float(np.mean(term.function(rows[1:], still[1:])))

    def _framed(self, ticks: Sequence[Tick]) -> tuple[list[Frames], list[Masks]]:
        """Frames and masks of ticks, cropped as those of the reference."""
        frames: list[Frames] = []
        masks: list[Masks] = []
        for tick in ticks:
            assert tick.frame is not None and tick.mask is not None
            frame, mask = tick.frame, tick.mask
            if self._framing is not None:
                lags = self._reference.box_lags
                lag = lags[tick.index] if lags is not None and tick.begins and tick.index > 0 else None
                frame, mask = self._framing.take(tick.env, frame, mask, first=tick.begins, lag=lag)
            frames.append(frame)
            masks.append(mask)
        return frames, masks

    def state(self) -> Arrays:
        """Clips and crop boxes, as arrays."""
        arrays: Arrays = {}
        if self._clips is not None:
            arrays |= {f"{CLIP_PREFIX}{key}": value for key, value in self._clips.state().items()}
        if self._framing is not None:
            arrays["framing"] = self._framing.crop_boxes.copy()
        return arrays

    def restore(self, state: Arrays) -> None:
        """Restore a saved :meth:`state`."""
        if self._clips is not None:
            self._clips.restore({k.removeprefix(CLIP_PREFIX): v for k, v in state.items() if k.startswith(CLIP_PREFIX)})
        if self._framing is not None:
            self._framing.crop_boxes = state["framing"].copy()
