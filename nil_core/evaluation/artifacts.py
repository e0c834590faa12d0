"""Comparison video, contact sheet and learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nil_core.evaluation.rollout import Episode
from nil_core.storage.atomic import writing
from nil_core.types import Frames, Masks, Reference
from nil_core.video.files import side_by_side, write_png, write_video

PANEL_PIXELS = 256
SHEET_COLUMNS = 8


def comparison(reference: Reference, episode: Episode) -> Frames:
    """Reference beside rollout, their masks below: uint8 (T, 2 * side, 2 * side, 3), at the tick rate."""
    length = min(len(reference.frames), len(episode.frames))
    above = side_by_side([_enlarged(reference.frames[:length]), _enlarged(episode.frames[:length])])
    below = side_by_side([_enlarged(reference.masks[:length]), _enlarged(episode.masks[:length])])
    return np.concatenate([above, below], axis=1)


def contact_sheet(reference: Reference, episode: Episode) -> Frames:
    """Frames of the reference (above) and of the rollout at the same times (below), from left to right."""
    times = np.linspace(0, len(reference.frames) - 1, SHEET_COLUMNS).astype(int)
    shown = np.minimum(times, len(episode.frames) - 1)
    rows = [np.concatenate(list(_enlarged(part)), axis=1) for part in (reference.frames[times], episode.frames[shown])]
    return np.concatenate(rows, axis=0)


def write_comparison(folder: Path, reference: Reference, episode: Episode) -> Path:
    """Write ``comparison.mp4`` and ``contact_sheet.png`` to a folder and return the video's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_png(folder / "contact_sheet.png", contact_sheet(reference, episode))
    path = folder / "comparison.mp4"
    write_video(path, comparison(reference, episode), reference.tick_hz)
    return path


def write_curve(path: Path, rows: Sequence[Mapping[str, Any]], baselines: Mapping[str, Mapping[str, float]]) -> None:
    """Plot the learning curve as PNG: return, mask IoU and forward speed by environment step; baselines are lines.

    Args:
        path: of the picture.
        rows: of ``metrics.jsonl``; those of kind ``eval`` are drawn.
        baselines: policy name to its row of the summary.
    """
    from matplotlib.figure import Figure  # not pyplot, whose state belongs to the program that calls nil

    evaluations = [row for row in rows if row["kind"] == "eval"]
    names = [n for n in ("return", "similarity", "iou", "speed") if any(n in row for row in evaluations)]
    if not names:
        return
    figure = Figure(figsize=(3.4 * len(names), 3.0))
    axes = figure.subplots(1, len(names), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        axis.plot([row["step"] for row in evaluations], [row.get(name) for row in evaluations], label="learned")
        for (policy, row), style in zip(baselines.items(), ("--", ":", "-."), strict=False):
            if name in row:
                axis.axhline(row[name], linestyle=style, color="gray", label=policy)
        axis.set_title(name + (" (m/s)" if name == "speed" else ""))
        axis.set_xlabel("environment steps")
        axis.grid(alpha=0.3)
    axes[0][0].legend(frameon=False, fontsize="small")
    figure.tight_layout()
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _enlarged(images: Frames | Masks) -> Frames | Masks:
    factor = max(1, PANEL_PIXELS // images.shape[1])
    return images.repeat(factor, axis=1).repeat(factor, axis=2)
