"""The contract of an installed component, checked through its entry point: ``nil plugins check --contract``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nil_core import registry
from nil_core.card import Capability, ComponentCard, Kind, Options
from nil_core.errors import ConfigError
from nil_core.testing.agents import check_agent, check_network
from nil_core.testing.cards import check_card, check_light
from nil_core.testing.quadruped import toy_request
from nil_core.testing.rewards import check_reward
from nil_core.testing.robots import check_robot
from nil_core.testing.videos import check_encoder, check_generator, check_segmenter


def check_contract(kind: Kind, name: str, values: Mapping[str, Any]) -> str:
    """Check card, light import, options and, where that needs neither network nor money, what the component gives.

    Args:
        kind: which registry.
        name: which component.
        values: its options. With some, a component that is not offline is built too, e.g. on weights that are here.

    Returns:
        why nothing was built; empty if all was checked.

    Raises:
        AssertionError: a promise that is broken.
        PluginError: the entry point, the group or the target leads to something else.
        ConfigError: ``values`` do not fit.
    """
    card = registry.card(kind, name)
    check_card(card)
    check_light(registry.find_entry(kind, name).value.partition(":")[0])
    try:
        options = registry.options(kind, name, values)
    except ConfigError as error:
        if values:
            raise
        return f"not built: {error.message}; --set gives it"
    check_options(options)
    if card.can(Capability.PAID):
        return "not built: it costs money"
    if not (card.can(Capability.OFFLINE) or values):
        return "not built: it is not offline; --set, e.g. of weights that are here, builds it"
    _check_outputs(kind, name, values, card)
    return ""


def check_options(options: Options) -> None:
    """Whether options are the same after a round trip through JSON, as they go into manifests and checkpoints.

    Raises:
        AssertionError: they are not.
    """
    again = type(options).model_validate_json(options.model_dump_json())
    assert again == options, f"options survive JSON: {options!r} came back as {again!r}"


def _check_outputs(kind: Kind, name: str, values: Mapping[str, Any], card: ComponentCard) -> None:
    def make(*args: Any) -> Any:
        return registry.build(kind, name, values, *args)

    match kind:
        case "generator":
            check_generator(make(), toy_request())
        case "segmenter":
            check_segmenter(make())
        case "encoder":
            check_encoder(make(), card)
        case "robot":
            check_robot(make())
        case "reward":
            check_reward(make)
        case "agent":
            check_agent(make, exact=not card.can(Capability.INEXACT_RESUME))
            if card.can(Capability.EXPORTS):
                check_network(make)
