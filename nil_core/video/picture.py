"""The robot and its mask in one picture, as interpolation works on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
"""The robot on black and its mask in one: uint8 (H, W, 4), the fourth channel 255 where the robot is."""

Interpolate = Callable[[Picture, Picture, Sequence[float]], list[npt.NDArray[np.float32]]]
"""Draws the pictures that lie the given shares (0 ... 1) of the way from one to the other: float32 (H, W, 4)."""
