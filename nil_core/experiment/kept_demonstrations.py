"""The demonstrations of a run, copied into its folder, so that the folder is all that a resumed run needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from nil_core.card import Capability, Kind
from nil_core.components import Choice
from nil_core.config import EnvironmentSettings, RunConfig
from nil_core.demonstrations.recordings import read_any
from nil_core.errors import ConfigError, DataError
from nil_core.storage.os_errors import entries, explain_os_errors
from nil_core.storage.run_folder import RunFolder
from nil_core.types import Motion, Scene

OPTION = "demonstrations"
"""The option, a path, by which a reward or an agent takes demonstrations."""


def check_named(choice: Choice, scene: Scene, environment: EnvironmentSettings) -> None:
    """Read the demonstrations that components name, before anything is made for a run.

    Raises:
        DataError: they cannot be read, do not fit the robot, lack the actions that a component needs, or have those of
            another control mode.
    """
    for kind, path in _named(choice):
        chosen = choice[kind]
        found = read_any(path, scene, environment.control_hz if kind == "agent" else environment.tick_hz)
        if not chosen.can(Capability.NEEDS_ACTIONS):
            continue
        if found.actions is None:
            hint = f"record a policy with nil record, or choose another {kind}, such as bco, which needs no actions"
            raise DataError(f"{path} has no actions, which {chosen.name} needs", hint)
        control = found.provenance.get("control", environment.control)
        if control != environment.control:
            raise DataError(
                f"{path} has actions of {control} control, and this run is under {environment.control} control",
                f"--set environment.control={control}",
            )


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


def demonstrated_motion(choice: Choice, scene: Scene, ticks: int, tick_hz: float) -> Motion:
    """The first trajectory of the first component that names demonstrations, for ``motion.source=demonstrations``.

    Args:
        choice: components.
        scene: of the robot.
        ticks: in an episode.
        tick_hz: ticks per second.

    Raises:
        ConfigError: no component names demonstrations.
        DataError: they cannot be read, are of another robot, or shorter than an episode.
    """
    path = next((path for _, path in _named(choice)), None)
    if path is None:
        raise ConfigError(
            "motion.source=demonstrations needs a reward or an agent that learns from demonstrations",
            "--reward amp --set reward.demonstrations=walk.npz, or --set motion.source=none",
        )
    first = read_any(path, scene, tick_hz).trajectory(0)
    qpos = first.qpos[:: first.stride(tick_hz)][: ticks + 1].copy()
    if len(qpos) <= ticks:
        raise DataError(
            f"the first trajectory of {path} lasts {first.seconds:.3g} s, and an episode {ticks / tick_hz:.3g} s",
            f"--set video.seconds={(len(qpos) - 1) / tick_hz:.3g}, or --set motion.source=none",
        )
    qpos[:, :2] -= qpos[0, :2]
    return Motion(qpos, "demonstrations")


def _named(choice: Choice) -> Iterator[tuple[Kind, Path]]:
    for kind, chosen in choice.items():
        path = getattr(chosen.options, OPTION, None)
        if isinstance(path, Path):
            yield kind, path.expanduser()
