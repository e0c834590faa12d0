"""A video transformer as an encoder: from batches of uint8 clips to float32 embeddings."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from nil_core.devices import find_device
from nil_core.errors import DataError, MachineError
from nil_core.types import Floats, Frames
from nil_core.vision.options import ClipEncoderOptions

_log = logging.getLogger(__name__)

EmbedFunction = Callable[[Tensor], Tensor]
"""From normalized frames, float (B, L, 3, S, S), to embeddings (B, D)."""


class ClipModel:
    """Runs a model on clips, with device, precision and compilation from the options.

    Frames are sent to the device as uint8, once for each batch, and normalized there. By default matrix products are
    bfloat16 if the device has instructions for them (autocast: sums, norms and the embedding stay float32), and on CUDA
    the forward pass is also compiled.

    Args:
        model: has the parameters; it is moved to the device.
        embed: forward pass that uses ``model``.
        frames: L, number of frames that the model takes.
        size: S, side of a frame in pixels.
        mean, std: of each channel, for values from 0 to 1.
        options: device, precision, compilation, stride and batch.

    Raises:
        MachineError: there is no such GPU.
    """

    def __init__(
        self,
        model: nn.Module,
        embed: EmbedFunction,
        frames: int,
        size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        options: ClipEncoderOptions,
    ) -> None:
        self.device = find_device(options.device, "encoder.device")
        on_gpu = self.device.type == "cuda"
        self.uses_bfloat16 = options.dtype == "bfloat16" or (options.dtype == "auto" and has_fast_bfloat16(self.device))
        self.clip_length = (frames - 1) * options.stride + 1
        self.frame_size = size
        self._stride, self._batch = options.stride, options.batch
        model.to(self.device).eval().requires_grad_(False)
        # (frames / 255 - mean) / std, as one product and one sum
        self._scale = torch.tensor([1 / (255 * s) for s in std], device=self.device).view(3, 1, 1)
        self._shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=self.device).view(3, 1, 1)
        self._embed = embed
        self._forward: EmbedFunction = self._eager
        if options.compile == "on" or (options.compile == "auto" and on_gpu):
            self._forward = _Compiled(self._eager)

    def encode(self, clips: Frames) -> Floats:
        """Embed clips: uint8 (B, clip_length, S, S, 3), robot on black, to float32 (B, D).

        Raises:
            DataError: the clips have another shape or dtype.
            MachineError: the GPU has too little memory.
        """
        shape = (self.clip_length, self.frame_size, self.frame_size, 3)
        if clips.ndim != 5 or clips.shape[1:] != shape or clips.dtype != np.uint8 or not len(clips):
            raise DataError(
                f"this encoder takes clips uint8 (B, {', '.join(map(str, shape))}), got {clips.dtype} {clips.shape}",
                "cut and resize them to its clip_length and frame_size",
            )
        selected = np.ascontiguousarray(clips[:, :: self._stride])
        parts = [self._encode(selected[i : i + self._batch]) for i in range(0, len(selected), self._batch)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _encode(self, clips: Frames) -> Floats:
        try:
            with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.uses_bfloat16):
                result = self._forward(torch.from_numpy(clips).to(self.device))
            embeddings: Floats = result.float().cpu().numpy()
            return embeddings
        except torch.OutOfMemoryError:
            raise MachineError(
                f"the GPU has too little memory for {len(clips)} clips at once",
                f"--set encoder.batch={max(1, self._batch // 2)}",
            ) from None

    def _eager(self, clips: Tensor) -> Tensor:
        """uint8 (B, L, S, S, 3) to (B, D)."""
        return self._embed(clips.permute(0, 1, 4, 2, 3) * self._scale + self._shift)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 products are faster than float32: on CUDA, and on CPUs with instructions for them."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class _Compiled:
    """The compiled forward pass; if compiling fails, the uncompiled one from then on, with a warning that says why."""

    def __init__(self, uncompiled: EmbedFunction) -> None:
        self._uncompiled = uncompiled
        # one graph for batches of any size
        self._forward: EmbedFunction = torch.compile(uncompiled, dynamic=True)

    def __call__(self, clips: Tensor) -> Tensor:
        try:
            return self._forward(clips)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if self._forward is self._uncompiled:
                raise
            why = str(error).strip().partition("\n")[0][:200] or type(error).__name__
            _log.warning("the encoder runs uncompiled, and slower: torch.compile failed: %s", why)
            self._forward = self._uncompiled
            return self._uncompiled(clips)
