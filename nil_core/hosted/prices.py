"""Prices as data: a table with a date, which an option replaces."""

from __future__ import annotations

from nil_core.payment import Estimate


def estimate(what: str, seconds: float, per_second: float | None, dated: str, option: float | None) -> Estimate:
    """What a video costs.

    Args:
        what: generator and model.
        seconds: that are ordered.
        per_second: USD, from the plugin's table; None where it has no price.
        dated: when the table was right.
        option: :attr:`nil_core.hosted.HostedOptions.price`.
    """
    if option is not None:
        return Estimate(round(option * seconds, 4), f"{what}, {seconds:g} s (price from generator.price)")
    if per_second is None:
        return Estimate(None, f"{what}, {seconds:g} s (generator.price tells a price)")
    return Estimate(round(per_second * seconds, 4), f"{what}, {seconds:g} s (prices of {dated})")
