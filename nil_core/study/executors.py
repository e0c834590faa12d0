"""Where jobs run: executors, offered by installed distributions as entry points of the group ``nil.executors``.

An entry point leads to an :class:`ExecutorCard`::

    [project.entry-points."nil.executors"]
    ray = "nil_executor_ray:CARD"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from nil_core import entry_points, registry
from nil_core.card import Options, Requirement
from nil_core.config import explain
from nil_core.entry_points import EXECUTORS, Entry, broken, install_command, load, plugin_errors
from nil_core.errors import ConfigError
from nil_core.study.jobs import Job, Outcome

LOCAL = "local"


class Handle(Protocol):
    """A submitted job."""

    def poll(self) -> Outcome | None:
        """The outcome, None while the job waits or runs. Returns at once; called a few times a second."""
        ...

    def stop(self) -> None:
        """Ask the job to save and end, or not to start; its outcome is then ``interrupted``."""
        ...

    def kill(self) -> None:
        """End the job at once; :meth:`poll` is not called again."""
        ...


class Executor(Protocol):
    """Runs jobs, usually by calling :func:`nil_core.study.process.run_job` somewhere.

    Attributes:
        slots: jobs that may be submitted at once; the study keeps others waiting.
    """

    slots: int

    def submit(self, job: Job) -> Handle:
        """Start a job, or queue it. Runs and references appear in the folder ``job.study``, sent back if necessary.

        Raises:
            MachineError: nothing can be started any more.
        """
        ...

    def close(self) -> None:
        """Release what the executor holds; no job is running."""
        ...


@dataclass(frozen=True)
class ExecutorCard:
    """What is known of an executor before it is imported.

    Attributes:
        summary: one sentence.
        target: ``package.module:Class``; called with validated options, raises a ``NilError`` if there is no cluster.
        config: its options.
        requires: modules that it needs, and how to install them.
    """

    summary: str
    target: str
    config: type[Options] = Options
    requires: Sequence[Requirement] = field(default_factory=tuple)


def names() -> tuple[str, ...]:
    """Installed executors; imports nothing."""
    return tuple(entry.name for entry in entry_points.entries(EXECUTORS))


def build(name: str, options: Mapping[str, Any] | None = None) -> Executor:
    """Make an executor.

    Args:
        name: as on the command line.
        options: its own options.

    Raises:
        ConfigError: there is none of that name, or an option that does not fit.
        PluginError: several claim the name, it is broken, or what it needs is not installed.
        MachineError: there is no cluster.
    """
    install = f"{install_command('executor', name)}, if it is one"
    entry = entry_points.find(EXECUTORS, name, install, built_in=(LOCAL,))
    card = load_card(entry)
    try:
        validated = card.config.model_validate(dict(options or {}))
    except ValidationError as error:
        message = explain(error, card.config, "option").message
        keys = ", ".join(card.config.model_fields) or "none"
        raise ConfigError(f"executor {name}: {message}", f"its options (--executor-set): {keys}") from None
    target = registry.load_target(entry, card.target, card.requires)
    with plugin_errors(entry, "it cannot start"):
        executor: Executor = target(validated)
    return executor


def load_card(entry: Entry) -> ExecutorCard:
    """The card behind an entry point.

    Raises:
        PluginError: it cannot be imported, or is no card.
    """
    card = load(entry)
    if not isinstance(card, ExecutorCard):
        why = f"{entry.value} is no ExecutorCard but of type {type(card).__name__}"
        raise broken(entry, why, f"report it to the author of {entry.distribution}")
    return card


__all__ = ["LOCAL", "Executor", "ExecutorCard", "Handle", "build", "load_card", "names"]
