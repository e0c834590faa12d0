"""Stable Video Diffusion (Blattmann et al., arXiv 2311.15127): image to video, without a prompt."""

from __future__ import annotations

from pydantic import Field, PositiveInt, model_validator

from nil_core.api import Capability, ComponentCard, Requirement, Weights
from nil_core.diffusion.options import HALF_PIPELINE_FILES, DiffusionOptions

INSTALL = 'pip install "nil-core[diffusion]"'
TERMS = "Stability AI community license; commercial use see stability.ai/license"

WEIGHTS = (
    Weights(
        name="svd-xt",
        repository="stabilityai/stable-video-diffusion-img2vid-xt",
        license=TERMS,
        megabytes=4500,
        summary="25 frames",
        files=HALF_PIPELINE_FILES,
    ),
    Weights(
        name="svd",
        repository="stabilityai/stable-video-diffusion-img2vid",
        license=TERMS,
        megabytes=4500,
        summary="14 frames",
        files=HALF_PIPELINE_FILES,
    ),
    Weights(
        name="svd-xt-1.1",
        repository="stabilityai/stable-video-diffusion-img2vid-xt-1-1",
        license=TERMS,
        megabytes=4500,
        summary="25 frames, tuned at 6 fps and motion bucket 127; its terms must be accepted on the hub",
        files=HALF_PIPELINE_FILES,
    ),
)


class SvdOptions(DiffusionOptions):
    """Options of the generator ``svd``."""

    weights: str = Field("svd-xt", description="svd-xt, svd, svd-xt-1.1, an id of the hub, or a local folder.")
    frames: int | None = Field(None, ge=2, description="Frames; default: as many as the model was trained on.")
    fps: int = Field(7, ge=1, le=30, description="Frame rate, an input of the model, and that of the video.")
    motion_bucket: int = Field(127, ge=0, le=255, description="Amount of motion, an input of the model.")
    noise: float = Field(
        0.02, ge=0, le=10, description="Noise on the first frame: more allows more change of motion and appearance."
    )
    least_guidance: float = Field(1.0, ge=0, description="Guidance at the first frame; it grows linearly.")
    most_guidance: float = Field(3.0, ge=0, description="Guidance at the last frame.")
    decode_chunk: PositiveInt = Field(8, description="Frames decoded at once: fewer need less memory, but flicker.")

    @model_validator(mode="after")
    def _check_sizes_and_guidance(self) -> SvdOptions:
        for name in ("width", "height"):
            size = getattr(self, name)
            if size is not None and size % 8:
                raise ValueError(f"{name} must be a multiple of 8: {size // 8 * 8} or {(size // 8 + 1) * 8}")
        if self.most_guidance < self.least_guidance:
            raise ValueError("most_guidance must not be less than least_guidance")
        return self


CARD = ComponentCard(
    kind="generator",
    summary="Stable Video Diffusion: animates the first frame; takes no prompt. For a GPU of 8 GB or more.",
    target="nil_generator_svd.stable_video_diffusion:StableVideoDiffusion",
    config=SvdOptions,
    requires=tuple(Requirement(module, INSTALL) for module in ("torch", "diffusers", "transformers", "accelerate")),
    capabilities=frozenset({Capability.NEEDS_GPU}),
    license=TERMS,
    weights=WEIGHTS,
)
