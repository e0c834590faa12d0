"""What a run says of the motion of its reference."""

from __future__ import annotations

import io

import numpy as np
import pytest

from nil_core.experiment.messages import describe_motion
from nil_core.reference.recovery.quality import STILL
from nil_core.reporting import Lines
from nil_core.types import Motion


@pytest.mark.parametrize(
    ("seconds", "reasons", "warned"),
    [(0.4, [STILL], []), (2.0, [STILL], [STILL]), (0.4, [STILL, "jumps"], [STILL, "jumps"]), (0.4, ["lost"], ["lost"])],
)
def test_a_video_that_ends_before_it_moves_is_no_warning(seconds: float, reasons: list[str], warned: list[str]) -> None:
    report = {"overlap_mean": 0.99, "forward_speed": 0.0, "reasons": reasons}
    motion = Motion(np.zeros((round(25 * seconds) + 1, 7)), "video", trusted=False, report=report)
    describe_motion(motion, 25.0, Lines(stream := io.StringIO()))
    lines = stream.getvalue().splitlines()[1:]
    assert [line for line in lines if line.startswith("warning")] == [
        f"warning: the motion cannot be trusted: {reason}" for reason in warned
    ]
    assert warned or "does not move in the 0.4 s of this video" in lines[0]
