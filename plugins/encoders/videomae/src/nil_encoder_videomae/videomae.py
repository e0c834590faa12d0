"""The encoders VideoMAE, ViViT and V-JEPA 2; the checkpoint selects the architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import VideoMAEConfig, VideoMAEModel, VivitModel, VJEPA2Model

from nil_core.api import ConfigError
from nil_core.vision.checkpoint import read_config, read_json, read_model
from nil_core.vision.clip_model import ClipModel
from nil_core.weights import RANDOM_TINY, locate
from nil_encoder_videomae import CARD, VideomaeOptions

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

IMAGENET: Statistics = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MINUS_ONE_TO_ONE: Statistics = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Family:
    """How to load and call the checkpoints of one ``model_type``.

    Attributes:
        model: class of the transformer without a head.
        size: attribute of the frame size in its configuration.
        statistics: mean and standard deviation of the channels in training, used if the checkpoint has none.
        file_has_statistics: whether the preprocessor file of the checkpoint is correct.
        build: arguments of the model constructor.
        call: arguments of its forward pass.
    """

    model: Any
    size: str
    statistics: Statistics
    file_has_statistics: bool = True
    build: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = {
    "videomae": Family(VideoMAEModel, "image_size", IMAGENET),
    # Trained on values from -1 to 1. Its preprocessor file applies this scaling, and then mean and std .5 again.
    "vivit": Family(
        VivitModel, "image_size", MINUS_ONE_TO_ONE, file_has_statistics=False, build={"add_pooling_layer": False}
    ),
    "vjepa2": Family(VJEPA2Model, "crop_size", IMAGENET, call={"skip_predictor": True}),
}

POOLING: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda tokens: tokens.mean(dim=1),
    "tokens": lambda tokens: tokens.flatten(1),
    "cls": lambda tokens: tokens[:, 0],
}
"""From the last hidden state (B, tokens, D)."""


class VideomaeEncoder(ClipModel):
    """VideoMAE, ViViT or V-JEPA 2 as :class:`nil_core.interfaces.VideoEncoder`.

    Clip length and frame size are those of the checkpoint; V-JEPA 2 takes any even number of frames.

    Raises:
        ConfigError: ``embedding=cls`` for a model without class token.
        DataError: the weights are missing, damaged, or of another family.
        MachineError: there is no such GPU.
    """

    def __init__(self, options: VideomaeOptions) -> None:
        model, statistics = _load(options.weights)
        model_type = model.config.model_type
        if options.embedding == "cls" and model_type != "vivit":
            raise ConfigError(f"{model_type} has no class token", "--set encoder.embedding=mean")
        family, pool = FAMILIES[model_type], POOLING[options.embedding]

        def embed(frames: Tensor) -> Tensor:
            return pool(model(frames, **family.call).last_hidden_state)

        frames = options.frames if model_type == "vjepa2" else model.config.num_frames
        super().__init__(model, embed, frames, getattr(model.config, family.size), *statistics, options)


def _load(weights: str) -> tuple[Any, Statistics]:
    if weights == RANDOM_TINY:
        return random_tiny(), IMAGENET
    folder = locate(weights, CARD.weights)
    family = FAMILIES[read_config(folder, FAMILIES).model_type]
    return read_model(family.model, folder, **family.build), _statistics(folder, family)


def _statistics(folder: Path, family: Family) -> Statistics:
    """Channel statistics, from the checkpoint if available: the default in transformers is wrong for VideoMAE."""
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        config = read_json(folder / name)
        if family.file_has_statistics and "image_mean" in config and "image_std" in config:
            return tuple(config["image_mean"]), tuple(config["image_std"])
    return family.statistics


def random_tiny() -> VideoMAEModel:
    """VideoMAE's architecture with small layers and random parameters, the same at every call."""
    config = VideoMAEConfig(
        image_size=64,
        num_frames=8,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.2,  # large, so that embeddings of a standing and a walking robot differ
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VideoMAEModel(config)
