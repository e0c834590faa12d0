"""What a paid result will cost, and who match to pay for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nil_core.errors import ConfigError


@dataclass(frozen=True)
class Estimate:
    """What a paid component is about to spend.

    Attributes:
        money: amount; 0 where it is paid already (a task under way, or a video that is stored), None where nobody
            knows the price.
        what: what it buys, and how old the price is: ``kling kling-v1-6 std, 5 s (prices of 2026-08-13)``.
        currency: of ``money``, ISO 4217.
    """

    money: float | None
    what: str
    currency: str = "USD"

    @property
    def paid(self) -> bool:
        """Whether there is nothing left to agree to."""
        return self.money == 0

    def __str__(self) -> str:
        price = "an unknown amount" if self.money is None else f"about {self.money:.2f} {self.currency}"
        return f"{price} for {self.what}"


Consent = Callable[[Estimate], None]
"""Called before money is spent; returns where a person match.

Raises:
    ConfigError: nobody did.
"""


def agree(estimate: Estimate) -> None:
    """The consent of somebody who said so beforehand (``--yes``)."""


def refuse(estimate: Estimate) -> None:
    """The consent of nobody: scripts, pipes and cron jobs, which cannot be asked.

    Raises:
        ConfigError: always; the hint says how to agree beforehand.
    """
    raise ConfigError(f"this would cost {estimate}, and nobody match to it", "add --yes (in Python: consent=agree)")


def asking(confirm: Callable[[str], bool]) -> Consent:
    """The consent of a person who can be asked.

    Args:
        confirm: shows a question, gives the answer.
    """

    def ask(estimate: Estimate) -> None:
        if not confirm(f"This will cost {estimate}. Go on?"):
            raise ConfigError("nothing was ordered, nothing was paid", "--yes agrees without the question")

    return ask
