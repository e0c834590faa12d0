"""Make ``pictures/motion-recovery.png`` from a reference folder: ``python docs/motion_picture.py FOLDER``.

Top: six frames of its video. Bottom: the recovered robot's outline over them, from ``motion.mp4``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from nil_core.video.files import read_video

FRAME_POSITIONS = np.linspace(0.2, 0.75, 6)  # fractions of the video
CROP_FRACTION = 0.24  # cut off the black left and right of each panel, fraction of its width


def main() -> None:
    folder = Path(sys.argv[1])
    frames = read_video(folder / "motion.mp4").frames
    side = frames.shape[1]
    cut = round(CROP_FRACTION * side)
    shown = frames[np.rint(FRAME_POSITIONS * (len(frames) - 1)).astype(int)]
    panels = [[frame[:, p * side + cut : (p + 1) * side - cut] for frame in shown] for p in (0, 2)]
    picture = np.concatenate([np.concatenate(row, axis=1) for row in panels])
    Image.fromarray(picture).quantize(64).save(
        Path(__file__).parent / "pictures" / "motion-recovery.png", optimize=True
    )


if __name__ == "__main__":
    main()
