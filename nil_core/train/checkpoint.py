"""Checkpoints: folders, complete or absent, with everything that a run needs to continue exactly."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nil_core.errors import MachineError, RunError
from nil_core.interfaces import Agent, LearnedReward, Reward
from nil_core.storage import digests
from nil_core.storage.atomic import read_arrays, write_arrays, write_json, writing
from nil_core.storage.os_errors import entries, exists, explain_os_errors

FORMAT = 5
BEST = "best"
FAILED = "failed"
"""The state that led to a NaN, for inspection; never resumed."""

LEARNED = "reward.npz"
"""What a reward learned; missing where it does not learn."""

FOR_LEARNING = "replay*"
"""Files that an agent does not need to act (see :meth:`nil_core.interfaces.Agent.save`); ``best`` has none of them."""

_LEFTOVER = ".tmp"  # ends the hidden names of folders that are being written or removed


@dataclass(frozen=True)
class LoopState:
    """State of a training loop without its agent.

    Attributes:
        step: environment steps done.
        values: JSON values.
        arrays: dotted names to arrays.
        learned: what the reward learned, None of one that does not learn; part of ``arrays`` too, and kept apart for
            evaluations.
    """

    step: int
    values: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]
    learned: Mapping[str, npt.NDArray[Any]] | None = None


def save(root: Path, agent: Agent, state: LoopState, keep: int) -> Path:
    """Write ``step-...`` under ``root`` and remove all but the newest ``keep`` (and ``best``).

    Raises:
        MachineError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    path = root / name_of(state.step)
    with explain_os_errors(path):
        write(path, agent, state)
        _flush(root)
        remove_old(root, keep)
    return path


def name_of(step: int) -> str:
    """Name of the checkpoint of a step."""
    return f"step-{step:09d}"


def remove_old(root: Path, keep: int) -> None:
    """Remove all checkpoints but the newest ``keep`` (and ``best``)."""
    for old in steps(root)[:-keep]:
        _remove(old)


def write(path: Path, agent: Agent, state: LoopState) -> None:
    """Write one checkpoint. Raises as :func:`save`."""
    with writing(path) as temporary:
        (temporary / "agent").mkdir(parents=True)
        agent.save(temporary / "agent")
        _write_learned(temporary, state.learned)
        write_arrays(temporary / "loop.npz", state.arrays)
        header = {"format": FORMAT, "step": state.step, "arrays": sorted(state.arrays), "values": state.values}
        write_json(temporary / "loop.json", header)
        _complete(path, temporary)


def save_policy(root: Path, agent: Agent, learned: Mapping[str, npt.NDArray[Any]] | None = None) -> Path:
    """Write the agent alone as ``best``: enough to act, not to resume training.

    Args:
        root: folder of the checkpoints.
        agent: to save.
        learned: what the reward learned; None for a reward that does not learn.
    """
    path = root / BEST
    with writing(path) as temporary:
        (temporary / "agent").mkdir(parents=True)
        agent.save(temporary / "agent")
        for file in (temporary / "agent").glob(FOR_LEARNING):
            file.unlink()
        _write_learned(temporary, learned)
        _complete(path, temporary)
    return path


def _write_learned(folder: Path, learned: Mapping[str, npt.NDArray[Any]] | None) -> None:
    if learned is not None:
        write_arrays(folder / LEARNED, dict(learned))


def steps(root: Path) -> list[Path]:
    """All complete checkpoints, oldest first.

    Raises:
        MachineError: the folder cannot be read.
    """
    return [path for path in entries(root) if path.name.startswith("step-") and path.is_dir()]


def newest(root: Path) -> Path:
    """The checkpoint to resume from.

    Raises:
        RunError: there is none.
    """
    found = steps(root)
    if not found:
        raise RunError(f"{root} holds no checkpoint yet", "the run ended before its first; start it anew")
    return found[-1]


def load(path: Path, agent: Agent) -> LoopState:
    """Read the loop's state, and restore the agent.

    Raises:
        RunError: damaged, or of another format.
    """
    with _damage_named(path):
        sealed = digests.verify(path)
        with explain_os_errors(path, "read"):
            header = json.loads((path / "loop.json").read_text(encoding="utf-8"))
        if header["format"] != FORMAT:
            raise RunError(
                f"{path} has format {header['format']}, this nil reads {FORMAT}",
                "continue with the nil-core that wrote it (manifest.json names it), or start a new run",
            )
        if not sealed:
            raise ValueError(f"{digests.NAME} is missing")
        state = LoopState(header["step"], header["values"], read_arrays(path / "loop.npz", header["arrays"]))
    agent.load(path / "agent")
    return state


def load_policy(path: Path, agent: Agent, reward: Reward | None = None) -> None:
    """Restore the agent of a checkpoint, or of ``best``, to act.

    Args:
        path: of the checkpoint.
        agent: becomes the saved one.
        reward: one that learns adopts what it had learned.

    Raises:
        RunError: damaged, of another format, or without what the reward learned.
    """
    with _damage_named(path):
        if not digests.verify(path):
            raise ValueError(f"{digests.NAME} is missing, as in those that nil 0.2 wrote")
        learned = read_arrays(path / LEARNED) if exists(path / LEARNED) else None
    agent.load(path / "agent")
    if isinstance(reward, LearnedReward):
        if learned is None:
            raise RunError(
                f"{path} holds nothing that a reward learned: its run learned from another one",
                "evaluate it with the reward of its own config",
            )
        reward.adopt(learned)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (RunError, MachineError):
        raise
    except Exception as error:  # a bad byte in a zip file is an error of as many types as there are bytes
        reason = " ".join(str(error).split())
        raise RunError(f"the checkpoint {path} is damaged: {reason}", _way_back(path)) from None


def _way_back(path: Path) -> str:
    """How to fix a damaged checkpoint."""
    remove = f"rm -r {shlex.quote(str(path))}"
    if path.name == BEST:
        return "--checkpoint newest takes the newest instead"
    if len(steps(path.parent)) > 1:
        return f"remove it to continue from the one before: {remove}"
    return f"it is the only one; remove it, and `nil run --resume` begins the run anew: {remove}"


def tidy(root: Path) -> None:
    """Remove leftovers of a process that was killed while it wrote or removed a checkpoint."""
    for path in entries(root):
        if path.name.startswith(".") and path.name.endswith(_LEFTOVER):
            shutil.rmtree(path, ignore_errors=True)


def _complete(path: Path, temporary: Path) -> None:
    """Prepare a temporary folder for its final name: record digests, flush to disk, remove what has that name."""
    digests.record(temporary, [f.relative_to(temporary).as_posix() for f in temporary.rglob("*") if f.is_file()])
    for file in temporary.rglob("*"):
        _flush(file)
    if exists(path):
        _remove(path)


def _remove(folder: Path) -> None:
    """Remove a folder atomically: it is renamed first."""
    aside = folder.with_name(f".{folder.name}{_LEFTOVER}")
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _flush(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk, so that they survive a power failure."""
    if os.name == "posix":  # elsewhere folders cannot be opened
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
