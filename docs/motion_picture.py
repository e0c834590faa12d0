"""Draw ``pictures/motion-recovery.png`` of a reference folder: ``python docs/motion_picture.py FOLDER``.

Above six moments of its video, below the recovered robot's outline over them, from ``motion.mp4``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from nil_core.video.files import read_video

MOMENTS = np.linspace(0.2, 0.75, 6)
MARGIN = 0.24  # of black at the left and at the right of each panel


def main() -> None:
    folder = Path(sys.argv[1])
    frames = read_video(folder / "motion.mp4").frames
    side = frames.shape[1]
    cut = round(MARGIN * side)
    shown = frames[np.rint(MOMENTS * (len(frames) - 1)).astype(int)]
    panels = [[frame[:, p * side + cut : (p + 1) * side - cut] for frame in shown] for p in (0, 2)]
    picture = np.concatenate([np.concatenate(row, axis=1) for row in panels])
    Image.fromarray(picture).quantize(64).save(
        Path(__file__).parent / "pictures" / "motion-recovery.png", optimize=True
    )


if __name__ == "__main__":
    main()
