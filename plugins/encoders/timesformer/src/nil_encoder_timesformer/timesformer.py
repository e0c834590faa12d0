"""The encoder TimeSformer (NIL, section 3.2): the last hidden state of a model trained on Kinetics-400."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from transformers import TimesformerConfig, TimesformerModel

from nil_core.vision.checkpoint import read_config, read_model
from nil_core.vision.clip_model import ClipModel
from nil_core.weights import RANDOM_TINY, locate
from nil_encoder_timesformer import CARD, TimesformerOptions
from nil_encoder_timesformer.fused_attention import fuse_attention

# As in training. The default in transformers (ImageNet) and the file of older checkpoints (.5, .5) are wrong.
MEAN, STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)

POOLING: dict[str, Callable[[Tensor], Tensor]] = {
    "cls": lambda tokens: tokens[:, 0],
    "mean": lambda tokens: tokens.mean(dim=1),
    "tokens": lambda tokens: tokens.flatten(1),
}
"""From the last hidden state (B, 1 + patches * frames, D), after the final LayerNorm. The classifier uses token 0."""


class TimesformerEncoder(ClipModel):
    """TimeSformer as :class:`nil_core.interfaces.VideoEncoder`; clip length and frame size are those of the checkpoint.

    Raises:
        DataError: the weights are missing or damaged.
        MachineError: there is no such GPU.
    """

    def __init__(self, options: TimesformerOptions) -> None:
        model = _load(options.weights)
        fuse_attention(model)
        pool = POOLING[options.embedding]

        def embed(frames: Tensor) -> Tensor:
            return pool(model(frames).last_hidden_state)

        size = cast(int, model.config.image_size)
        super().__init__(model, embed, model.config.num_frames, size, MEAN, STD, options)


def _load(weights: str) -> TimesformerModel:
    if weights == RANDOM_TINY:
        return random_tiny()
    folder = locate(weights, CARD.weights)
    read_config(folder, {"timesformer"})
    model: TimesformerModel = read_model(TimesformerModel, folder)
    return model


def random_tiny() -> TimesformerModel:
    """The architecture with small layers and random parameters, the same at every call."""
    config = TimesformerConfig(
        image_size=64,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=0.2,  # large, so that embeddings of a standing and a walking robot differ
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TimesformerModel(config)
