"""Checkpoints: folders that are whole or not there, and hold everything a run needs to go on exactly."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nil_core.errors import RunError
from nil_core.interfaces import Agent
from nil_core.storage.atomic import explain_os_errors, read_arrays, write_arrays, write_json, writing

FORMAT = 3
BEST = "best"
FAILED = "failed"
"""Where a run ends that met a NaN: to be looked at, never gone on from."""

FOR_LEARNING = "replay*"
"""An agent's files that acting does without (see :meth:`nil_core.interfaces.Agent.save`); ``best`` has none of them."""

_LEFTOVER = ".tmp"  # ends the hidden names of folders that are being written or removed


@dataclass(frozen=True)
class LoopState:
    """Where a training loop stands, the agent aside.

    Attributes:
        step: environment steps done.
        values: JSON values.
        arrays: dotted names to arrays.
    """

    step: int
    values: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


def save(root: Path, agent: Agent, state: LoopState, keep: int) -> Path:
    """Write ``step-...`` under ``root`` and remove all but the newest ``keep`` (and ``best``).

    Raises:
        MachineError: the disk is full or not writable; earlier checkpoints are untouched.
    """
    path = root / f"step-{state.step:09d}"
    with explain_os_errors(path):
        write(path, agent, state)
        _flush(root)
        for old in steps(root)[:-keep]:
            _remove(old)
    return path


def write(path: Path, agent: Agent, state: LoopState) -> None:
    """Write one checkpoint. Raises as :func:`save`."""
    with writing(path) as temporary:
        (temporary / "agent").mkdir(parents=True)
        agent.save(temporary / "agent")
        files = sorted(str(file.relative_to(temporary)) for file in temporary.rglob("*") if file.is_file())
        write_arrays(temporary / "loop.npz", state.arrays)
        header = {"format": FORMAT, "step": state.step, "files": files, "values": state.values}
        write_json(temporary / "loop.json", header)
        _make_way(path, temporary)


def save_policy(root: Path, agent: Agent) -> Path:
    """Write the agent alone as ``best``, fit to act: learning goes on from none but a whole checkpoint."""
    path = root / BEST
    with writing(path) as temporary:
        (temporary / "agent").mkdir(parents=True)
        agent.save(temporary / "agent")
        for file in (temporary / "agent").glob(FOR_LEARNING):
            file.unlink()
        _make_way(path, temporary)
    return path


def steps(root: Path) -> list[Path]:
    """Every whole checkpoint, oldest first."""
    return sorted(root.glob("step-*/"))


def newest(root: Path) -> Path:
    """The one to go on from.

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
    try:
        header = json.loads((path / "loop.json").read_text(encoding="utf-8"))
        if header["format"] != FORMAT:
            raise RunError(
                f"{path} has format {header['format']}, this nil reads {FORMAT}",
                "go on with the nil-core that wrote it (manifest.json names it), or start the run anew",
            )
        if missing := [name for name in header.get("files", ()) if not (path / name).is_file()]:
            raise FileNotFoundError(f"{', '.join(missing)} is missing")
        state = LoopState(header["step"], header["values"], read_arrays(path / "loop.npz"))
    except RunError:
        raise
    except Exception as error:  # a bad byte in a zip file is an error of as many types as there are bytes
        raise RunError(
            f"the checkpoint {path} is damaged: {error}", f"remove it to go on from the one before: rm -r {path}"
        ) from None
    agent.load(path / "agent")
    return state


def tidy(root: Path) -> None:
    """Remove what a process left that was killed while it wrote, or removed, a checkpoint."""
    for leftover in root.glob(f".*{_LEFTOVER}"):
        shutil.rmtree(leftover, ignore_errors=True)


def _make_way(path: Path, temporary: Path) -> None:
    """Before a temporary folder gets its name: all of it on the disk itself, and nothing else under that name."""
    for file in temporary.rglob("*"):
        _flush(file)
    if path.exists():
        _remove(path)


def _remove(folder: Path) -> None:
    """Never seen half-removed, whenever the process is killed."""
    aside = folder.with_name(f".{folder.name}{_LEFTOVER}")
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _flush(path: Path) -> None:
    """A file, or the names in a folder, to the disk itself: a machine without power keeps them."""
    if os.name == "posix":  # elsewhere folders cannot be opened
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def under(prefix: str, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays whose name begins with ``prefix.``, without it."""
    return {k.removeprefix(f"{prefix}."): v for k, v in arrays.items() if k.startswith(f"{prefix}.")}


def prefixed(prefix: str, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays under ``prefix.``."""
    return {f"{prefix}.{k}": v for k, v in arrays.items()}
