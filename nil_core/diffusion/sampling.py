"""Sampling of a video from a pipeline: seeded, with progress, with a check of the result."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import torch
from PIL import Image

from nil_core.diffusion.loading import LoadedPipeline
from nil_core.errors import DataError
from nil_core.types import Frames, GenerationRequest, Progress
from nil_core.video.crop import letterbox

_log = logging.getLogger(__name__)


def input_image(request: GenerationRequest, width: int, height: int) -> Image.Image:
    """The first frame as input of a pipeline: letterboxed to the model's size, in pixels."""
    return Image.fromarray(letterbox(request.first_frame, width, height, request.background))


def sample_frames(loaded: LoadedPipeline, arguments: Mapping[str, Any], seed: int, progress: Progress) -> Frames:
    """Sample a video with a pipeline.

    Args:
        loaded: the pipeline.
        arguments: of its call, without output type and random generator.
        seed: the same seed gives the same video on the same machine.
        progress: called after every denoising step. Any exception that it raises (Ctrl-C too) ends the sampling.

    Returns:
        uint8 (T, H, W, 3).

    Raises:
        DataError: the frames contain NaN or infinity.
    """
    pipeline, on_cpu = loaded.pipeline, loaded.device.type == "cpu"
    pipeline.progress_bar = lambda iterable=None, total=None: _ProgressBar(total, progress, on_cpu)
    devices = [loaded.device] if loaded.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)  # some pipelines also use the global generator
        result = pipeline(**arguments, generator=torch.Generator("cpu").manual_seed(seed), output_type="np")
    frames = np.asarray(result.frames[0])
    if not np.isfinite(frames).all():
        raise DataError(
            f"the model returned NaN in {str(loaded.dtype).removeprefix('torch.')}", "--set generator.dtype=float32"
        )
    progress(1, 1, "frames decoded")
    return (255 * frames).round().clip(0, 255).astype(np.uint8)


class _ProgressBar:
    """Replaces the tqdm progress bar of a pipeline."""

    def __init__(self, total: int, progress: Progress, on_cpu: bool) -> None:
        self._total, self._progress, self._on_cpu = total, progress, on_cpu
        self._done = 0

    def __enter__(self) -> _ProgressBar:
        self._start = time.perf_counter()
        self._progress(0, self._total, "denoising steps")
        return self

    def update(self, steps: int = 1) -> None:
        self._done = min(self._done + steps, self._total)
        self._progress(self._done, self._total, "denoising steps")
        if self._on_cpu and self._done == 1:
            step = time.perf_counter() - self._start
            _log.warning(
                "no GPU: a denoising step takes %s, so all %d take about %s, and decoding comes after them",
                format_duration(step),
                self._total,
                format_duration(step * self._total),
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._progress(0, 1, "frames decoded")


def format_duration(seconds: float) -> str:
    """Seconds as text: ``42 s``, ``17 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
