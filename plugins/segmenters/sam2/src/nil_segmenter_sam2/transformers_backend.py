"""Backend ``transformers``: preprocesses frames on demand and deletes outputs that are no longer needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch.nn.functional import interpolate
from transformers import Sam2VideoInferenceSession, Sam2VideoModel

from nil_core.api import Frames, Masks

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet statistics, as in the training of all SAM 2 weights."""

ROBOT_OBJECT_ID = 0


class TransformersTracker:
    """SAM 2 of transformers. Memory does not grow with the video: the model plus about 100 MB on the device."""

    def __init__(self, model: Sam2VideoModel) -> None:
        self._model = model
        self.memory_length = max(model.config.num_maskmem, model.config.max_object_pointers_in_encoder)

    def track(self, frames: Frames, first_mask: Masks) -> Iterator[torch.Tensor]:
        """Logits (H, W) of each frame."""
        model, size = self._model, frames.shape[1:3]
        side, device = cast(int, model.config.image_size), model.device
        session = Sam2VideoInferenceSession(inference_device=device, inference_state_device=device, dtype=torch.float32)
        session.processed_frames = PreparedFrames(frames, side, device)  # type: ignore[assignment]
        session.add_mask_inputs(session.obj_id_to_idx(ROBOT_OBJECT_ID), 0, _model_input(first_mask, side))
        session.obj_with_new_inputs = [ROBOT_OBJECT_ID]
        for number in range(len(frames)):
            logits = model(session, frame_idx=number).pred_masks
            session.output_dict_per_obj[ROBOT_OBJECT_ID]["non_cond_frame_outputs"].pop(
                number - self.memory_length, None
            )
            yield interpolate(logits.float(), size, mode="bilinear", align_corners=False)[0, 0]


class PreparedFrames:
    """Frames of a session: indexing returns a normalized frame, float32 (3, side, side), computed on demand."""

    def __init__(self, frames: Frames, side: int, device: torch.device) -> None:
        self._frames, self._side, self._device = frames, side, device
        self._mean = torch.tensor(MEAN, device=device)[:, None, None]
        self._std = torch.tensor(STD, device=device)[:, None, None]

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, number: int) -> torch.Tensor:
        image = torch.from_numpy(self._frames[number]).to(self._device).permute(2, 0, 1)[None].float() / 255
        image = interpolate(image, (self._side, self._side), mode="bilinear", antialias=True, align_corners=False)
        return (image[0] - self._mean) / self._std


def _model_input(mask: Masks, side: int) -> torch.Tensor:
    """Resize a mask to the model input: 0 and 1, float32 (1, 1, side, side)."""
    full = torch.from_numpy(mask)[None, None].float()
    return (interpolate(full, (side, side), mode="bilinear", antialias=True, align_corners=False) >= 0.5).float()
