"""The open image-to-video models of diffusers, with one set of options."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, field_validator, model_validator

from nil_core.api import Capability, ComponentCard, Requirement
from nil_core.diffusion.options import DiffusionOptions
from nil_generator_diffusers.models import EXTERNAL_WEIGHTS, MODELS, MODELS_BY_NAME

INSTALL = 'pip install "nil-core[diffusion]"'


class DiffusersOptions(DiffusionOptions):
    """Options of the generator ``diffusers``."""

    weights: str = Field("ltx", description=f"{', '.join(MODELS_BY_NAME)}; an id of the hub; or a local folder.")
    model: str | None = Field(
        None, description="Model whose rules (frames, size, guidance ...) apply to the weights: one of the names above."
    )
    frames: PositiveInt | None = Field(
        None, description="Frames; default: the smallest possible count that lasts as long as the run needs."
    )
    guidance: float | None = Field(None, ge=0, description="Classifier-free guidance; default: the model's own.")

    @model_validator(mode="before")
    @classmethod
    def _weights_of_the_model(cls, given: Any) -> Any:
        """A model without weights means the model's own weights."""
        if isinstance(given, dict) and given.get("model") and "weights" not in given:
            return given | {"weights": given["model"]}
        return given

    @field_validator("model")
    @classmethod
    def _check_model(cls, name: str | None) -> str | None:
        if name is not None and name not in MODELS_BY_NAME:
            raise ValueError(f"no such model; one of {', '.join(MODELS_BY_NAME)}")
        return name


CARD = ComponentCard(
    kind="generator",
    summary="Open image-to-video models: Wan, LTX, CogVideoX, HunyuanVideo, FramePack, I2VGen-XL. For a GPU.",
    target="nil_generator_diffusers.image_to_video:ImageToVideo",
    config=DiffusersOptions,
    requires=tuple(
        Requirement(module, INSTALL) for module in ("torch", "diffusers", "transformers", "accelerate", "ftfy")
    ),
    capabilities=frozenset({Capability.NEEDS_GPU}),
    license="each model's own: nil models list",
    weights=(*(model.weights for model in MODELS), *EXTERNAL_WEIGHTS),
)
