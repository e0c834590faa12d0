"""The options that every pretrained video encoder has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from nil_core.card import Options


class ClipEncoderOptions(Options):
    """Where and how a video transformer runs. Derive from it, and give ``weights`` a default."""

    weights: str = Field(description="A name of the card's, an id of the hub, a local folder, or random-tiny.")
    stride: PositiveInt = Field(
        1, description="Ticks between the frames that the model sees. The paper feeds consecutive frames."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="auto, cpu, cuda or cuda:1; auto is CUDA where present.",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the matrix products; auto is bfloat16 where the device has instructions for it."
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="Whether torch compiles the model, a minute once and faster from then on; auto: on CUDA."
    )
    batch: PositiveInt = Field(64, description="Clips in one pass of the model; fewer need less memory.")
