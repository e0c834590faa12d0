"""The contract, and the error."""

from __future__ import annotations

import numpy as np
import pytest

from nil_core.api import DataError, Video
from nil_core.testing import check_card, check_light, check_segmenter
from nil_segmenter_brightness import CARD, BrightnessOptions
from nil_segmenter_brightness.brightness import Brightness


def test_contract() -> None:
    check_card(CARD)
    check_light("nil_segmenter_brightness")
    check_segmenter(Brightness(BrightnessOptions()))


def test_dark_video_is_refused() -> None:
    dark = Video(np.zeros((2, 8, 8, 3), np.uint8), fps=25.0)
    with pytest.raises(DataError, match="bright enough"):
        Brightness(BrightnessOptions()).segment(dark, np.ones((8, 8), np.bool_))
