"""Pika through fal.ai: its own API is open to partners only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nil_core.api import Capability, ComponentCard, Requirement
from nil_core.hosted import Address, HostedOptions


class PikaOptions(HostedOptions):
    """Options of the generator ``pika``."""

    model: Literal["turbo", "2.1", "2.2"] = Field("2.2", description="turbo is 2.0 turbo; 2.2 makes 10 s too.")
    resolution: Literal["720p", "1080p"] = Field("720p", description="turbo makes 720p only.")
    base_url: Address = Field("https://queue.fal.run", description="URL of fal's queue.")

    @model_validator(mode="after")
    def _check_resolution(self) -> PikaOptions:
        if self.model == "turbo" and self.resolution != "720p":
            raise ValueError("turbo makes 720p only; 2.1 and 2.2 make 1080p")
        return self


CARD = ComponentCard(
    kind="generator",
    summary="Pika 2.0 turbo, 2.1 and 2.2, through fal.ai. Hosted and paid.",
    target="nil_generator_pika.service:Pika",
    config=PikaOptions,
    requires=(Requirement("httpx2", "pip install 'nil-core[hosted]'"),),
    capabilities=frozenset({Capability.PAID}),
    license="Pika's and fal's terms of service",
    keys=("FAL_KEY",),
    price="5 s: turbo 0.20 USD, 2.1 0.40, 2.2 0.20 in 720p and 0.45 in 1080p (2026-08-13)",
)

__all__ = ["CARD", "PikaOptions"]
