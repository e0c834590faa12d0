"""The segmenter: one mask in, a mask for every frame out, by whichever implementation of SAM 2 was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from nil_core.api import DataError, Frames, MachineError, Masks, Progress, Video, find_device, no_progress
from nil_segmenter_sam2 import Sam2Options
from nil_segmenter_sam2.checkpoint import load_model


class Tracker(Protocol):
    """One implementation of SAM 2."""

    def track(self, frames: Frames, first_mask: Masks) -> Iterator[torch.Tensor]:
        """For every frame of (T, H, W, 3), in order, the logits (H, W): positive where the robot is."""
        ...


class Sam2:
    """Promptable video segmentation (SAM 2, arXiv 2408.00714) with a mask as the prompt, as NIL does (section 3.1).

    Raises:
        DataError: the weights are not on this machine, or are not SAM 2's.
        ConfigError: there is no such device.
        MachineError: there is no such GPU, or the package of the chosen backend is missing.
    """

    def __init__(self, options: Sam2Options) -> None:
        self._device = find_device(options.device, "segmenter.device")
        self._dtype = _dtype(options.dtype, self._device)
        self._tracker = _tracker(options, self._device)

    def segment(self, video: Video, first_mask: Masks, progress: Progress = no_progress) -> Masks:
        """Masks bool (T, H, W); that of the first frame is ``first_mask``, at the resolution SAM 2 keeps masks in.

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
        from nil_segmenter_sam2.streamed import StreamedTracker

        return StreamedTracker(load_model(options.weights).to(device))  # type: ignore[arg-type]
    from nil_segmenter_sam2.packaged import PackagedTracker

    return PackagedTracker(load_model(options.weights), device)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        name = "bfloat16" if device.type == "cuda" else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]
