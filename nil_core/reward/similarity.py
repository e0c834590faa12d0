"""Similarity of embeddings (S_v of the paper), and the scale that converts it and that of masks (S_M) to a reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nil_core.errors import DataError
from nil_core.types import Floats


def cosine(a: Floats, b: Floats) -> Floats:
    """Cosine similarity (B,) of rows (B, D), in [-1, 1] (paper v2). 1 for two zero vectors."""
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    dots = np.einsum("bd,bd->b", a, b)
    alike = (a == b).all(axis=-1)
    zero = norms == 0  # not ~(norms > 0): NaN must stay NaN
    return np.asarray(np.where(zero, alike, dots / np.where(zero, 1, norms)), np.float32)


def negative_l2(a: Floats, b: Floats) -> Floats:
    """Minus the Euclidean distance (B,) of rows (B, D), at most 0 (paper v1)."""
    return np.asarray(-np.linalg.norm(a - b, axis=-1), np.float32)


SIMILARITIES = {"cosine": (cosine, 1.0), "l2": (negative_l2, 0.0)}
"""Name to function and its value at a perfect match."""


@dataclass(frozen=True)
class Scale:
    """Converts a similarity to a reward.

    Raw values of pixel-aligned scores differ by a few percent between standing still and a perfect match. Calibrated by
    the score of standing still on the reference, ``exp(-(best - s) / (best - s_stand))`` is 1 at a perfect match, 1/e
    for standing still, and positive, so that falling early never pays.

    Attributes:
        kind: ``calibrated`` or ``raw``.
        best: the similarity at a perfect match.
        stand: the mean similarity of the standing pose to the reference.
    """

    kind: Literal["calibrated", "raw"]
    best: float
    stand: float

    def __call__(self, similarity: Floats) -> Floats:
        """Reward of a similarity, elementwise."""
        if self.kind == "raw":
            return similarity
        return np.asarray(np.exp((similarity - self.best) / (self.best - self.stand)), np.float32)

    def __post_init__(self) -> None:
        if self.kind == "calibrated" and self.best - self.stand < 1e-4:
            raise DataError(
                "the reference never leaves the standing pose: there is nothing to imitate",
                "look at reference/video.mp4 in the run folder; choose another video, or --set reward.scale=raw",
            )
