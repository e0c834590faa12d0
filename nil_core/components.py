"""The components a config chooses: validated before anything heavy starts, built when needed."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from nil_core import registry, weights
from nil_core.card import KINDS, Capability, ComponentCard, Kind, Options
from nil_core.config import Component, RunConfig, with_changes
from nil_core.entry_points import Entry, canonical, find_observation_term, find_reward_term, install_command
from nil_core.errors import ConfigError, PluginError
from nil_core.plugin_source import source_hash

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chosen:
    """One component, chosen and validated, not yet imported.

    Attributes:
        kind: which registry.
        entry: which of its entry points.
        card: what is known of it.
        options: its validated options.
    """

    kind: Kind
    entry: Entry
    card: ComponentCard
    options: Options

    @property
    def name(self) -> str:
        """As its author wrote it."""
        return self.entry.name

    @property
    def distribution(self) -> str:
        """Which declares it."""
        return self.entry.distribution

    @property
    def version(self) -> str:
        """Of the distribution."""
        return self.entry.version

    def can(self, capability: Capability) -> bool:
        """Whether its card names the capability."""
        return self.card.can(capability)

    @property
    def random(self) -> bool:
        """Whether its weights are random numbers."""
        return bool(self.card.weights) and self._weights == weights.RANDOM_TINY

    def build(self, *args: Any) -> Any:
        """Import and construct it, see :func:`nil_core.registry.build`; random weights are no secret.

        Returns:
            the component behind the checks of :mod:`nil_core.plugin_outputs`.
        """
        if self.random:
            _log.warning(
                "RANDOM WEIGHTS: the %s %s is small and untrained; this run tests the machinery and says nothing else",
                self.kind,
                self.name,
            )
        from nil_core.plugin_outputs import checked  # imports numpy: not for nil --help

        component = registry.build(self.kind, self.name, self.options.model_dump(), *args)
        return checked(self.kind, component, self.entry, *args)

    def identity(self) -> dict[str, Any]:
        """What its results depend on, as JSON values: the part of a hash.

        Raises:
            DataError: its weights are not on this machine.
        """
        found = self.described() | self.source()
        if self.card.weights:
            del found["options"]["weights"]  # what they are counts, not where they lie or what they are called
            found["weights"] = self.weights_identity()
        return found

    def source(self) -> dict[str, str]:
        """``{"source": hash}`` where the version does not stand for the source, see :mod:`nil_core.plugin_source`."""
        found = source_hash(self.distribution, self.entry.value, self.card.target)
        return {"source": found} if found else {}

    def described(self) -> dict[str, Any]:
        """Who it is, how it is set and what it wraps, as JSON values."""
        described = {
            "kind": self.kind,
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "options": self.options.model_dump(mode="json"),
        }
        wrapped = [
            {
                "kind": kind,
                "name": entry.name,
                "distribution": entry.distribution,
                "version": entry.version,
                "source": source_hash(entry.distribution, entry.value, registry.card(kind, entry.name).target),
            }
            for kind, entry in self.wrapped()
        ]
        return described | ({"wraps": wrapped} if wrapped else {})

    def wrapped(self) -> tuple[tuple[Kind, Entry], ...]:
        """The components that it builds itself, see :attr:`nil_core.card.ComponentCard.wraps`.

        Raises:
            PluginError: one is not installed.
        """
        names = ((kind, getattr(self.options, option, None)) for option, kind in self.card.wraps)
        return tuple((kind, registry.find_entry(kind, name)) for kind, name in names if name)

    def weights_identity(self) -> str:
        """The fingerprint of its weights; random ones have a name instead."""
        if self.random:
            return weights.RANDOM_TINY
        return weights.fingerprint(weights.locate(self._weights, self.card.weights))

    @property
    def _weights(self) -> str:
        return str(getattr(self.options, "weights", ""))


Choice = Mapping[Kind, Chosen]

AUTOMATIC = "auto"
"""The segmenter that suits the generator: the drawn masks where it draws the scene, else the key against a background
that the first frame made plain."""


def choose(config: RunConfig) -> Choice:
    """Every component of a config, with its options checked.

    Raises:
        PluginError, ConfigError: see :func:`nil_core.registry.options`; components that cannot work together; or a
            third-party term that is not installed.
    """
    drawn = registry.card("generator", config.generator.name).can(Capability.NEEDS_SCENE)
    if config.segmenter.name == AUTOMATIC:
        found = config.segmenter.model_copy(update={"name": _automatic_segmenter(drawn)})
        config = config.model_copy(update={"segmenter": found})
    choice = {kind: _chosen(kind, getattr(config, kind)) for kind in KINDS}
    if choice["segmenter"].can(Capability.NEEDS_DRAWN_MASKS) and not drawn:
        raise ConfigError(
            f"segmenter {choice['segmenter'].name} hands on masks that a simulator drew, and generator "
            f"{choice['generator'].name} draws none",
            "--segmenter chroma keys the robot against a plain background, sam2 tracks it before any",
        )
    third_party_terms(config, choice)
    for chosen in choice.values():
        chosen.wrapped()  # raises where it is not installed
    return choice


def config_defaults(config: RunConfig) -> dict[str, tuple[Any, str]]:
    """Settings that follow from the choice of components, see :attr:`nil_core.card.ComponentCard.config_defaults`.

    Components that are missing or broken are passed over: whoever builds them says so.

    Returns:
        dotted config key to value and who says so: ``reward amp``.
    """
    found: dict[str, tuple[Any, str]] = {}
    for kind in KINDS:
        name = getattr(config, kind).name
        with suppress(PluginError):
            defaults = registry.card(kind, name).config_defaults
            found |= {key: (value, f"{kind} {name}") for key, value in defaults.items()}
    return found


def follow_components(config: RunConfig, explicit: Collection[str] | None = None) -> tuple[RunConfig, dict[str, str]]:
    """A config with the settings that follow from its components, and the origin of each of them by dotted key.

    Args:
        config: of a run.
        explicit: dotted keys that somebody has set, which stay; None: those that the config was made with.
    """
    explicit = _keys_set(config) if explicit is None else explicit
    following = {key: value for key, value in config_defaults(config).items() if key not in explicit}
    if not following:
        return config, {}
    changed = with_changes(config, {key: value for key, (value, _) in following.items()})
    return changed, {key: origin for key, (_, origin) in following.items()}


def _keys_set(section: BaseModel, prefix: str = "") -> set[str]:
    """Dotted keys of all values that a config was made with; the others are defaults."""
    keys = set()
    for key in section.model_fields_set:
        value = getattr(section, key)
        keys |= _keys_set(value, f"{prefix}{key}.") if isinstance(value, BaseModel) else {prefix + key}
    return keys


def build(kind: Kind, name: str, options: Mapping[str, Any] | None = None, *args: Any) -> Any:
    """Another plugin's component, for one that wraps it.

    Args:
        kind: which registry.
        name: as on the command line.
        options: its own options by name; what is missing takes its default.
        args: what its kind is built with: an ``AgentSpec`` for an agent, a ``RewardSpec`` for a reward.

    Returns:
        the component; what it gives is checked, and errors name it.

    Raises:
        ConfigError, PluginError, NilError: as :func:`nil_core.registry.build`.
    """
    return _chosen(kind, Component(name=name, **(options or {}))).build(*args)


def _automatic_segmenter(drawn: bool) -> str:
    """The first installed segmenter that suits the generator.

    Raises:
        PluginError: none does.
    """
    wanted = Capability.NEEDS_DRAWN_MASKS if drawn else Capability.PLAIN_BACKGROUND
    for finding in registry.check_all("segmenter"):
        if finding.card is not None and finding.card.can(wanted):
            return finding.entry.name
    usual = "sim-mask" if drawn else "chroma"
    raise PluginError(f"no installed segmenter has the capability {wanted}", install_command("segmenter", usual))


def third_party_terms(config: RunConfig, choice: Choice) -> tuple[Entry, ...]:
    """The terms of other distributions that a config names, of the observation and of the reward; imports nothing.

    Raises:
        ConfigError: one that is not installed.
    """
    reward = choice["reward"]
    weights_by_name = getattr(reward.options, "terms", {}) if canonical(reward.name) == "imitation" else {}
    observed = config.environment.observation.terms
    return (*map(find_reward_term, weights_by_name), *map(find_observation_term, observed))


def _chosen(kind: Kind, component: Component) -> Chosen:
    card = registry.card(kind, component.name)
    options = registry.options(kind, component.name, component.options)
    return Chosen(kind, registry.find_entry(kind, component.name), card, options)
