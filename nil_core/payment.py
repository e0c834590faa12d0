"""The cost of a paid result, and the consent to pay it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nil_core.errors import ConfigError


@dataclass(frozen=True)
class Estimate:
    """What a paid component would spend.

    Attributes:
        amount: in ``currency``; 0 if it is paid already (a running task or a stored video), None if the price is
            unknown.
        what: what it buys, and the date of the price: ``kling kling-v1-6 std, 5 s (prices of 2026-08-13)``.
        currency: ISO 4217.
    """

    amount: float | None
    what: str
    currency: str = "USD"

    @property
    def paid(self) -> bool:
        """Whether nothing is left to pay."""
        return self.amount == 0

    def __str__(self) -> str:
        price = "an unknown amount" if self.amount is None else f"about {self.amount:.2f} {self.currency}"
        return f"{price} for {self.what}"


Consent = Callable[[Estimate], None]
"""Called before money is spent; returns if a person agreed.

Raises:
    ConfigError: nobody agreed.
"""


def agree(estimate: Estimate) -> None:
    """Consent that was given beforehand (``--yes``)."""


def refuse(estimate: Estimate) -> None:
    """No consent: for scripts, pipes and cron jobs, where nobody can be asked.

    Raises:
        ConfigError: always; the hint says how to agree beforehand.
    """
    raise ConfigError(f"this would cost {estimate}, and nobody agreed to it", "add --yes (in Python: consent=agree)")


def asking(confirm: Callable[[str], bool]) -> Consent:
    """Consent by asking a person.

    Args:
        confirm: shows a question, returns the answer.
    """

    def ask(estimate: Estimate) -> None:
        if not confirm(f"This will cost {estimate}. Go on?"):
            raise ConfigError("nothing was ordered, nothing was paid", "--yes agrees without the question")

    return ask
