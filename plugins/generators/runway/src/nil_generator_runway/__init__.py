"""Runway: gen4_turbo and gen4.5, and Veo through Runway."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from nil_core.api import Capability, ComponentCard, Requirement
from nil_core.hosted import Address, HostedOptions

Model = Literal["gen4_turbo", "gen4.5", "veo3.1", "veo3.1_fast"]
RATIOS = {
    "gen4": ("960:960", "1280:720", "720:1280", "1104:832", "832:1104", "1584:672"),
    "veo3": ("1280:720", "720:1280", "1920:1080", "1080:1920"),
}


def _not_gen3(model: Any) -> Any:
    if model == "gen3a_turbo":
        raise ValueError(
            "Runway took Gen-3 Alpha Turbo out of its API; gen4_turbo is the most similar model that is left"
        )
    return model


class RunwayOptions(HostedOptions):
    """Options of the generator ``runway``."""

    model: Annotated[Model, BeforeValidator(_not_gen3)] = Field(
        "gen4_turbo", description="gen4_turbo and gen4.5 make 2 to 10 s, veo3.1 and veo3.1_fast 4, 6 or 8 s."
    )
    ratio: str | None = Field(
        None, description="Width:height of the video in pixels; default 960:960, for Veo 1280:720."
    )
    base_url: Address = Field("https://api.dev.runwayml.com", description="URL of the service.")

    @model_validator(mode="after")
    def _check_ratio(self) -> RunwayOptions:
        offered = RATIOS[self.model[:4]]
        if self.ratio is not None and self.ratio not in offered:
            raise ValueError(f"{self.model} makes {', '.join(offered)}, not {self.ratio}")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; the default is a square if the model has one, so that there is no margin."""
        width, height = (self.ratio or RATIOS[self.model[:4]][0]).split(":")
        return int(width), int(height)


CARD = ComponentCard(
    kind="generator",
    summary="Runway: gen4_turbo, gen4.5, and Veo 3.1 through Runway. Hosted and paid.",
    target="nil_generator_runway.service:Runway",
    config=RunwayOptions,
    requires=(Requirement("httpx2", "pip install 'nil-core[hosted]'"),),
    capabilities=frozenset({Capability.PAID}),
    license="Runway's terms of use",
    keys=("RUNWAYML_API_SECRET",),
    price="gen4_turbo 0.05 USD/s, gen4.5 0.12, veo3.1 0.20, veo3.1_fast 0.10 (2026-08-13)",
)

__all__ = ["CARD", "RunwayOptions"]
