"""What a service takes, checked before anything is paid."""

from __future__ import annotations

from collections.abc import Sequence

from nil_core.errors import ConfigError


def ordered_seconds(model: str, on_sale: Sequence[int], wished: float) -> int:
    """The shortest length on sale that covers what is wished, s.

    Raises:
        ConfigError: none is long enough.
    """
    for seconds in sorted(on_sale):
        if seconds >= wished - 1e-6:
            return seconds
    lengths = ", ".join(map(str, sorted(on_sale)))
    raise ConfigError(f"{model} makes {lengths} s, not {wished:g} s", f"--set video.seconds={max(on_sale)}")


def fitting_text(text: str, limit: int, what: str) -> str:
    """A prompt that is not too long.

    Args:
        text: the prompt.
        limit: UTF-16 units, as most services count.
        what: whose.

    Raises:
        ConfigError: it is.
    """
    length = len(text.encode("utf-16-le")) // 2
    if length > limit:
        raise ConfigError(f"{what} takes {limit} characters of prompt, this one has {length}", "make it shorter")
    return text
