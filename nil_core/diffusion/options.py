"""Options of every diffusers pipeline."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from nil_core.card import Options

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Offload = Literal["auto", "none", "model", "sequential"]

PIPELINE_FILES = ("*.json", "*/*.safetensors", "*/*.model", "*/*.txt", "*/*.jinja")
"""Files to download from a repository with a pipeline: no single-file checkpoints."""

HALF_PIPELINE_FILES = ("*.json", "*/*.fp16.safetensors", "*/*.model", "*/*.txt", "*/*.jinja")
"""The same for a repository that also stores its weights in half precision."""


class DiffusionOptions(Options):
    """Device, precision and frame size of a pipeline. Derive from it, and give ``weights`` a default."""

    weights: str = Field(description="A name from the card, an id of the hub, or a local folder.")
    steps: PositiveInt | None = Field(None, description="Denoising steps; default: the model's own.")
    width: PositiveInt | None = Field(None, description="Pixels; default: the model's own.")
    height: PositiveInt | None = Field(None, description="Pixels; default: the model's own.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="auto, cpu, cuda or cuda:1; auto is CUDA if present.",
    )
    dtype: Dtype = Field("auto", description="Precision; auto is the model's own half precision on CUDA, else float32.")
    offload: Offload = Field(
        "auto",
        description="What is kept in main memory while not in use: nothing (none), whole components (model), or single "
        "layers (sequential: least GPU memory, slow); auto depends on the free GPU memory.",
    )

    @field_validator("weights")
    @classmethod
    def _check_weights(cls, weights: str) -> str:
        if weights == "random-tiny":
            raise ValueError("a video model with random weights makes noise, in which there is no robot to imitate")
        return weights
