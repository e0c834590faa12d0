"""The reward of NIL: R = alpha * S_v + beta * S_M + gamma * P, one value per tick (sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nil_core.errors import ConfigError, DataError
from nil_core.interfaces import TermRow
from nil_core.reward.cards import ImitationOptions
from nil_core.reward.pictures import PictureTerms
from nil_core.reward.similarity import SIMILARITIES, Scale
from nil_core.reward.terms import IOU, REGULARIZERS, VIDEO, RewardTerm, third_party_term
from nil_core.tick import Arrays, Tick
from nil_core.types import Doubles, Floats, Reference, RewardSpec
from nil_core.video.masks import iou

STILL_OVERLAP = 0.98
"""IoU with the first mask above which a robot stands still; the noise of a segmenter costs less."""
STILL_CHANGE = 1.0
"""Mean change of a frame, in gray levels, up to which a robot stands still; the noise of a video codec is less."""


def active_terms(options: ImitationOptions) -> list[tuple[RewardTerm, float]]:
    """The terms of non-zero weight and their weights, in the order of the table; gamma multiplies the regularizers.

    Raises:
        ConfigError: a third-party term that is not installed, or that has the name of another.
    """
    video = replace(VIDEO, function=SIMILARITIES[options.similarity][0], unit=options.similarity)
    built_in = [(video, options.video), (IOU, options.iou)]
    built_in += [(term, options.regularization * getattr(options, term.name)) for term in REGULARIZERS]
    others = [(third_party_term(name), weight) for name, weight in options.terms.items() if weight > 0]
    names = [term.name for term, _ in built_in + others]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two reward terms are called {', '.join(twice)}", "leave one of them out of reward.terms")
    return [(term, weight) for term, weight in built_in + others if weight > 0]


def moves(reference: Reference) -> bool:
    """Whether the robot's outline, or the image inside it, ever differs from the first frame."""
    overlap = float(iou(reference.masks, np.broadcast_to(reference.masks[0], reference.masks.shape)).min())
    change = np.abs(reference.frames.astype(np.int16) - reference.frames[0]).mean(axis=(1, 2, 3)).max()
    return overlap < STILL_OVERLAP or float(change) > STILL_CHANGE


class ImitationReward:
    """The video imitation reward of N environments against one reference.

    Args:
        options: weights and scales; terms of weight 0 are not computed.
        spec: reference, N, framing, encoder.

    Attributes:
        needs: those of ``frames``, ``masks``, ``embeddings`` that must be rendered and encoded.
        state_terms: terms that the simulation computes after every control step.
        scales: by term, the conversion of its similarity to a reward.

    Raises:
        DataError: the reference never leaves the standing pose, or its embeddings do not change, so a calibrated scale
            is undefined.
        ConfigError: a third-party term that is not installed.
    """

    def __init__(self, options: ImitationOptions, spec: RewardSpec) -> None:
        self._options = options
        active = active_terms(options)
        self._weights = {term.name: weight for term, weight in active}
        self.state_terms = tuple(term for term, _ in active if term.needs == "state")
        shown = [term for term, _ in active if term.needs != "state"]
        self.needs = frozenset(term.needs for term in shown)
        embedder = spec.embedder() if "embeddings" in self.needs else None
        self._pictures = PictureTerms(shown, spec.reference, spec.num_envs, spec.framing, embedder)
        self._terms = [term for term, _ in active]
        best = {VIDEO.name: SIMILARITIES[options.similarity][1], IOU.name: 1.0}
        name = embedder.name if embedder is not None else ""
        self.scales = {
            term.name: self._scale(term, best[term.name], spec.reference, name) for term in shown if term.name in best
        }

    def _scale(self, term: RewardTerm, best: float, reference: Reference, encoder: str) -> Scale:
        try:
            return Scale(self._options.scale, best, self._pictures.standing(term))
        except DataError:
            if term.needs == "embeddings" and moves(reference):
                raise DataError(
                    f"the encoder {encoder} gives the same embedding for all frames of a reference that moves",
                    f"another --encoder (`nil encoders rank {encoder}` compares embeddings), or --set reward.video=0",
                ) from None
            raise

    def rows(self) -> list[TermRow]:
        """Rows of the reward table printed before training."""
        return [TermRow(t.symbol, t.summary or t.name, self._weights[t.name], self._unit(t)) for t in self._terms]

    def _unit(self, term: RewardTerm) -> str:
        if term.name not in self.scales:
            return term.unit
        scale = self.scales[term.name]
        return f"{term.unit}, {scale.kind}; standing scores {scale.stand:.3f}"

    def score(self, ticks: Sequence[Tick]) -> None:
        """Set reward, terminal value and terms of ticks, given in the order they happened in each environment."""
        ended = [tick for tick in ticks if not tick.begins]
        values = self._pictures.measure(ticks)
        total = np.zeros(len(ended), np.float32)
        for name, similarity in values.items():
            scaled = self.scales[name](similarity) if name in self.scales else similarity
            total += self._weights[name] * scaled
        if self.state_terms and ended:
            weighted = self._state_means(ended)
            values |= {term.name: weighted[:, j] for j, term in enumerate(self.state_terms)}
            total += weighted.sum(axis=1)
        for b, tick in enumerate(ended):
            tick.reward = float(total[b])
            tick.terminal_value = self._options.terminal_value
            tick.terms = {name: float(column[b]) for name, column in values.items()}

    def _state_means(self, ticks: Sequence[Tick]) -> Floats:
        """float32 (B, state terms): weighted means over each tick's control steps."""
        weights = np.array([self._weights[term.name] for term in self.state_terms])
        means: list[Doubles] = [(tick.state_terms * weights).sum(axis=0) / tick.steps for tick in ticks]
        return np.stack(means).astype(np.float32)

    def state(self) -> Arrays:
        """Clips and crop boxes of the running episodes."""
        return self._pictures.state()

    def restore(self, state: Arrays) -> None:
        """Restore a saved :meth:`state`."""
        self._pictures.restore(state)
