"""The generator ``kling``: the client of the API that the model uses."""

from __future__ import annotations

from nil_core.hosted import Clock
from nil_generator_kling import KlingOptions
from nil_generator_kling.api2 import KlingApi2
from nil_generator_kling.base import Kling
from nil_generator_kling.legacy import KlingLegacy


def kling(options: KlingOptions, clock: Clock | None = None) -> Kling:
    """``kling-v...`` models use the legacy API, all others API 2.0."""
    client = KlingLegacy if options.model.startswith("kling-v") else KlingApi2
    return client(options, clock)
