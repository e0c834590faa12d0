"""Any image-to-video route of fal.ai; by default Kling 1.6, which the paper compares with Kling 1.0."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Requirement
from nil_core.hosted import Address, HostedOptions


class FalOptions(HostedOptions):
    """Options of the generator ``fal``."""

    route: str = Field(
        "fal-ai/kling-video/v1.6/standard/image-to-video",
        pattern=r"^[\w.-]+(/[\w.-]+)+$",
        description="Path of the model's page, e.g. fal-ai/kling-video/v1/standard/image-to-video.",
    )
    input: dict[str, Any] = Field(
        default_factory=dict,
        description="Additional or replaced fields of the model's input, e.g. {cfg_scale = 0.7}.",
    )
    seconds: float | None = Field(
        None, gt=0, description="Length of the video for routes other than Kling's; default: that of the request."
    )
    base_url: Address = Field("https://queue.fal.run", description="URL of fal's queue.")


CARD = ComponentCard(
    kind="generator",
    summary="Any image-to-video route of fal.ai: Kling 1.0 and 1.6, and others. Hosted and paid.",
    target="nil_generator_fal.service:Fal",
    config=FalOptions,
    requires=(Requirement("httpx2", "pip install 'nil-core[hosted]'"),),
    capabilities=frozenset({Capability.PAID}),
    license="fal's terms of service, and the model's",
    keys=("FAL_KEY",),
    price="Kling v1 standard 0.045 USD/s (2026-08-13); other routes: see their page, and set generator.price",
)

__all__ = ["CARD", "FalOptions"]
