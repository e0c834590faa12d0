"""The options that every diffusers pipeline has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, field_validator

from nil_core.card import Options

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Offload = Literal["auto", "none", "model", "sequential"]

PIPELINE_FILES = ("*.json", "*/*.safetensors", "*/*.model", "*/*.txt", "*/*.jinja")
"""What to fetch of a repository with a pipeline: not the single-file checkpoints that lie beside its folders."""

HALF_PIPELINE_FILES = ("*.json", "*/*.fp16.safetensors", "*/*.model", "*/*.txt", "*/*.jinja")
"""The same of a repository that stores its weights a second time, in half precision."""


class DiffusionOptions(Options):
    """Where and how a pipeline runs, and how large its picture is. Derive from it, and give ``weights`` a default."""

    weights: str = Field(description="A name of the card's, an id of the hub, or a local folder.")
    steps: PositiveInt | None = Field(None, description="Denoising steps; the model's own when not given.")
    width: PositiveInt | None = Field(None, description="Pixels; the model's own when not given.")
    height: PositiveInt | None = Field(None, description="Pixels; the model's own when not given.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="auto, cpu, cuda or cuda:1; auto is CUDA where present.",
    )
    dtype: Dtype = Field("auto", description="Precision; auto is the model's own half precision on CUDA, else float32.")
    offload: Offload = Field(
        "auto",
        description="What waits in the main memory while not in use: none, whole parts (model), or single layers "
        "(sequential: the least GPU memory, and slow); auto goes by the GPU's free memory.",
    )

    @field_validator("weights")
    @classmethod
    def _real(cls, weights: str) -> str:
        if weights == "random-tiny":
            raise ValueError("a video model with random weights draws noise, in which there is no robot to imitate")
        return weights
