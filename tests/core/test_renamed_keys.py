"""Keys of earlier versions get an error that names the new key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
from pydantic import Field, PositiveInt, ValidationError

from nil_core import registry
from nil_core.card import Options
from nil_core.config import Section, explain
from nil_core.errors import ConfigError
from nil_core.renamed_keys import renamed_key_error


class Optimizer(Section):
    RENAMED: ClassVar[Mapping[str, str]] = {"rate": "learning_rate"}
    learning_rate: float = 0.1


class Root(Section):
    RENAMED: ClassVar[Mapping[str, str]] = {"optimizer.clip": "losses.clip", "old_table": "losses"}
    optimizer: Optimizer = Optimizer()
    losses: Section = Section()


@pytest.mark.parametrize(
    ("tree", "message", "hint"),
    [
        (
            {"optimizer": {"rate": 1.0}},
            "optimizer.rate is now optimizer.learning_rate",
            "--set optimizer.learning_rate=1.0",
        ),
        ({"optimizer": {"clip": 2}}, "optimizer.clip is now losses.clip", "--set losses.clip=2"),
        ({"old_table": {"x": 1}}, "old_table is now losses", "rename the table to [losses]"),
        ({"unknown": 1, "optimizer": {"learning_rate": "high", "rate": 1}}, "optimizer.rate is now", "--set"),
    ],
)
def test_the_error_names_the_new_key(tree: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Root.model_validate(tree)
    error = explain(caught.value, Root)
    assert isinstance(error, ConfigError) and error.exit_code == 2
    assert error.message.startswith(message) and error.hint.startswith(hint)


def test_other_unknown_keys_are_not_renamed() -> None:
    with pytest.raises(ValidationError) as caught:
        Root.model_validate({"optimizer": {"rat": 1}, "rate": 2})
    assert renamed_key_error(caught.value, Root) is None


def test_a_renamed_option_comes_before_a_missing_one() -> None:
    class Required(Options):
        RENAMED: ClassVar[Mapping[str, str]] = {"old": "new"}
        new: PositiveInt = Field(description="required")

    with pytest.raises(ValidationError) as caught:
        Required.model_validate({"old": 3})
    error = renamed_key_error(caught.value, Required, "agent.")
    assert error is not None and (error.message, error.hint) == ("agent.old is now agent.new", "--set agent.new=3")


@pytest.mark.parametrize("agent", ["sac", "bro", "bro-fast"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("batch", "batch_size"),
        ("capacity", "buffer_size"),
        ("discount", "gamma"),
        ("target_rate", "tau"),
        ("warmup", "learning_starts"),
    ],
)
def test_the_agents_options_of_version_0_1(agent: str, old: str, new: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.options("agent", agent, {old: 1})
    assert (caught.value.message, caught.value.hint) == (f"agent.{old} is now agent.{new}", f"--set agent.{new}=1")
