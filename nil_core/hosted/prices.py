"""The estimated price of a video: from a dated table, or from the option ``price``."""

from __future__ import annotations

from nil_core.payment import Estimate


def price_estimate(
    what: str, seconds: float, per_second: float | None, price_date: str, option: float | None
) -> Estimate:
    """What a video costs.

    Args:
        what: generator and model.
        seconds: length that is ordered.
        per_second: USD, from the plugin's table; None if the table has no price.
        price_date: date of the table.
        option: :attr:`nil_core.hosted.HostedOptions.price`.
    """
    if option is not None:
        return Estimate(round(option * seconds, 4), f"{what}, {seconds:g} s (price from generator.price)")
    if per_second is None:
        return Estimate(None, f"{what}, {seconds:g} s (set generator.price to have an estimate)")
    return Estimate(round(per_second * seconds, 4), f"{what}, {seconds:g} s (prices of {price_date})")
