"""The segmenter ``sam2``: propagates the mask of the first frame to all frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from nil_core.api import DataError, Frames, MachineError, Masks, Progress, Video, find_device, no_progress
from nil_segmenter_sam2 import Sam2Options
from nil_segmenter_sam2.checkpoint import load_model


class Tracker(Protocol):
    """Interface of a SAM 2 backend."""

    def track(self, frames: Frames, first_mask: Masks) -> Iterator[torch.Tensor]:
        """Logits (H, W), positive on the robot, for each frame of (T, H, W, 3), in order."""
        ...


class Sam2:
    """Promptable video segmentation (SAM 2, arXiv 2408.00714) with a mask prompt, as in NIL (section 3.1).

    Raises:
        DataError: the weights are missing or not of SAM 2.
        ConfigError: there is no such device.
        MachineError: there is no such GPU, or the package of the chosen backend is missing.
    """

    def __init__(self, options: Sam2Options) -> None:
        self._device = find_device(options.device, "segmenter.device")
        self._dtype = _dtype(options.dtype, self._device)
        self._tracker = _tracker(options, self._device)

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """Masks bool (T, H, W); the first one is ``first_mask`` at the mask resolution of SAM 2.

        Raises:
            DataError: ``first_mask`` is empty.
            MachineError: the GPU has too little memory.
        """
        if not first_mask.any():
            raise DataError("the first mask is empty: there is no robot to track", "check the robot's camera")
        masks = np.empty(video.frames.shape[:3], np.bool_)
        with torch.inference_mode(), torch.autocast(self._device.type, self._dtype, self._dtype != torch.float32):
            try:
                for number, logits in enumerate(self._tracker.track(video.frames, first_mask)):
                    masks[number] = (logits > 0).cpu().numpy()
                    progress(number + 1, len(masks), "frames segmented")
            except torch.OutOfMemoryError:
                raise MachineError(
                    f"SAM 2 needs more memory than {self._device} has free",
                    "--set segmenter.weights=tiny, or --set segmenter.device=cpu",
                ) from None
        return masks


def _tracker(options: Sam2Options, device: torch.device) -> Tracker:
    if options.backend == "transformers":
        from nil_segmenter_sam2.transformers_backend import TransformersTracker

        return TransformersTracker(load_model(options.weights).to(device))  # type: ignore[arg-type]
    from nil_segmenter_sam2.sam2_backend import Sam2PackageTracker

    return Sam2PackageTracker(load_model(options.weights), device)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        name = "bfloat16" if device.type == "cuda" else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]
