"""Pipelines whose arguments for size, frame count, guidance or text differ from those of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

Arguments = dict[str, Any]


def hunyuanvideo_size(pipeline: Any, width: int, height: int) -> tuple[int, int]:
    """HunyuanVideo 1.5 chooses the size itself, by the aspect of the image, and crops to it: this is its choice."""
    default_size = pipeline.video_processor.calculate_default_height_width
    height, width = default_size(height=height, width=width, target_size=pipeline.target_size)
    return width, height


def set_guider_scale(pipeline: Any, arguments: Arguments) -> Arguments:
    """HunyuanVideo 1.5 takes its guidance from a component, and its size from the image."""
    scale = arguments.pop("guidance_scale", None)
    if scale is not None:
        pipeline.guider = pipeline.guider.new(guidance_scale=scale)
    return {name: value for name, value in arguments.items() if name not in ("width", "height")}


def framepack_frame_count(pipeline: Any, arguments: Arguments) -> Arguments:
    """FramePack makes one frame and then sections of 36 frames, but its argument counts 33 for each section."""
    return {**arguments, "num_frames": (arguments["num_frames"] - 1) // 36 * 33}


def embed_with_penultimate_layer(pipeline: Any, arguments: Arguments) -> Arguments:
    """I2VGen-XL uses the second to last layer of its text encoder, with the normalization of the last layer.

    Its pipeline expects that normalization at an attribute that transformers 5 no longer has, so the embeddings are
    computed here.
    """
    encoder, tokenizer = pipeline.text_encoder, pipeline.tokenizer
    normalize = getattr(encoder, "text_model", encoder).final_layer_norm

    def embed(text: str) -> torch.Tensor:
        tokens = tokenizer(
            text, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            states = encoder(tokens.input_ids.to(pipeline._execution_device), output_hidden_states=True).hidden_states
            normalized: torch.Tensor = normalize(states[-2])
            return normalized

    return {
        **arguments,
        "prompt": None,
        "prompt_embeds": embed(arguments["prompt"]),
        "negative_prompt": None,
        "negative_prompt_embeds": embed(arguments.get("negative_prompt") or ""),
    }


ADAPT_SIZE: Mapping[str, Callable[[Any, int, int], tuple[int, int]]] = {
    "HunyuanVideo15ImageToVideoPipeline": hunyuanvideo_size,
}
"""Pipeline class to a function of pipeline, width and height that returns the width and height to use."""

ADAPT_ARGUMENTS: Mapping[str, Callable[[Any, Arguments], Arguments]] = {
    "HunyuanVideo15ImageToVideoPipeline": set_guider_scale,
    "HunyuanVideoFramepackPipeline": framepack_frame_count,
    "I2VGenXLPipeline": embed_with_penultimate_layer,
}
"""Pipeline class to a function of pipeline and arguments that returns the arguments to use."""
