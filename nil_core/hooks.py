"""Telling everyone: events of a run, for trackers, viewers and uploaders; and extra commands.

A hook is an object with any of the methods of :class:`HookSpecs`, marked with pluggy's marker for the project ``nil``
and named in the entry-point group ``nil.hooks``. Every installed hook is called in every run; one that sends data to
others should do so only where ``config["track"]`` names it. A method may leave out arguments it does not need. A
whole tracker::

    # src/my_tracker/__init__.py
    import pluggy

    hookimpl = pluggy.HookimplMarker("nil")

    class Tracker:
        @hookimpl
        def run_started(self, folder):
            from torch.utils.tensorboard import SummaryWriter  # heavy imports belong into the events

            self.writer = SummaryWriter(folder / "tensorboard")

        @hookimpl
        def metrics(self, step, values):
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)

        @hookimpl
        def run_finished(self):
            self.writer.close()

    # pyproject.toml
    [project.entry-points."nil.hooks"]
    my-tracker = "my_tracker:Tracker"

The entry point names a class, which is constructed without arguments, or a ready object, or a module of functions.
Hooks run in the main process, between two steps of the loop: be quick. A hook that raises is switched off with one
warning, and the run goes on without it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from nil_core.entry_points import Entry, broken, entries, install_command, load, plugin_errors, reason
from nil_core.errors import ConfigError

if TYPE_CHECKING:
    import typer

    from nil_core.types import Reference

GROUP = "nil.hooks"
PROJECT = "nil"

_spec = pluggy.HookspecMarker(PROJECT)
_log = logging.getLogger("nil.hooks")


class HookSpecs:
    """The events, in the order of a run. Return values are ignored, but for :meth:`commands`.

    Arrays and mappings are the run's own: read them, never write to them.
    """

    @_spec
    def run_started(self, folder: Path, config: Mapping[str, Any]) -> None:
        """A run has its folder and is about to learn, for the first time or after ``--resume``.

        Args:
            folder: the run's folder; a hook may add files of its own under a folder of its own.
            config: the resolved configuration, JSON values only, nested by section.
        """

    @_spec
    def reference_ready(self, folder: Path, reference: Reference) -> None:
        """The video to imitate: newly generated, from the cache, or an earlier run's.

        Args:
            folder: the run's folder.
            reference: its frames, masks and embeddings at the tick rate.
        """

    @_spec
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """A row of ``metrics.jsonl`` was written.

        Args:
            step: environment steps so far, over all environments; never falls from call to call.
            values: name to number, means since the last row, e.g. ``{"reward": 0.36, "iou": 0.5}``; of an evaluation
                ``{"eval.return": 31.2, ...}``. Not every row has all names.
        """

    @_spec
    def video_written(self, path: Path, kind: str) -> None:
        """A video is complete on disk.

        Args:
            path: an mp4 inside the run's folder.
            kind: what it shows: ``reference``, or ``comparison`` (reference and rollout, and their masks).
        """

    @_spec
    def checkpoint_saved(self, folder: Path, step: int) -> None:
        """A checkpoint is complete on disk and may be copied; a later one may replace it.

        Args:
            folder: the checkpoint's own folder.
            step: environment steps so far.
        """

    @_spec
    def run_finished(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """The run ended, also when it was interrupted or failed.

        Args:
            folder: the run's folder.
            summary: what ``summary.json`` holds, JSON values only. If it did not get to its end, all it holds is
                ``{"finished": False, "state": "interrupted"}``, or the state ``failed``.
        """

    @_spec
    def commands(self) -> list[tuple[str, typer.Typer]]:  # type: ignore[empty-body]
        """Extra commands. The entry points ``nil.commands`` serve better: they stand in ``nil --help``, and no hook is
        imported for it. This is asked only for a command that nobody else has.

        Returns:
            name and typer application of each, e.g. ``[("upload", app)]`` for ``nil upload``.
        """


def check_hook(entry: Entry) -> None:
    """Import a hook, construct it, and see whether it would be told anything.

    Raises:
        PluginError: it cannot be imported, constructed or registered, or listens to no event.
    """
    plugin = load(entry)
    with plugin_errors(entry, "it cannot be constructed"):
        hook = plugin() if isinstance(plugin, type) else plugin
    with plugin_errors(entry, "it cannot be registered"):
        manager = _managed(hook, str(entry))
    if not manager.get_hookcallers(hook):
        why = "none of its methods is marked with pluggy.HookimplMarker('nil')"
        raise broken(entry, why, f"report it to the author of {entry.distribution}")


def _managed(plugin: object, name: str) -> pluggy.PluginManager:
    """A manager of one hook."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    manager.register(plugin, name)
    manager.check_pending()  # a misspelled event would otherwise never be called, in silence
    return manager


class Hooks:
    """The hooks of this process. A hook that raises is switched off with one warning."""

    def __init__(self) -> None:
        self._managers: dict[str, pluggy.PluginManager] = {}  # one a hook: what one raises cannot stop the next
        self._names: dict[str, str] = {}  # of those installed: short, as ``track`` has them

    @classmethod
    def load(cls) -> Hooks:
        """Every installed hook that can be imported and constructed; the others get their warning."""
        hooks = cls()
        for entry in entries(GROUP):
            with hooks._guarding(str(entry)):
                plugin = load(entry)
                hooks.register(plugin() if isinstance(plugin, type) else plugin, str(entry))
                hooks._names[str(entry)] = entry.name
        return hooks

    def require(self, names: Iterable[str]) -> None:
        """Refuse names that nobody listens to: a run should not turn out untracked when it is over.

        Raises:
            ConfigError: no hook of such a name is installed, or it could not be loaded.
        """
        known = [self._names.get(label, label) for label in self._managers]
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"there is no tracker {name!r}",
                    f"{install_command('tracker', name)}; installed: {', '.join(known) or 'none'}",
                )

    def register(self, plugin: object, name: str) -> None:
        """Add a hook by hand, e.g. in a notebook; a second one of the same name replaces the first.

        Args:
            plugin: an object or module with marked functions.
            name: how warnings call it.
        """
        with self._guarding(name):
            self._managers[name] = _managed(plugin, name)

    def fire(self, event: str, **arguments: Any) -> list[Any]:
        """Tell every hook, in the order of registration.

        Args:
            event: name of a method of :class:`HookSpecs`.
            arguments: all of its arguments.

        Returns:
            what the hooks returned, without ``None``.
        """
        results: list[Any] = []
        for name, manager in list(self._managers.items()):
            caller = getattr(manager.hook, event)
            with self._guarding(name):
                results += caller(**arguments)
        return results

    @contextmanager
    def _guarding(self, name: str) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._managers.pop(name, None)
            _log.warning("%s is switched off: %s", name, reason(error))
