"""The demonstrations of a run, copied into its folder, so that the folder is all that a resumed run needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nil_core.card import Kind
from nil_core.components import Choice
from nil_core.config import RunConfig
from nil_core.demonstrations.recordings import read_any
from nil_core.storage.os_errors import entries, explain_os_errors
from nil_core.storage.run_folder import RunFolder
from nil_core.types import Scene

OPTION = "demonstrations"
"""The option, a path, by which a reward or an agent takes demonstrations."""


def check_named(choice: Choice, scene: Scene, tick_hz: float) -> None:
    """Read the demonstrations that components name, before anything is made for a run.

    Raises:
        DataError: they cannot be read, or do not fit the robot.
    """
    for _, path in _named(choice):
        read_any(path, scene, tick_hz)


def keep(folder: RunFolder, choice: Choice) -> None:
    """Copy the files that components name into a new run.

    Raises:
        MachineError: the disk is full or not writable.
    """
    for kind, path in _named(choice):
        target = folder.demonstrations / f"{kind}{path.suffix}"
        with explain_os_errors(target):
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)


def with_kept(folder: RunFolder, choice: Choice, config: RunConfig, original: RunConfig) -> Choice:
    """The components of an existing run, with the files that it keeps in the place of those that they name.

    Args:
        folder: of the run.
        choice: the components of ``config``.
        config: that it is opened with; files that only it names are not replaced.
        original: the run's own config.
    """
    kept = {path.stem: path for path in entries(folder.demonstrations)}
    found = dict(choice)
    for kind, _ in _named(choice):
        named, own = (getattr(each, kind).options.get(OPTION) for each in (config, original))
        if kind in kept and named == own:
            options = choice[kind].options.model_copy(update={OPTION: kept[kind]})
            found[kind] = replace(choice[kind], options=options)
    return found


def _named(choice: Choice) -> Iterator[tuple[Kind, Path]]:
    for kind, chosen in choice.items():
        path = getattr(chosen.options, OPTION, None)
        if isinstance(path, Path):
            yield kind, path.expanduser()
