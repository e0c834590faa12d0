"""Kling AI: the paper's Kling v1.0 and v1.6, and later models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nil_core.api import Capability, ComponentCard, Requirement
from nil_core.hosted import Address, HostedOptions

Model = Literal[
    "kling-v1",
    "kling-v1-5",
    "kling-v1-6",
    "kling-v2-master",
    "kling-v2-1",
    "kling-v2-1-master",
    "kling-v2-5-turbo",
    "kling-v2-6",
    "kling-v3",
    "kling-2.5-turbo",
    "kling-2.6",
    "kling-3.0",
    "kling-3.0-turbo",
]


class KlingOptions(HostedOptions):
    """Options of the generator ``kling``."""

    model: Model = Field(
        "kling-v1-6",
        description="kling-v... use the legacy API (access and secret key), others API 2.0 (API key).",
    )
    mode: Literal["std", "pro"] = Field("std", description="std: 720p; pro: 1080p. The masters are pro only.")
    cfg_scale: float | None = Field(
        None, ge=0, le=1, description="How closely v1, v1-5 and v1-6 follow the prompt; the service's default is 0.5."
    )
    base_url: Address = Field(
        "https://api-singapore.klingai.com", description="Keys belong to one region; China: api-beijing.klingai.com."
    )

    @model_validator(mode="after")
    def _fits_the_model(self) -> KlingOptions:
        if self.model.endswith("-master") and self.mode != "pro":
            raise ValueError(f"{self.model} has the mode pro only")
        if self.cfg_scale is not None and not self.model.startswith("kling-v1"):
            raise ValueError(f"{self.model} takes no cfg_scale; kling-v1, kling-v1-5 and kling-v1-6 do")
        return self


CARD = ComponentCard(
    kind="generator",
    summary="Kling AI: v1 and v1.6 as in the paper, to 3.0. Hosted and paid.",
    target="nil_generator_kling.service:kling",
    config=KlingOptions,
    requires=(Requirement("jwt", "pip install pyjwt"), Requirement("httpx2", "pip install 'nil-core[hosted]'")),
    capabilities=frozenset({Capability.PAID}),
    license="Kling AI's terms of service",
    keys=("KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_API_KEY"),
    price="v1 0.028 USD/s std, 0.098 pro; v1-6 0.056 and 0.098; 2.0-master 0.28; 2.5, 2.6 0.042 and 0.07 (2026-08-13)",
)

__all__ = ["CARD", "KlingOptions"]
