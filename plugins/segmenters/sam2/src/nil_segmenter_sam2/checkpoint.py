"""Loading of SAM 2 weights in the format of transformers (config.json and safetensors), without pickle."""

from __future__ import annotations

import torch
from transformers import Sam2VideoConfig, Sam2VideoModel

from nil_core.vision.checkpoint import read_model
from nil_core.weights import RANDOM_TINY, locate
from nil_segmenter_sam2 import CARD


def load_model(weights: str) -> Sam2VideoModel:
    """Load SAM 2 (arXiv 2408.00714) on the CPU, float32, for inference.

    Args:
        weights: see :func:`nil_core.weights.locate`; ``random-tiny`` is a small model of the same
            architecture.

    Raises:
        DataError: the weights are missing or not of SAM 2.
    """
    model = (
        _random_tiny()
        if weights == RANDOM_TINY
        else read_model(Sam2VideoModel, locate(weights, CARD.weights), use_safetensors=True)
    )
    frozen: Sam2VideoModel = model.eval().requires_grad_(False)
    return frozen


def _random_tiny() -> Sam2VideoModel:
    """Small random SAM 2 with all its parts and an image size of 128 pixels.

    The head that predicts object visibility has a large positive bias: random weights would give a negative score for
    some videos, and a dry run would fail.
    """
    side, widths = 128, [16, 32, 64, 128]
    config = Sam2VideoConfig(
        image_size=side,
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "image_size": [side, side],
                "hidden_size": widths[0],
                "embed_dim_per_stage": widths,
                "blocks_per_stage": [1, 1, 2, 1],
                "global_attention_blocks": [3],
            },
            "backbone_channel_list": widths[::-1],
            "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
        },
        prompt_encoder_config={"image_size": side},
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=256,
        memory_attention_rope_feat_sizes=[side // 16] * 2,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = Sam2VideoModel(config)
        model.prompt_encoder.shared_embedding.load_state_dict(model.shared_image_embedding.state_dict())
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(10.0)
    return model
