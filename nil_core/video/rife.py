"""What lies between two frames, by RIFE (Huang et al. 2022, arXiv 2011.06294), from the user's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from nil_core.devices import find_device
from nil_core.errors import DataError
from nil_core.types import Floats
from nil_core.video.picture import Picture

MULTIPLE = 64
"""Of pixels: RIFE's coarsest level is the picture at a 64th of its size."""


class Rife:
    """A TorchScript module ``model(first, second, t) -> between``.

    Pictures are float32 (1, 3, H, W), RGB in 0 ... 1, H and W multiples of :data:`MULTIPLE`; t is float32
    (1, 1, 1, 1). The mask goes through the same module, as a picture in white.

    Args:
        path: the file, as ``torch.jit.save`` wrote it.
        device: ``auto``, ``cpu``, ``cuda`` ...

    Raises:
        DataError: it is no TorchScript file.
        ConfigError, MachineError: torch knows no such device, or this machine has none.
    """

    def __init__(self, path: Path, device: str) -> None:
        self._path = path
        self._device = find_device(device)
        try:
            self._model = torch.jit.load(path, map_location=self._device).eval()  # type: ignore[no-untyped-call]
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise DataError(
                f"{path} is no TorchScript file: {reason}", "docs/video.md shows how to make one of RIFE's weights"
            ) from None

    @torch.inference_mode()
    def interpolate(self, first: Picture, second: Picture, shares: Sequence[float]) -> list[npt.NDArray[np.float32]]:
        """As :data:`nil_core.video.picture.Interpolate`.

        Raises:
            DataError: the module fails, or gives something else than a picture.
        """
        height, width = first.shape[:2]
        colors = self._tensor(first[..., :3]), self._tensor(second[..., :3])
        masks = self._tensor(first[..., 3:].repeat(3, axis=-1)), self._tensor(second[..., 3:].repeat(3, axis=-1))
        drawn = []
        for share in shares:
            t = torch.full((1, 1, 1, 1), share, dtype=torch.float32, device=self._device)
            color, mask = (self._ask(pair, t)[:height, :width] for pair in (colors, masks))
            drawn.append(255 * np.concatenate([color, mask[..., :1]], axis=-1))
        return drawn

    def _tensor(self, picture: Picture) -> torch.Tensor:
        height, width = picture.shape[:2]
        padded = np.pad(picture, [(0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)])
        return torch.from_numpy(padded).to(self._device).permute(2, 0, 1)[None].float() / 255

    def _ask(self, pair: tuple[torch.Tensor, torch.Tensor], t: torch.Tensor) -> Floats:
        try:
            between = self._model(*pair, t)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise DataError(f"{self._path} fails: {reason}", "docs/video.md says what it is called with") from None
        if not isinstance(between, torch.Tensor) or between.shape != pair[0].shape:
            got = tuple(between.shape) if isinstance(between, torch.Tensor) else type(between).__name__
            raise DataError(
                f"{self._path} gives {got}, not a picture {tuple(pair[0].shape)}", "docs/video.md says what it gives"
            )
        picture: Floats = between[0].permute(1, 2, 0).float().cpu().numpy()
        return picture
