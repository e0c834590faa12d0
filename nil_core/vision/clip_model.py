"""A video transformer as an encoder: batches of uint8 clips in, float32 embeddings out, fast where it can be."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import torch
import torch._dynamo  # before any OpenGL context, see nil_core.learning
from torch import Tensor, nn

from nil_core.devices import find_device
from nil_core.errors import DataError, MachineError
from nil_core.types import Floats, Frames
from nil_core.vision.options import ClipEncoderOptions

_log = logging.getLogger(__name__)

Embed = Callable[[Tensor], Tensor]
"""Normalized frames, float (B, L, 3, S, S), to embeddings (B, D)."""


class ClipModel:
    """Runs a model on clips, in the manner that the options choose for its device.

    Frames travel to the device as bytes, once per batch, and become numbers there. Products are bfloat16 where the
    device has instructions for them (autocast: sums, norms and the embedding stay float32); on CUDA the whole pass is
    also compiled.

    Args:
        model: the parameters, moved to the device.
        embed: how ``model`` is used.
        frames: L, what it sees of a clip.
        size: S, side of a frame in pixels.
        mean, std: of each channel, for levels from 0 to 1.
        options: device, precision, compilation, stride and batch.

    Raises:
        MachineError: there is no such GPU.
    """

    def __init__(
        self,
        model: nn.Module,
        embed: Embed,
        frames: int,
        size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        options: ClipEncoderOptions,
    ) -> None:
        self.device = find_device(options.device, "encoder.device")
        on_gpu = self.device.type == "cuda"
        self.half = options.dtype == "bfloat16" or (options.dtype == "auto" and multiplies_halves(self.device))
        self.clip_length = (frames - 1) * options.stride + 1
        self.frame_size = size
        self._stride, self._batch = options.stride, options.batch
        model.to(self.device).eval().requires_grad_(False)
        # (levels / 255 - mean) / std, as one product and one sum
        self._scale = torch.tensor([1 / (255 * s) for s in std], device=self.device).view(3, 1, 1)
        self._shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=self.device).view(3, 1, 1)
        self._embed = embed
        self._pass: Embed = self._eager
        if options.compile == "on" or (options.compile == "auto" and on_gpu):
            self._pass = _Compiled(self._eager)

    def encode(self, clips: Frames) -> Floats:
        """Embed clips: uint8 (B, clip_length, S, S, 3), robot on black, to float32 (B, D).

        Raises:
            DataError: clips of another size.
            MachineError: the GPU's memory does not suffice.
        """
        wanted = (self.clip_length, self.frame_size, self.frame_size, 3)
        if clips.ndim != 5 or clips.shape[1:] != wanted or clips.dtype != np.uint8 or not len(clips):
            raise DataError(
                f"this encoder takes clips uint8 (B, {', '.join(map(str, wanted))}), got {clips.dtype} {clips.shape}",
                "cut and resize them to its clip_length and frame_size",
            )
        seen = np.ascontiguousarray(clips[:, :: self._stride])
        parts = [self._encode(seen[i : i + self._batch]) for i in range(0, len(seen), self._batch)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _encode(self, clips: Frames) -> Floats:
        try:
            with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
                found = self._pass(torch.from_numpy(clips).to(self.device))
            embeddings: Floats = found.float().cpu().numpy()
            return embeddings
        except torch.OutOfMemoryError:
            raise MachineError(
                f"the GPU's memory does not suffice for {len(clips)} clips at once",
                f"--set encoder.batch={max(1, self._batch // 2)}",
            ) from None

    def _eager(self, clips: Tensor) -> Tensor:
        """uint8 (B, L, S, S, 3) to (B, D)."""
        return self._embed(clips.permute(0, 1, 4, 2, 3) * self._scale + self._shift)


def multiplies_halves(device: torch.device) -> bool:
    """Whether bfloat16 products are the device's faster ones: on CUDA, and on processors made for them."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


class _Compiled:
    """The compiled pass; where compiling fails, the plain one from then on, and a line that says why."""

    def __init__(self, plain: Embed) -> None:
        self._plain = plain
        # one graph for batches of any size
        self._pass: Embed = torch.compile(plain, dynamic=True)

    def __call__(self, clips: Tensor) -> Tensor:
        try:
            return self._pass(clips)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if self._pass is self._plain:
                raise
            why = str(error).strip().partition("\n")[0][:200] or type(error).__name__
            _log.warning("the encoder runs uncompiled, and slower: torch.compile failed: %s", why)
            self._pass = self._plain
            return self._plain(clips)
