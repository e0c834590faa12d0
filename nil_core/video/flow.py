"""What lies between two frames, by optical flow: DIS (Kroeger et al. 2016, arXiv 1603.03590), as OpenCV has it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from nil_core.types import Floats
from nil_core.video.picture import Picture


def flow(first: Picture, second: Picture, shares: Sequence[float]) -> list[npt.NDArray[np.float32]]:
    """Warp both frames to each moment and mix them.

    The flow from the moment t to either frame is approximated by the quadratic mix of Super SloMo (Jiang et al. 2018,
    arXiv 1712.00080, equation 4)::

        F_t0 = -(1 - t) t F_01 + t^2 F_10        F_t1 = (1 - t)^2 F_01 - t (1 - t) F_10

    Args:
        first, second: uint8 (H, W, 4), the robot on black and its mask.
        shares: t, each between 0 and 1.

    Returns:
        float32 (H, W, 4) for each share; the mask is warped as the colors are.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray, later = (cv2.cvtColor(np.ascontiguousarray(each[..., :3]), cv2.COLOR_RGB2GRAY) for each in (first, second))
    forth, back = search.calc(gray, later, None), search.calc(later, gray, None)  # type: ignore[call-overload]
    one, other = first.astype(np.float32), second.astype(np.float32)
    rows, columns = np.mgrid[: first.shape[0], : first.shape[1]].astype(np.float32)
    grid = np.stack([columns, rows], axis=-1)
    mixed = []
    for t in shares:
        to_first = -(1 - t) * t * forth + t**2 * back
        to_second = (1 - t) ** 2 * forth - t * (1 - t) * back
        mixed.append((1 - t) * _warp(one, grid + to_first) + t * _warp(other, grid + to_second))
    return mixed


def _warp(picture: Floats, at: Floats) -> Floats:
    warped: Floats = cv2.remap(picture, at.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return warped
