"""The segmenter sim_mask returns the masks of the video, or names the alternatives."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core.api import Capability, DataError, Video
from nil_segmenter_sim_mask import CARD
from nil_segmenter_sim_mask.drawn_masks import DrawnMasks

FRAMES = np.zeros((3, 4, 5, 3), np.uint8)


def test_returns_the_masks_of_the_video() -> None:
    masks = np.random.default_rng(0).random((3, 4, 5)) < 0.5
    found = DrawnMasks(CARD.config()).segment(Video(FRAMES, 25, masks), ~masks[0])
    np.testing.assert_array_equal(found, masks)


def test_a_video_without_masks_is_rejected() -> None:
    with pytest.raises(DataError, match="has no masks") as error:
        DrawnMasks(CARD.config()).segment(Video(FRAMES, 25), np.ones((4, 5), bool))
    assert "chroma" in error.value.hint and "sam2" in error.value.hint


def test_the_card_requires_drawn_masks() -> None:
    assert CARD.can(Capability.NEEDS_DRAWN_MASKS)
