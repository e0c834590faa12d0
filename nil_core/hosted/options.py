"""Options of every hosted generator."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from nil_core.card import Options

_ADDRESS = r"(https://[^\s/]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(/\S*)?"


def is_address(text: str) -> bool:
    """Whether a text is an :data:`Address`."""
    return re.fullmatch(_ADDRESS, text) is not None


def _checked(text: str) -> str:
    if not is_address(text):
        raise ValueError(
            "an address starts with https://, as in https://HOST or https://HOST/PATH; "
            "http:// is for this machine alone, as in http://127.0.0.1:8000"
        )
    return text


Address = Annotated[str, AfterValidator(_checked)]
"""URL of a service: https, because a key is sent there, or this machine."""


class HostedOptions(Options):
    """Base class of a hosted generator's options. Keys are not options, see :mod:`nil_core.hosted.keys`."""

    deadline: float = Field(
        1800.0, gt=0, description="Maximum seconds to wait for the video; the same command later goes on waiting."
    )
    price: float | None = Field(
        None, ge=0, description="USD per second of video for the estimate; replaces the plugin's dated price table."
    )
