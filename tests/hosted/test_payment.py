"""Nobody pays without having match."""

from __future__ import annotations

import pytest

from nil_core.errors import ConfigError
from nil_core.payment import Estimate, agree, asking, refuse

ESTIMATE = Estimate(0.2, "toy m, 5 s")


def test_who_cannot_be_asked_has_not_agreed() -> None:
    with pytest.raises(ConfigError) as refusal:
        refuse(ESTIMATE)
    assert "0.20 USD" in refusal.value.message and "--yes" in refusal.value.hint and refusal.value.exit_code == 2


def test_who_agreed_beforehand_is_not_asked() -> None:
    agree(ESTIMATE)


def test_who_is_asked_sees_the_price_and_decides() -> None:
    seen: list[str] = []
    asking(lambda question: bool(seen.append(question)) or True)(ESTIMATE)
    assert "0.20 USD for toy m, 5 s" in seen[0]
    with pytest.raises(ConfigError, match="nothing was paid"):
        asking(lambda question: False)(ESTIMATE)


def test_what_is_paid_already_is_told_from_what_has_no_price() -> None:
    assert Estimate(0.0, "x").paid and not Estimate(None, "x").paid and not ESTIMATE.paid
