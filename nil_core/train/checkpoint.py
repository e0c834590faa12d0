"""Checkpoints: folders that are whole or not there, and hold everything a run needs to go on exactly."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nil_core.errors import RunError
from nil_core.interfaces import Agent
from nil_core.runs.atomic import read_arrays, write_arrays, write_json, writing

FORMAT = 1
BEST = "best"
FAILED = "failed"
"""Where a run ends that met a NaN: to be looked at, never gone on from."""


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
    write(path, agent, state)
    for old in steps(root)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def write(path: Path, agent: Agent, state: LoopState) -> None:
    """Write one checkpoint. Raises as :func:`save`."""
    with writing(path) as temporary:
        (temporary / "agent").mkdir(parents=True)
        agent.save(temporary / "agent")
        write_arrays(temporary / "loop.npz", state.arrays)
        write_json(temporary / "loop.json", {"format": FORMAT, "step": state.step, "values": state.values})


def save_policy(root: Path, agent: Agent) -> Path:
    """Write the agent alone as ``best``."""
    path = root / BEST
    with writing(path) as temporary:
        (temporary / "agent").mkdir(parents=True)
        agent.save(temporary / "agent")
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
                f"{path} has format {header['format']}, this nil reads {FORMAT}", "use the nil that wrote it"
            )
        values = header["values"]
        arrays = read_arrays(path / "loop.npz")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(
            f"the checkpoint {path} is damaged: {error}", f"remove it to go on from the one before: rm -r {path}"
        ) from None
    agent.load(path / "agent")
    return LoopState(header["step"], values, arrays)


def split_states(states: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, npt.NDArray[Any]]]:
    """Dictionaries of mixed values as JSON values, and arrays under ``<index>.<key>``."""
    values: list[dict[str, Any]] = []
    arrays: dict[str, npt.NDArray[Any]] = {}
    for i, state in enumerate(states):
        values.append({k: v for k, v in state.items() if not isinstance(v, np.ndarray)})
        arrays |= {f"{i}.{k}": v for k, v in state.items() if isinstance(v, np.ndarray)}
    return values, arrays


def join_states(values: list[dict[str, Any]], arrays: dict[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
    """Back from :func:`split_states`."""
    states = [dict(value) for value in values]
    for name, array in arrays.items():
        index, _, key = name.partition(".")
        states[int(index)][key] = array
    return states


def under(prefix: str, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays whose name begins with ``prefix.``, without it."""
    return {k.removeprefix(f"{prefix}."): v for k, v in arrays.items() if k.startswith(f"{prefix}.")}


def prefixed(prefix: str, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays under ``prefix.``."""
    return {f"{prefix}.{k}": v for k, v in arrays.items()}
