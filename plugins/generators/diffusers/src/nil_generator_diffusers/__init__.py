"""The open image-to-video models of diffusers, behind one set of options."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, field_validator, model_validator

from nil_core.api import Capability, ComponentCard, Requirement
from nil_core.diffusion.options import DiffusionOptions
from nil_generator_diffusers.models import MODELS, NAMES, PARTS

INSTALL = 'pip install "nil-core[diffusion]"'


class DiffusersOptions(DiffusionOptions):
    """Options of the generator ``diffusers``."""

    weights: str = Field("ltx", description=f"{', '.join(NAMES)}; an id of the hub; or a local folder.")
    model: str | None = Field(
        None, description="Whose rules (frames, size, guidance ...) the weights follow: one of the names above."
    )
    frames: PositiveInt | None = Field(
        None, description="Frames; when not given, the fewest the model can make that last as long as the run asks."
    )
    guidance: float | None = Field(None, ge=0, description="Classifier-free guidance; the model's own when not given.")

    @model_validator(mode="before")
    @classmethod
    def _model_alone(cls, given: Any) -> Any:
        """Who names a model and no weights wants the model's own."""
        if isinstance(given, dict) and given.get("model") and "weights" not in given:
            return given | {"weights": given["model"]}
        return given

    @field_validator("model")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in NAMES:
            raise ValueError(f"no such model; one of {', '.join(NAMES)}")
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
    weights=(*(model.weights for model in MODELS), *PARTS),
)
