"""Backend ``sam2``: the package sam2, which reads frames from a folder of images."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import Sam2VideoConfig, Sam2VideoModel

from nil_core.api import Frames, MachineError, Masks
from nil_segmenter_sam2.parameter_names import to_package_names

try:
    from PIL import Image
    from sam2 import sam2_video_predictor
    from sam2.build_sam import build_sam2_video_predictor
    from sam2.utils import misc
    from tqdm import tqdm
except ImportError as error:
    raise MachineError(
        f"the backend sam2 needs the package sam2: {error}",
        'pip install "nil-segmenter-sam2[sam2]", or --set segmenter.backend=transformers',
    ) from None

ROBOT_OBJECT_ID = 0
BASE_CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"
"""The package's configuration of the tiny model; :func:`_sizes` overrides it for other models."""

misc.tqdm = sam2_video_predictor.tqdm = partial(tqdm, disable=True)  # progress is reported by the caller


class Sam2PackageTracker:
    """SAM 2 of the package, with the weights of the transformers model. Keeps frames in main memory, 12.6 MB each."""

    def __init__(self, model: Sam2VideoModel, device: torch.device) -> None:
        overrides = [f"++model.{key}={value}" for key, value in _sizes(model.config).items()]
        with torch.random.fork_rng(devices=[]):  # random initial weights are replaced below
            predictor = build_sam2_video_predictor(BASE_CONFIG, None, str(device), hydra_overrides_extra=overrides)
        predictor.load_state_dict(to_package_names(model.state_dict()))
        predictor.fill_hole_area = 0  # needs an extension that is rarely built
        self._predictor = predictor
        self._memory_length = max(predictor.num_maskmem, predictor.max_obj_ptrs_in_encoder)

    def track(self, frames: Frames, first_mask: Masks) -> Iterator[torch.Tensor]:
        """Logits (H, W) of each frame."""
        predictor = self._predictor
        with TemporaryDirectory(prefix="nil-sam2-") as folder:
            _write(frames, Path(folder))
            state = predictor.init_state(folder, offload_video_to_cpu=True)
        predictor.add_new_mask(state, 0, ROBOT_OBJECT_ID, first_mask)
        for number, _, logits in predictor.propagate_in_video(state):
            state["output_dict_per_obj"][ROBOT_OBJECT_ID]["non_cond_frame_outputs"].pop(
                number - self._memory_length, None
            )
            yield logits[0, 0]


def _write(frames: Frames, folder: Path) -> None:
    """Write frames as lossless PNG with the suffix that the package expects; it detects the format by content."""
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number}.jpg", format="png", compress_level=1)


def _sizes(config: Sam2VideoConfig) -> dict[str, Any]:
    """Settings that differ between models, with the package's config keys."""
    vision: Any = config.vision_config
    trunk = vision.backbone_config
    return {
        "image_size": config.image_size,
        "num_maskmem": config.num_maskmem,
        "no_obj_embed_spatial": config.enable_occlusion_spatial_embedding,
        "add_tpos_enc_to_obj_ptrs": config.enable_temporal_pos_encoding_for_object_pointers,
        "proj_tpos_enc_in_obj_ptrs": config.enable_temporal_pos_encoding_for_object_pointers,
        "image_encoder.trunk.embed_dim": trunk.hidden_size,
        "image_encoder.trunk.num_heads": trunk.num_attention_heads,
        "image_encoder.trunk.stages": trunk.blocks_per_stage,
        "image_encoder.trunk.global_att_blocks": trunk.global_attention_blocks,
        "image_encoder.trunk.window_spec": trunk.window_size_per_stage,
        "image_encoder.trunk.window_pos_embed_bkg_spatial_size": trunk.window_positional_embedding_background_size,
        "image_encoder.neck.backbone_channel_list": vision.backbone_channel_list,
        "memory_attention.num_layers": config.memory_attention_num_layers,
        "memory_attention.layer.dim_feedforward": config.memory_attention_feed_forward_hidden_size,
        "memory_attention.layer.self_attention.feat_sizes": config.memory_attention_rope_feat_sizes,
        "memory_attention.layer.cross_attention.feat_sizes": config.memory_attention_rope_feat_sizes,
    }
