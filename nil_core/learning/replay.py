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
from nil_core.learning.successors import Successors
from nil_core.types import Transitions

REWARD = -2  # column of the rows

_log = logging.getLogger("nil.learning")


@dataclass(frozen=True)
class Batch:
    """B transitions: views of the columns of one float32 tensor.

    Attributes:
        rows: (B, columns), that tensor.
        observations: (B, obs).
        actions: (B, act).
        observations_actions: (B, obs + act), the two side by side: the critics' input, without a copy.
        next_observations: (B, obs), after k steps.
        rewards: (B,), r_0 + gamma r_1 + ... + gamma^(k-1) r_(k-1), with k steps, at most ``n_step``: fewer where the
            episode ends, or goes on beyond what is in the buffer.
        discounts: (B,), factor of the value of the next observation: gamma^k; 0 where the episode terminated, but not
            at a time limit (truncation).
    """

    rows: Tensor
    observations: Tensor
    actions: Tensor
    observations_actions: Tensor
    next_observations: Tensor
    rewards: Tensor
    discounts: Tensor


class ReplayBuffer:
    """The last ``buffer_size`` transitions; the oldest is overwritten first.

    n-step returns (Sutton and Barto 2018, equation 7.1, without correction for the policy that acted; an entropy bonus
    on the way is left out) are computed as batches are drawn, see :class:`~nil_core.learning.successors.Successors`.

    The system allocates memory as rows are first written, so a large buffer costs nothing until it is filled. Its full
    size is logged.

    Args:
        buffer_size: transitions kept.
        observation_size: obs.
        action_size: act.
        gamma: discount factor.
        device: of the batches and, without ``folder``, of the rows.
        folder: where the rows are memory-mapped to an unnamed file that disappears with the process; the system caches
            as much of it in memory as there is room for. Empty: in memory.
        n_step: most steps of a return.

    Raises:
        MachineError: the memory, or the disk, is too small.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_size: int,
        action_size: int,
        gamma: float,
        device: torch.device | str,
        folder: str = "",
        n_step: int = 1,
    ) -> None:
        self._sizes = (buffer_size, observation_size, action_size)
        self._widths = [observation_size, action_size, observation_size, 1, 1]
        self._gamma, self._n_step = gamma, n_step
        self._device = torch.device(device)
        shape = buffer_size, sum(self._widths)
        self._rows = _mapped(shape, Path(folder)) if folder else _in_memory(shape, self._device)
        self._successors = Successors(buffer_size, self._rows.device) if n_step > 1 else None
        self._position = 0
        self._filled = 0
        gigabytes = self._rows.nbytes / 1e9
        _log.info(
            "replay buffer: %s transitions, up to %.2f GB %s", f"{buffer_size:,}", gigabytes, folder or "of memory"
        )

    def __len__(self) -> int:
        return self._filled

    def add(self, transitions: Transitions) -> None:
        """Add transitions in their order; of more than ``buffer_size`` only the last."""
        columns = (
            transitions.observations,
            transitions.actions,
            transitions.next_observations,
            transitions.rewards[:, None],
            np.float32(self._gamma) * ~transitions.terminations[:, None],
        )
        buffer_size = self._sizes[0]
        rows = torch.from_numpy(np.concatenate(columns, axis=1, dtype=np.float32)[-buffer_size:])
        indices = (self._position + torch.arange(len(rows))) % buffer_size
        self._rows[indices.to(self._rows.device)] = rows.to(self._rows.device)
        if self._successors is not None:
            ended = (transitions.terminations | transitions.truncations)[-buffer_size:]
            batch = self.batch(rows)
            self._successors.add(indices.numpy(), batch.observations.numpy(), batch.next_observations.numpy(), ended)
        self._position = (self._position + len(rows)) % buffer_size
        self._filled = min(self._filled + len(rows), buffer_size)

    def sample(self, batches: int, batch_size: int, generator: torch.Generator) -> list[Batch]:
        """Draw ``batches`` batches, uniformly and with replacement, in one gather.

        Args:
            batches: how many.
            batch_size: B of each.
            generator: random numbers, on the device of the batches.
        """
        indices = torch.randint(self._filled, (batches * batch_size,), generator=generator, device=self._device)
        rows = self._gather(indices.to(self._rows.device)).to(self._device)
        return [self.batch(chunk) for chunk in torch.split(rows, batch_size)]

    def _gather(self, indices: Tensor) -> Tensor:
        """The rows (B, columns) of transitions, extended to n-step returns."""
        rows = self._rows.index_select(0, indices)
        if self._successors is None:
            return rows
        batch, last, factor = self.batch(rows), indices, torch.ones_like(rows[:, 0])
        for _ in range(1, self._n_step):
            successors = self._successors.rows[last]
            has_successor = successors >= 0
            last = torch.where(has_successor, successors, last)
            factor = torch.where(has_successor, factor * self._gamma, factor)
            batch.rewards.add_(torch.where(has_successor, factor * self._rows[last, REWARD], 0.0))
        after_last = self.batch(self._rows.index_select(0, last))
        batch.next_observations.copy_(after_last.next_observations)
        batch.discounts.copy_(factor * after_last.discounts)
        return rows

    def batch(self, rows: Tensor) -> Batch:
        """Rows (B, columns), in the layout of :attr:`Batch.rows`, as a batch."""
        observations, actions, next_observations, rewards, discounts = torch.split(rows, self._widths, dim=1)
        return Batch(
            rows=rows,
            observations=observations,
            actions=actions,
            observations_actions=rows[:, : self._widths[0] + self._widths[1]],
            next_observations=next_observations,
            rewards=rewards.squeeze(1),
            discounts=discounts.squeeze(1),
        )

    def save(self, path: Path) -> None:
        """Write the filled part and the position to a safetensors file."""
        tensors = {
            "rows": self._rows[: self._filled],
            "position": torch.tensor(self._position),
            "sizes": torch.tensor(self._sizes),
        }
        if self._successors is not None:
            tensors["successors"] = self._successors.rows[: self._filled]
        save_file(tensors, path)

    def load(self, path: Path) -> None:
        """Restore what :meth:`save` wrote; adding and sampling then continue exactly.

        Raises:
            RunError: no such file, or a buffer of other sizes, or one with ``n_step`` above 1 where the other has 1.
        """
        successors = {"successors"} if self._successors is not None else set()
        tensors = read_tensors(path, {"rows", "position", "sizes"} | successors)
        if tensors["sizes"].tolist() != list(self._sizes):
            raise RunError(
                f"{path} has buffer, observation and action sizes {tensors['sizes'].tolist()}, "
                f"this run has {list(self._sizes)}",
                "Resume with the options, robot and environment of the saved run.",
            )
        if self._successors is not None:
            self._successors.load(tensors["successors"], self.batch(tensors["rows"]).next_observations)
        self._filled = len(tensors["rows"])
        self._position = int(tensors["position"])
        self._rows[: self._filled] = tensors["rows"]


def _in_memory(shape: tuple[int, int], device: torch.device) -> Tensor:
    try:
        return torch.empty(shape, device=device)
    except RuntimeError as error:
        gigabytes = shape[0] * shape[1] * 4 / 1e9
        raise MachineError(
            f"a replay buffer of {shape[0]:,} transitions takes {gigabytes:.1f} GB of memory, which is not available",
            "--set agent.buffer_size=100000 keeps fewer; --set agent.replay_folder=FOLDER puts them on a disk",
        ) from error


def _mapped(shape: tuple[int, int], folder: Path) -> Tensor:
    size = shape[0] * shape[1] * 4
    try:
        free = shutil.disk_usage(folder).free
        if free < size:  # a full disk would later kill the process without a message
            raise MachineError(
                f"a replay buffer of {shape[0]:,} transitions takes {size / 1e9:.1f} GB, {folder} has {free / 1e9:.1f}",
                "--set agent.buffer_size=100000 keeps fewer",
            )
        with tempfile.TemporaryFile(dir=folder) as file:
            return torch.from_numpy(np.memmap(file, np.float32, "w+", shape=shape))
    except OSError as error:
        raise MachineError(
            f"no replay buffer can be created in {folder}: {error.strerror}", "--set agent.replay_folder=FOLDER"
        ) from error
