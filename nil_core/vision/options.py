"""Options of every pretrained video encoder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from nil_core.card import Options


class ClipEncoderOptions(Options):
    """Device, precision and input of a video transformer. Derive from it, and give ``weights`` a default."""

    weights: str = Field(description="A name from the card, an id of the hub, a local folder, or random-tiny.")
    stride: PositiveInt = Field(
        1, description="Ticks between the frames that the model takes. The paper uses consecutive frames."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="auto, cpu, cuda or cuda:1; auto is CUDA if present.",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the matrix products; auto is bfloat16 if the device has instructions for it."
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether torch compiles the model: takes a minute once, and is faster from then on; auto: on CUDA.",
    )
    batch: PositiveInt = Field(64, description="Clips in one forward pass; fewer need less memory.")
