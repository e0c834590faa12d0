"""Exact saving of an agent: modules and random state to safetensors, counters to JSON; nothing pickled."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nil_core.errors import RunError

Part = nn.Module | torch.Generator
"""An object with a state: a module (a network, a :class:`~nil_core.learning.FlatAdam`) or a random number generator."""

_log = logging.getLogger("nil.learning")
_TENSORS, _COUNTERS = "state.safetensors", "state.json"
_HINT = "Resume with the options, robot and environment of the saved run."


def save_state(folder: Path, parts: Mapping[str, Part], counters: Mapping[str, Any]) -> None:
    """Write ``state.safetensors`` and ``state.json``.

    Args:
        folder: exists.
        parts: by any name; :func:`load_state` needs the same names.
        counters: JSON values.
    """
    save_file(_joined(parts), folder / _TENSORS)
    (folder / _COUNTERS).write_text(json.dumps(dict(counters), indent=2) + "\n")


def load_state(folder: Path, parts: Mapping[str, Part]) -> dict[str, Any]:
    """Restore, in place and bit for bit, what :func:`save_state` wrote.

    Everything is checked before anything is changed. A random number generator that was saved on another kind of device
    cannot be restored: it keeps its state, which is logged.

    Returns:
        the counters.

    Raises:
        RunError: files missing or damaged, parts missing, or tensors of other names or shapes.
    """
    tensors = read_tensors(folder / _TENSORS)
    try:
        counters = json.loads((folder / _COUNTERS).read_text())
        if not isinstance(counters, dict):
            raise ValueError("it holds no table")
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / _COUNTERS} cannot be read: {error}", _HINT) from error
    _restore(parts, tensors, str(folder))
    return counters


def part_arrays(parts: Mapping[str, Part]) -> dict[str, npt.NDArray[Any]]:
    """Copies of the tensors of parts as arrays, for state that numpy stores; names as in :func:`save_state`."""
    return {name: value.detach().cpu().numpy().copy() for name, value in _joined(parts).items()}


def restore_arrays(parts: Mapping[str, Part], arrays: Mapping[str, npt.NDArray[Any]], where: str) -> None:
    """Restore, in place and bit for bit, what :func:`part_arrays` gave; checked as by :func:`load_state`.

    Args:
        parts: by the same names.
        arrays: of those parts and no others.
        where: what holds them, for the message.

    Raises:
        RunError: parts missing, or arrays of other names or shapes.
    """
    _restore(parts, {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}, where)


def _joined(parts: Mapping[str, Part]) -> dict[str, Tensor]:
    return {f"{name}/{key}": value for name, part in parts.items() for key, value in _tensors(part).items()}


def _restore(parts: Mapping[str, Part], tensors: Mapping[str, Tensor], where: str) -> None:
    saved: dict[str, dict[str, Tensor]] = {name: {} for name in parts}
    for key, value in tensors.items():
        name, _, rest = key.partition("/")
        if name not in saved:
            raise RunError(f"{where} holds a part {name!r} that this run does not have", _HINT)
        saved[name][rest] = value
    for name, part in parts.items():
        expected, found = _shapes(_tensors(part)), _shapes(saved[name])
        if expected and not found:
            raise RunError(f"{where} does not hold a part {name!r} that this run has", _HINT)
        if found != expected and (isinstance(part, nn.Module) or found.keys() != expected.keys()):
            raise RunError(f"{where}: {name} has other sizes than this run's", _HINT)
    for name, part in parts.items():
        if isinstance(part, nn.Module):
            part.load_state_dict(saved[name])
        elif _shapes(saved[name]) == _shapes(_tensors(part)):
            part.set_state(saved[name]["state"])
        else:
            _log.info("the random state was saved on another kind of device: the run continues with other numbers")


def integers(folder: Path, counters: Mapping[str, Any], *names: str) -> tuple[int, ...]:
    """Some of the counters that :func:`load_state` gave.

    Raises:
        RunError: one is missing or no number.
    """
    try:
        return tuple(int(counters[name]) for name in names)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the counters in {folder} are damaged: {error}", "Resume from another checkpoint.") from None


def read_tensors(path: Path, names: set[str] | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU.

    Raises:
        RunError: missing, damaged, or without exactly ``names``.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}", _HINT) from error
    if names is not None and tensors.keys() != names:
        raise RunError(f"{path} holds {sorted(tensors)}, expected {sorted(names)}", _HINT)
    return tensors


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _tensors(part: Part) -> dict[str, Tensor]:
    return part.state_dict() if isinstance(part, nn.Module) else {"state": part.get_state()}
