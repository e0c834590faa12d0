"""Running a pipeline: seeded, with its progress reported, its result checked."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import torch
from PIL import Image

from nil_core.diffusion.loading import Loaded
from nil_core.errors import DataError
from nil_core.types import Frames, GenerationRequest, Progress
from nil_core.video.crop import letterbox

_log = logging.getLogger(__name__)


def picture(request: GenerationRequest, width: int, height: int) -> Image.Image:
    """The request's first frame as a pipeline wants it: whole, in the middle of a picture of the model's size."""
    return Image.fromarray(letterbox(request.first_frame, width, height, request.background))


def draw(loaded: Loaded, arguments: Mapping[str, Any], seed: int, progress: Progress) -> Frames:
    """Call a pipeline.

    Args:
        loaded: the pipeline.
        arguments: of its call; output type and random numbers are added here.
        seed: the same seed draws the same video on the same machine.
        progress: called after every denoising step. What it raises (Ctrl-C too) ends the drawing.

    Returns:
        uint8 (T, H, W, 3).

    Raises:
        DataError: the model gave NaN.
    """
    pipeline, slow = loaded.pipeline, loaded.device.type == "cpu"
    pipeline.progress_bar = lambda iterable=None, total=None: _Steps(total, progress, slow)
    devices = [loaded.device] if loaded.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)  # some pipelines draw from the global generator, too
        result = pipeline(**arguments, generator=torch.Generator("cpu").manual_seed(seed), output_type="np")
    frames = np.asarray(result.frames[0])
    if not np.isfinite(frames).all():
        raise DataError(
            f"the model gave NaN in {str(loaded.dtype).removeprefix('torch.')}", "--set generator.dtype=float32"
        )
    progress(1, 1, "frames decoded")
    return (255 * frames).round().clip(0, 255).astype(np.uint8)


class _Steps:
    """Stands in for the bar of tqdm that a pipeline shows."""

    def __init__(self, total: int, progress: Progress, slow: bool) -> None:
        self._total, self._progress, self._slow = total, progress, slow
        self._done = 0

    def __enter__(self) -> _Steps:
        self._began = time.perf_counter()
        self._progress(0, self._total, "denoising steps")
        return self

    def update(self, steps: int = 1) -> None:
        self._done = min(self._done + steps, self._total)
        self._progress(self._done, self._total, "denoising steps")
        if self._slow and self._done == 1:
            step = time.perf_counter() - self._began
            _log.warning(
                "no GPU: a denoising step takes %s, so all %d take about %s, and decoding comes after them",
                duration(step),
                self._total,
                duration(step * self._total),
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._progress(0, 1, "frames decoded")


def duration(seconds: float) -> str:
    """Seconds as a person says it: ``42 s``, ``17 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
