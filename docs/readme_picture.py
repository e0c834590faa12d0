"""Draw README's first picture from finished runs: ``python docs/readme_picture.py RUN [RUN ...]``.

For each run some moments of its reference above and of its policy at the same times below, from
``videos/contact_sheet.png``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

COLUMNS = (1, 3, 5, 7)  # of the eight of a contact sheet
SIDE = 104  # pixels of each moment
GAP = 8  # between robots
BESIDE = 2  # robots in a row


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]]
    width, height = SIDE * len(COLUMNS), 2 * SIDE
    rows = -(-len(folders) // BESIDE)
    picture = Image.new("RGB", (BESIDE * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for number, folder in enumerate(folders):
        row, column = divmod(number, BESIDE)
        picture.paste(
            frame_times(folder).resize((width, height), Image.Resampling.LANCZOS),
            (column * (width + GAP), row * (height + GAP)),
        )
    path = Path(__file__).parent / "pictures" / "reference_beside_rollout.png"
    picture.quantize(96).save(path, optimize=True)


def frame_times(folder: Path) -> Image.Image:
    """Some columns of a run's contact sheet."""
    sheet = np.asarray(Image.open(folder / "videos" / "contact_sheet.png").convert("RGB"))
    side = sheet.shape[0] // 2
    return Image.fromarray(np.concatenate([sheet[:, c * side : (c + 1) * side] for c in COLUMNS], axis=1))


if __name__ == "__main__":
    main()
