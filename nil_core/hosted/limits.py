"""Limits of a service, checked before anything is paid."""

from __future__ import annotations

from collections.abc import Sequence

from nil_core.errors import ConfigError


def choose_seconds(model: str, offered: Sequence[int], requested: float) -> int:
    """The shortest offered length that is at least the requested one, s.

    Raises:
        ConfigError: none is long enough.
    """
    for seconds in sorted(offered):
        if seconds >= requested - 1e-6:
            return seconds
    lengths = ", ".join(map(str, sorted(offered)))
    raise ConfigError(f"{model} makes {lengths} s, not {requested:g} s", f"--set video.seconds={max(offered)}")


def checked_prompt(text: str, limit: int, what: str) -> str:
    """The prompt, if it is not too long.

    Args:
        text: the prompt.
        limit: UTF-16 units, as most services count.
        what: the generator, for the message.

    Raises:
        ConfigError: it is too long.
    """
    length = len(text.encode("utf-16-le")) // 2
    if length > limit:
        raise ConfigError(f"{what} takes {limit} characters of prompt, this one has {length}", "make it shorter")
    return text
