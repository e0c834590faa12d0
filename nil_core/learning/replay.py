"""A replay buffer in which a transition is one row, so that a batch is one gather."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from nil_core.errors import MachineError, RunError
from nil_core.learning.state import read_tensors
from nil_core.types import Transitions

_log = logging.getLogger("nil.learning")


@dataclass(frozen=True)
class Batch:
    """B transitions: views of the columns of one float32 tensor.

    Attributes:
        rows: (B, columns), that tensor.
        observations: (B, obs).
        actions: (B, act).
        observations_actions: (B, obs + act), the two side by side: what a critic reads, without copying.
        next_observations: (B, obs).
        rewards: (B,).
        continuations: (B,), 0 where the episode terminated, so that nothing beyond counts, else 1: a time limit
            (truncation) is bootstrapped.
    """

    rows: Tensor
    observations: Tensor
    actions: Tensor
    observations_actions: Tensor
    next_observations: Tensor
    rewards: Tensor
    continuations: Tensor


class ReplayBuffer:
    """The last ``capacity`` transitions, oldest overwritten first.

    SharedBuffers is claimed from the system as rows are first written, so a large capacity costs nothing until it is used.
    How much it may become is logged.

    Args:
        capacity: transitions kept.
        observation_size: obs.
        action_size: act.
        device: where the batches are wanted, and so where the rows live.
        folder: on whose disk the rows live instead, memory-mapped in a file without a name that ends with the process;
            the system keeps in memory what it has room for. Empty: in memory.

    Raises:
        MachineError: the memory, or the disk, does not hold the capacity.
    """

    def __init__(
        self, capacity: int, observation_size: int, action_size: int, device: torch.device | str, folder: str = ""
    ) -> None:
        self._sizes = (capacity, observation_size, action_size)
        self._widths = [observation_size, action_size, observation_size, 1, 1]
        self._device = torch.device(device)
        shape = capacity, sum(self._widths)
        self._rows = _mapped(shape, Path(folder)) if folder else _in_memory(shape, self._device)
        self._position = 0
        self._size = 0
        size = self._rows.nbytes / 1e9
        _log.info("replay buffer: %s transitions, up to %.2f GB %s", f"{capacity:,}", size, folder or "of memory")

    def __len__(self) -> int:
        return self._size

    def add(self, transitions: Transitions) -> None:
        """Remember transitions, in their order; of more than ``capacity`` only the last."""
        columns = (
            transitions.observations,
            transitions.actions,
            transitions.next_observations,
            transitions.rewards[:, None],
            ~transitions.terminations[:, None],
        )
        capacity = self._sizes[0]
        rows = torch.from_numpy(np.concatenate(columns, axis=1, dtype=np.float32)[-capacity:])
        buffers = (self._position + torch.arange(len(rows))) % capacity
        self._rows[buffers.to(self._rows.device)] = rows.to(self._rows.device)
        self._position = (self._position + len(rows)) % capacity
        self._size = min(self._size + len(rows), capacity)

    def sample(self, batches: int, batch_size: int, generator: torch.Generator) -> list[Batch]:
        """Draw ``batches`` batches, uniformly and with replacement, in one gather.

        Args:
            batches: how many.
            batch_size: B of each.
            generator: source of the draw, on the device of the batches.
        """
        indices = torch.randint(self._size, (batches * batch_size,), generator=generator, device=self._device)
        rows = self._rows.index_select(0, indices.to(self._rows.device)).to(self._device)
        return [self.batch(part) for part in torch.split(rows, batch_size)]

    def batch(self, rows: Tensor) -> Batch:
        """Rows (B, columns), laid out as those of every batch, as a batch."""
        observations, actions, next_observations, rewards, continuations = torch.split(rows, self._widths, dim=1)
        return Batch(
            rows=rows,
            observations=observations,
            actions=actions,
            observations_actions=rows[:, : self._widths[0] + self._widths[1]],
            next_observations=next_observations,
            rewards=rewards.squeeze(1),
            continuations=continuations.squeeze(1),
        )

    def save(self, path: Path) -> None:
        """Write the filled part and the position to a safetensors file."""
        filled = {
            "rows": self._rows[: self._size],
            "position": torch.tensor(self._position),
            "sizes": torch.tensor(self._sizes),
        }
        save_file(filled, path)

    def load(self, path: Path) -> None:
        """Restore what :meth:`save` wrote; adding and sampling then go on exactly.

        Raises:
            RunError: no such file, or a buffer of other sizes or another capacity.
        """
        filled = read_tensors(path, {"rows", "position", "sizes"})
        if filled["sizes"].tolist() != list(self._sizes):
            raise RunError(
                f"{path} has capacity, observation and action sizes {filled['sizes'].tolist()}, "
                f"this run {list(self._sizes)}",
                "Resume with the options, robot and environment of the saved run.",
            )
        self._size = len(filled["rows"])
        self._position = int(filled["position"])
        self._rows[: self._size] = filled["rows"]


def _in_memory(shape: tuple[int, int], device: torch.device) -> Tensor:
    try:
        return torch.empty(shape, device=device)
    except RuntimeError as error:
        size = shape[0] * shape[1] * 4 / 1e9
        raise MachineError(
            f"a replay buffer of {shape[0]:,} transitions takes {size:.1f} GB of memory, and there is not so much",
            "--set agent.capacity=100000 remembers fewer; --set agent.replay_folder=FOLDER puts them on a disk",
        ) from error


def _mapped(shape: tuple[int, int], folder: Path) -> Tensor:
    size = shape[0] * shape[1] * 4
    try:
        free = shutil.disk_usage(folder).free
        if free < size:  # found out later, it would end the process without a word
            raise MachineError(
                f"a replay buffer of {shape[0]:,} transitions takes {size / 1e9:.1f} GB, {folder} has {free / 1e9:.1f}",
                "--set agent.capacity=100000 remembers fewer",
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            return torch.from_numpy(np.memmap(file, np.float32, "w+", shape=shape))
    except OSError as error:
        raise MachineError(
            f"no replay buffer can be made in {folder}: {error.strerror}", "--set agent.replay_folder=FOLDER"
        ) from error
