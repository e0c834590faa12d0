"""Conversion of SAM 2 parameter names from transformers to the package sam2."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

RULES: tuple[tuple[str, str], ...] = (
    (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
    (r"^vision_encoder\.neck\.convs\.(\d+)\.", r"image_encoder.neck.convs.\1.conv."),
    (r"^shared_image_embedding\.positional_embedding$", "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
    (r"\.patch_embed\.projection\.", ".patch_embed.proj."),
    (r"^prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
    (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
    (r"^prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
    (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
    (r"^prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
    (r"^mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
    (r"^mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
    (r"^mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
    (r"^(prompt_encoder|mask_decoder)\.", r"sam_\1."),
    # MLPs of three and of two layers both call their outer layers proj_in and proj_out
    (r"(_mlps\.\d+|_head|^object_pointer_proj)\.proj_out\.", r"\1.layers.2."),
    (r"(_mlps\.\d+|_head|^object_pointer_proj)\.layers\.0\.", r"\1.layers.1."),
    (r"\.mlp\.proj_out\.", ".mlp.layers.1."),
    (r"\.proj_in\.", ".layers.0."),
    (r"\.o_proj\.", ".out_proj."),
    (r"^memory_encoder\.mask_downsampler\.final_conv\.", "memory_encoder.mask_downsampler.encoder.12."),
    (r"^memory_encoder\.feature_projection\.", "memory_encoder.pix_feat_proj."),
    (r"^memory_encoder\.projection\.", "memory_encoder.out_proj."),
    (r"^memory_encoder\.memory_fuser\.", "memory_encoder.fuser."),
    (r"\.depthwise_conv\.", ".dwconv."),
    (r"\.pointwise_conv(\d)\.", r".pwconv\1."),
    (r"\.scale$", ".gamma"),
    (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
    (r"\.layer_norm(\d?)\.", r".norm\1."),
    (r"^object_pointer_proj\.", "obj_ptr_proj."),
    (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"^no_memory_embedding$", "no_mem_embed"),
    (r"^no_memory_positional_encoding$", "no_mem_pos_enc"),
    (r"^no_object_pointer$", "no_obj_ptr"),
    (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
)
"""Pattern and replacement, applied in order; other names are equal."""

DUPLICATE = "prompt_encoder.shared_embedding.positional_embedding"
"""Copy of ``shared_image_embedding.positional_embedding``; the package has only one."""

_DOWNSAMPLER = re.compile(r"^memory_encoder\.mask_downsampler\.layers\.(\d+)\.(conv|layer_norm)\.")
_POINTS = "prompt_encoder.point_embed.weight"


def to_package_names(parameters: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename transformers' parameters to the package's names."""
    renamed = {_renamed(name): tensor for name, tensor in parameters.items() if name not in (DUPLICATE, _POINTS)}
    for kind, row in enumerate(torch.split(parameters[_POINTS], 1)):
        renamed[f"sam_prompt_encoder.point_embeddings.{kind}.weight"] = row
    return renamed


def _renamed(name: str) -> str:
    if layer := _DOWNSAMPLER.match(name):  # the package numbers convolution, norm and activation in one sequence
        index = 3 * int(layer[1]) + (layer[2] == "layer_norm")
        return f"memory_encoder.mask_downsampler.encoder.{index}.{name[layer.end() :]}"
    for pattern, replacement in RULES:
        name = re.sub(pattern, replacement, name)
    return name
