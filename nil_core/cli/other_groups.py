"""Entry points that are no component of a kind: hooks, commands, single terms, and groups that nil does not know."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from nil_core import entry_points, registry
from nil_core.card import KINDS
from nil_core.cli import extra_commands
from nil_core.entry_points import EXECUTORS, OBSERVATION_TERMS, PREFIX, REWARD_TERMS, Entry, broken, canonical, load
from nil_core.hooks import GROUP as HOOKS
from nil_core.hooks import check_hook


def entries() -> list[Entry]:
    """All of them, by group and name; imports nothing."""
    kinds = {registry.group(kind) for kind in KINDS}
    return [entry for group in entry_points.groups() if group not in kinds for entry in entry_points.entries(group)]


def note(entry: Entry) -> str:
    """What can be said against an entry without importing it."""
    if entry.group not in _CHECKS:
        return f"nil has no group {entry.group!r}{_likely(entry.group)}"
    claims = entry_points.claims(entry.group, entry.name)
    return "claimed twice" if len(claims) > 1 and entry.group != HOOKS else ""


def check(entry: Entry, ours: Collection[str]) -> None:
    """Import an entry, and see whether it is what its group is for.

    Args:
        entry: of any group.
        ours: names of our own commands.

    Raises:
        PluginError: it is not, or nil has no such group.
    """
    if why := note(entry):
        raise broken(entry, why, f"report it to the author of {entry.distribution}")
    if entry.group == extra_commands.GROUP and (why := extra_commands.refusal(entry.name, ours)):
        raise broken(entry, why, f"report it to the author of {entry.distribution}")
    _CHECKS[entry.group](entry)


def check_contract(entry: Entry, ours: Collection[str]) -> None:
    """As :func:`check`, and what it gives.

    Raises:
        AssertionError: a promise that is broken.
        PluginError: as :func:`check`.
    """
    check(entry, ours)
    if entry.group == REWARD_TERMS:
        from nil_core.testing.rewards import check_reward_term

        check_reward_term(load(entry))
    if entry.group == OBSERVATION_TERMS:
        from nil_core.testing.observations import check_observation_term

        check_observation_term(entry.name)


def _check_reward_term(entry: Entry) -> None:
    from nil_core.reward.terms import load_term

    load_term(entry)


def _check_observation_term(entry: Entry) -> None:
    from nil_core.sim.observation import third_party_term

    third_party_term(entry.name)


def _check_executor(entry: Entry) -> None:
    from nil_core.study.executors import load_card

    load_card(entry)  # not its target: libraries of clusters, Ray among them, take over the standard streams


_CHECKS: Mapping[str, Callable[[Entry], Any]] = {
    HOOKS: check_hook,
    extra_commands.GROUP: extra_commands.load_command,
    REWARD_TERMS: _check_reward_term,
    OBSERVATION_TERMS: _check_observation_term,
    EXECUTORS: _check_executor,
}


def _likely(group: str) -> str:
    known = [*map(registry.group, KINDS), *_CHECKS]
    likely = registry.nearest(group, {canonical(each): each for each in known})
    return f": did its author mean {likely!r}?" if likely.startswith(PREFIX) else ""
