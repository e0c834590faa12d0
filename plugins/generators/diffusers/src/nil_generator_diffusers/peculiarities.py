"""Pipelines that do not take size, frame count, guidance or text as the others do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

Arguments = dict[str, Any]


def bucketed_size(pipeline: Any, width: int, height: int) -> tuple[int, int]:
    """HunyuanVideo 1.5 chooses the size itself, by the picture's aspect, and crops to it: so begin with its choice."""
    choose = pipeline.video_processor.calculate_default_height_width
    height, width = choose(height=height, width=width, target_size=pipeline.target_size)
    return width, height


def guided_by_component(pipeline: Any, arguments: Arguments) -> Arguments:
    """HunyuanVideo 1.5 has its guidance in a component, and its size in the picture."""
    scale = arguments.pop("guidance_scale", None)
    if scale is not None:
        pipeline.guider = pipeline.guider.new(guidance_scale=scale)
    return {name: value for name, value in arguments.items() if name not in ("width", "height")}


def whole_sections(pipeline: Any, arguments: Arguments) -> Arguments:
    """FramePack makes sections of 36 frames, and one frame before them; it counts each as 33."""
    return {**arguments, "num_frames": (arguments["num_frames"] - 1) // 36 * 33}


def penultimate_text(pipeline: Any, arguments: Arguments) -> Arguments:
    """I2VGen-XL hears the last but one layer of its text encoder, under the last layer's normalization.

    Its pipeline looks for that normalization where transformers 5 no longer keeps it, so the embeddings are made here.
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


SIZES: Mapping[str, Callable[[Any, int, int], tuple[int, int]]] = {
    "HunyuanVideo15ImageToVideoPipeline": bucketed_size,
}

ARGUMENTS: Mapping[str, Callable[[Any, Arguments], Arguments]] = {
    "HunyuanVideo15ImageToVideoPipeline": guided_by_component,
    "HunyuanVideoFramepackPipeline": whole_sections,
    "I2VGenXLPipeline": penultimate_text,
}
