"""The protocol of OpenAI's Sora at the URL of another service; OpenAI's own service has ended."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nil_core.api import Capability, ComponentCard, Requirement
from nil_core.hosted import Address, HostedOptions

Size = Literal["1280x720", "720x1280", "1792x1024", "1024x1792"]


class SoraOptions(HostedOptions):
    """Options of the generator ``sora``."""

    base_url: Address | None = Field(
        None, description="A service with the endpoint /videos, e.g. https://gateway.example/v1. Required."
    )
    model: str = Field(
        "sora-2", min_length=1, description="Name of the model at the service: sora-2, sora-2-pro, or its own."
    )
    size: Size = Field("1280x720", description="Width x height in pixels; the two large ones need sora-2-pro.")


CARD = ComponentCard(
    kind="generator",
    summary="The protocol of OpenAI's Sora at a URL of your choice; OpenAI's own service has ended. Paid.",
    target="nil_generator_sora.service:Sora",
    config=SoraOptions,
    requires=(Requirement("httpx2", "pip install 'nil-core[hosted]'"),),
    capabilities=frozenset({Capability.PAID}),
    license="the terms of the service behind generator.base_url",
    keys=("SORA_API_KEY",),
    price="that of the service behind generator.base_url; set generator.price (OpenAI's sora-2 was 0.10 USD/s)",
)

__all__ = ["CARD", "SoraOptions"]
