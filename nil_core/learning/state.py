"""Exact saving of a learner: modules and random state to safetensors and JSON; nothing pickled."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nil_core.errors import RunError

Part = nn.Module | torch.Generator
"""What has a state: a module (a network, a :class:`~nil_core.learning.FlatAdam`) or a source of random numbers."""

_log = logging.getLogger("nil.learning")
_TENSORS, _NUMBERS = "state.safetensors", "state.json"
_HINT = "Resume with the options, robot and environment of the saved run."


def save_state(folder: Path, parts: Mapping[str, Part], numbers: Mapping[str, Any]) -> None:
    """Write ``state.safetensors`` and ``state.json``.

    Args:
        folder: exists.
        parts: by a name of your choice; give the same names to :func:`load_state`.
        numbers: counters and the like, JSON values.
    """
    tensors = {f"{name}/{key}": value for name, part in parts.items() for key, value in _tensors(part).items()}
    save_file(tensors, folder / _TENSORS)
    (folder / _NUMBERS).write_text(json.dumps(dict(numbers), indent=2) + "\n")


def load_state(folder: Path, parts: Mapping[str, Part]) -> dict[str, Any]:
    """Restore, in place and to the bit, what :func:`save_state` wrote.

    Everything is checked before anything is changed. A source of random numbers of another kind of device cannot be
    restored: it stays as it is, which is logged.

    Returns:
        the numbers.

    Raises:
        RunError: files missing or damaged, parts missing, or tensors of other names or shapes.
    """
    tensors = read_tensors(folder / _TENSORS)
    try:
        numbers = json.loads((folder / _NUMBERS).read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / _NUMBERS} cannot be read: {error}", _HINT) from error
    saved: dict[str, dict[str, Tensor]] = {name: {} for name in parts}
    for key, value in tensors.items():
        name, _, rest = key.partition("/")
        if name not in saved:
            raise RunError(f"{folder} holds a part {name!r} this agent does not have", _HINT)
        saved[name][rest] = value
    for name, part in parts.items():
        ours, theirs = (_sizes(tensors) for tensors in (_tensors(part), saved[name]))
        if theirs != ours and (isinstance(part, nn.Module) or theirs.keys() != ours.keys()):
            raise RunError(f"{folder}: {name} has other sizes than this run's", _HINT)
    for name, part in parts.items():
        if isinstance(part, nn.Module):
            part.load_state_dict(saved[name])
        elif _sizes(saved[name]) == _sizes(_tensors(part)):
            part.set_state(saved[name]["state"])
        else:
            _log.info("it was saved on another kind of device: learning goes on with other random numbers")
    return dict(numbers)


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


def _sizes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def _tensors(part: Part) -> dict[str, Tensor]:
    return part.state_dict() if isinstance(part, nn.Module) else {"state": part.get_state()}
