"""What the installed distributions declare, read from their metadata alone; and the import of what they declared.

The registry (one of N) and the hooks (everyone) both start here. Nothing is imported before :func:`load`.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from pathlib import Path
from traceback import walk_tb
from typing import Any

from nil_core.errors import ConfigError, NilError, PluginError
from nil_core.storage.os_errors import unforeseen

PREFIX = "nil."

REWARD_TERMS = "nil.reward_terms"
"""Group of single reward terms; each leads to a :class:`nil_core.reward.terms.RewardTerm`."""

OBSERVATION_TERMS = "nil.observation_terms"
"""Group of single observation terms; each leads to a :class:`nil_core.sim.observation.ObservationTerm`."""

EXECUTORS = "nil.executors"
"""Group of executors of studies; each leads to a :class:`nil_core.study.ExecutorCard`."""


@dataclass(frozen=True)
class Entry:
    """One entry point of one installed distribution.

    Attributes:
        group: e.g. ``nil.encoders``.
        name: as its author wrote it, e.g. ``sim_mask``.
        value: ``package:object``, or ``package`` alone.
        distribution: name of the distribution that declares it.
        version: of that distribution.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def key(self) -> str:
        """The name for comparisons: hyphen, dot and underscore are one, and so are upper and lower case."""
        return canonical(self.name)

    @property
    def kind(self) -> str:
        """What the group holds, in the singular: ``encoder``, ``reward term``."""
        return singular(self.group)

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} ({self.distribution} {self.version})"


def singular(group: str) -> str:
    """What a group holds: ``encoder`` for ``nil.encoders``."""
    return group.removeprefix(PREFIX).removesuffix("s").replace("_", " ")


def canonical(name: str) -> str:
    """``Sim-Mask`` and ``sim_mask`` are one name."""
    return re.sub(r"[-_.]+", "_", name).lower()


def install_command(kind: str, name: str) -> str:
    """The line that installs a plugin: from this checkout if it is one and has the plugin, or else from the index.

    Args:
        kind: ``robot``, ``tracker``, ``executor``.
        name: as on the command line.
    """
    for project in sorted(Path(__file__).parents[1].glob(f"plugins/{kind}s/*/pyproject.toml")):
        if canonical(name) in _declared_names(project):
            return f"pip install -e {shlex.quote(str(project.parent))}"
    return f"pip install nil-{kind}-{canonical(name).replace('_', '-')}"


def _declared_names(project: Path) -> set[str]:
    """The canonical names of a ``pyproject.toml``'s entry points; none of an unfinished one: a hint must not fail."""
    try:
        declared = tomllib.loads(project.read_text(encoding="utf-8"))
        return {canonical(name) for group in declared["project"]["entry-points"].values() for name in group}
    except (OSError, ValueError, KeyError):
        return set()


@cache
def entries(group: str) -> tuple[Entry, ...]:
    """Every entry point of a group, by name and then distribution. Read once per process; imports nothing."""
    found = (_described(group, each) for each in _metadata().select(group=group))
    return tuple(sorted(found, key=lambda entry: (entry.key, entry.distribution)))


def claims(group: str, name: str) -> list[Entry]:
    """Every entry point of a group with this name, however it is written; imports nothing."""
    return [entry for entry in entries(group) if entry.key == canonical(name)]


def refuse_rivals(group: str, name: str) -> None:
    """Nobody can tell which of two plugins a name means.

    Raises:
        PluginError: two or more claim it.
    """
    rivals = claims(group, name)
    if len(rivals) > 1:
        said = " and ".join(f"{entry.distribution} {entry.version} ({entry.value})" for entry in rivals)
        uninstall = " or ".join(f"pip uninstall {each}" for each in sorted({entry.distribution for entry in rivals}))
        message = f"{len(rivals)} claims on the {rivals[0].kind} name {rivals[0].name!r}: {said}"
        raise PluginError(message, uninstall)


def find(group: str, name: str, hint: str, built_in: tuple[str, ...] = ()) -> Entry:
    """The one entry point of a name; imports nothing.

    Args:
        group: of terms or executors.
        name: however it is written.
        hint: what to do if there is none.
        built_in: names of the core that are chosen in the same way, for the message.

    Raises:
        ConfigError: there is none of that name.
        PluginError: several claim it.
    """
    refuse_rivals(group, name)
    if found := claims(group, name):
        return found[0]
    known = ", ".join((*built_in, *sorted({entry.key for entry in entries(group)}))) or "none"
    raise ConfigError(f"no {singular(group)} is called {name!r}; installed: {known}", hint)


def find_reward_term(name: str) -> Entry:
    """The entry point of a third-party reward term; imports nothing. Raises as :func:`find`."""
    return find(REWARD_TERMS, name, f"leave out reward.terms.{name}")


def find_observation_term(name: str) -> Entry:
    """The entry point of a third-party observation term; imports nothing. Raises as :func:`find`."""
    hint = "leave it out of environment.observation.terms; built-in terms are switches of environment.observation"
    return find(OBSERVATION_TERMS, name, hint)


def groups() -> tuple[str, ...]:
    """Every group of entry points that is addressed to nil, known or not; imports nothing."""
    return tuple(sorted(group for group in _metadata().groups if group.startswith(PREFIX)))


def load(entry: Entry, path: str = "") -> Any:
    """Import ``package.module:object``.

    Args:
        entry: who is to blame when the import fails.
        path: what to import; the entry's own value unless given.

    Raises:
        PluginError: the import failed in whatever way, ``sys.exit`` included.
    """
    path = path or entry.value
    module, _, attribute = path.partition(":")
    with plugin_errors(entry, f"cannot load {path}"):
        target = import_module(module)
        if attribute:
            target = attrgetter(attribute)(target)
    return target


@contextmanager
def plugin_errors(entry: Entry, doing: str, hint: str = "") -> Iterator[None]:
    """Turn whatever a plugin's code raises into a one-line :class:`PluginError` that names the plugin.

    ``KeyboardInterrupt`` is the user's and a ``NilError`` is already meant for a person: both pass. A file that cannot
    be reached, read or written for a reason of the machine is no fault of the plugin: it becomes a ``MachineError``.
    So does OpenGL that does not work.

    Args:
        entry: who is to blame.
        doing: what failed.
        hint: what mends it; by default the line that installs what is missing, or the plugin anew.
    """
    try:
        yield
    except (KeyboardInterrupt, NilError):
        raise
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is not None and (explained := unforeseen(error)):
            raise explained from error
        if _raised_by_opengl(error):
            import_module("nil_core.sim")  # raises a MachineError that says why OpenGL does not work here
        raise broken(entry, f"{doing}: {reason(error)}", hint or _remedy(entry, error)) from error


def _raised_by_opengl(error: BaseException) -> bool:
    """Whether MuJoCo, dm_control or PyOpenGL raised it: they look for OpenGL while they are imported."""
    modules = (str(frame.f_globals.get("__name__")) for frame, _ in walk_tb(error.__traceback__))
    return any(module.partition(".")[0] in ("mujoco", "dm_control", "OpenGL") for module in modules)


def broken(entry: Entry, why: str, hint: str) -> PluginError:
    """The error for an entry that cannot serve."""
    return PluginError(f"{entry}: {why}", hint)


def reason(error: BaseException) -> str:
    """An exception in one line of bearable length."""
    text = one_line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def one_line(text: str, limit: int = 200) -> str:
    """Text without line breaks, cut at a bearable length."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _remedy(entry: Entry, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        if missing != entry.value.partition(":")[0].partition(".")[0]:
            return f"install what provides the module {missing}, often: pip install {missing}"
    return _reinstall(entry)


def _reinstall(entry: Entry) -> str:
    return f"pip install --upgrade --force-reinstall {entry.distribution}, or pip uninstall {entry.distribution}"


_metadata = cache(entry_points)
"""The entry points of every installed distribution; the first one of a name on ``sys.path`` counts, as for imports."""


def _described(group: str, found: EntryPoint) -> Entry:
    try:
        assert found.dist is not None
        about = found.dist.metadata
        name = about["Name"] if "Name" in about else "unknown"  # noqa: SIM401  it has no get() in its type
        version = about["Version"] if "Version" in about else "unknown"  # noqa: SIM401
    except Exception:  # a folder left half removed; the import of the plugin will say the rest
        name = version = "unknown"
    return Entry(group, found.name, found.value.partition("[")[0].strip(), name, version)
