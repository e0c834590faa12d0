"""Options that every hosted generator has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nil_core.card import Options

Address = Annotated[str, Field(pattern=r"^(https://[^\s/]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(/\S*)?$")]
"""Where a service is: https, for a key goes there, or this machine itself."""


class HostedOptions(Options):
    """Base of a hosted generator's options; keys are never among them, see :mod:`nil_core.hosted.keys`."""

    deadline: float = Field(
        1800.0, gt=0, description="Seconds to wait for the video at most; the same command later goes on waiting."
    )
    price: float | None = Field(
        None, ge=0, description="USD per second of video, in place of the plugin's dated table, for the estimate."
    )
