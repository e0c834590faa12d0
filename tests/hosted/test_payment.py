"""Nothing is paid without consent."""

from __future__ import annotations

import pytest

from nil_core.errors import ConfigError
from nil_core.payment import Estimate, agree, asking, refuse

ESTIMATE = Estimate(0.2, "toy m, 5 s")


def test_without_a_person_to_ask_it_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        refuse(ESTIMATE)
    assert "0.20 USD" in error.value.message and "--yes" in error.value.hint and error.value.exit_code == 2


def test_consent_given_beforehand_raises_nothing() -> None:
    agree(ESTIMATE)


def test_the_question_shows_the_price() -> None:
    questions: list[str] = []
    asking(lambda question: bool(questions.append(question)) or True)(ESTIMATE)
    assert "0.20 USD for toy m, 5 s" in questions[0]
    with pytest.raises(ConfigError, match="nothing was paid"):
        asking(lambda question: False)(ESTIMATE)


def test_paid_already_is_not_the_same_as_unknown_price() -> None:
    assert Estimate(0.0, "x").paid and not Estimate(None, "x").paid and not ESTIMATE.paid
