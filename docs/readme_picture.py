"""Make the picture of README from finished runs: ``python docs/readme_picture.py RUN [RUN ...]``.

For each run, frames of its reference (top) and of its policy at the same times (bottom), from
``videos/contact_sheet.png``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

SHEET_COLUMNS = (1, 3, 5, 7)  # shown, of the eight of a contact sheet
FRAME_SIDE = 104  # pixels
GAP = 8  # pixels between robots
ROBOTS_PER_ROW = 2


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]]
    width, height = FRAME_SIDE * len(SHEET_COLUMNS), 2 * FRAME_SIDE
    rows = -(-len(folders) // ROBOTS_PER_ROW)
    picture = Image.new("RGB", (ROBOTS_PER_ROW * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for number, folder in enumerate(folders):
        row, column = divmod(number, ROBOTS_PER_ROW)
        picture.paste(
            sheet_columns(folder).resize((width, height), Image.Resampling.LANCZOS),
            (column * (width + GAP), row * (height + GAP)),
        )
    path = Path(__file__).parent / "pictures" / "reference_beside_rollout.png"
    picture.quantize(96).save(path, optimize=True)


def sheet_columns(folder: Path) -> Image.Image:
    """The shown columns of a run's contact sheet."""
    sheet = np.asarray(Image.open(folder / "videos" / "contact_sheet.png").convert("RGB"))
    side = sheet.shape[0] // 2
    return Image.fromarray(np.concatenate([sheet[:, c * side : (c + 1) * side] for c in SHEET_COLUMNS], axis=1))


if __name__ == "__main__":
    main()
