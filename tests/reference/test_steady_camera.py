"""What the reward compares shows the robot as the camera of the first frame would have seen it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nil_core.config import RunConfig
from nil_core.reference import alignment, preparation
from nil_core.reference.generated import GeneratedReference
from nil_core.reference.steady_camera import steady_boxes
from nil_core.testing import moving_blob
from nil_core.types import Motion, Video

TICKS, SIDE = 21, 64
CONFIG = RunConfig(
    video={"seconds": (TICKS - 1) / 25},
    environment={"tick_hz": 25.0, "render_size": SIDE},
    motion={"untrusted": "ignore"},
)


def moved(pans: list[int]) -> Video:
    """A blob in a picture that its camera shifts to the right and up by so many pixels."""
    steady = moving_blob(TICKS, SIDE, SIDE, 25.0)
    shift = {"frames": [], "masks": []}
    for pan, frame, mask in zip(pans, steady.frames, steady.masks, strict=True):
        shift["frames"].append(np.roll(frame, (-pan, pan), (0, 1)))
        shift["masks"].append(np.roll(mask, (-pan, pan), (0, 1)))
    return replace(steady, frames=np.stack(shift["frames"]), masks=np.stack(shift["masks"]))


def motion(pans: list[int], trusted: bool = True) -> Motion:
    camera = {"right": [n / SIDE for n in pans], "down": [-n / SIDE for n in pans], "zoom": [1.0] * TICKS}
    return Motion(np.zeros((TICKS, 7)), "video", trusted, {"camera": camera})


@pytest.mark.parametrize("trusted", [True, False])
def test_a_camera_that_pans_is_put_back(monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    pans = [n // 4 for n in range(TICKS)]
    video, steady = moved(pans), moved([0] * TICKS)
    monkeypatch.setattr(alignment, "find_motion", lambda *_: motion(pans, trusted))
    generated = GeneratedReference(video, video.masks, video.frames[0], video.masks[0], {})
    scene: Any = object()
    reference = preparation.prepare(generated, CONFIG, None, None, scene=scene)
    expected = steady if trusted else video
    np.testing.assert_array_equal(reference.masks, expected.masks)
    np.testing.assert_array_equal(reference.frames[reference.masks], expected.frames[expected.masks])
    assert reference.provenance["aligned"]["camera_put_back"] is trusted


def test_what_the_first_camera_saw_is_cut_out() -> None:
    """Where the video is zoomed out to a half and panned, the middle half and a bit to the right."""
    camera = {"right": [0.0, 0.3], "down": [0.0, 0.0], "zoom": [1.0, 0.5]}
    boxes = steady_boxes(Motion(np.zeros((2, 7)), "video", report={"camera": camera}), CONFIG)
    assert boxes is not None
    assert boxes[0] == (0, 0, 1)
    assert boxes[1] == pytest.approx((0.55, 0.25, 0.5))


def test_a_camera_that_follows_leaves_all_as_it_is() -> None:
    assert steady_boxes(None, CONFIG) is None
    assert steady_boxes(Motion(np.zeros((8, 7)), "video", report={"camera": None}), CONFIG) is None
    assert steady_boxes(Motion(np.zeros((8, 7)), "generator"), CONFIG) is None
