"""Transitions of each environment in order, each with its log-probability under the policy that acted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from nil_core.api import AgentSpec, Floats, RunError, Transitions
from nil_core.learning import read_tensors


@dataclass(frozen=True)
class Rollout:
    """T consecutive transitions of each of N environments, float32.

    Attributes:
        observations, next_observations: (T, N, obs); at an episode's end the next one is that before the reset.
        actions: (T, N, act), before they were clipped.
        log_probs: (T, N), of ``actions`` under the policy that acted.
        rewards: (T, N).
        terminated: (T, N), 1 where the episode ended in a fall, else 0.
        ended: (T, N), 1 where it ended in a fall or at its time limit, else 0.
    """

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminated: Tensor
    ended: Tensor


class Rollouts:
    """Joins what was acted with what became known of it.

    A reward becomes known only after its tick is scored: one or more actions later, which may be after an update of
    the policy. The log-probability is therefore kept from the moment of acting, never computed again: transitions that
    an earlier policy acted get the right probability ratio.

    Args:
        spec: sizes, and the number of environments N.
    """

    def __init__(self, spec: AgentSpec) -> None:
        self._spec = spec
        self._acted: list[deque[Floats]] = [deque() for _ in range(spec.num_envs)]  # action, log_prob
        self._known: list[list[Floats]] = [[] for _ in range(spec.num_envs)]  # the columns of Rollout

    @property
    def _widths(self) -> tuple[int, ...]:
        observation, action = self._spec.observation_size, self._spec.action_size
        return observation, action, 1, 1, observation, 1, 1

    def act(self, actions: Floats, log_probs: Floats) -> None:
        """Remember what every environment is about to do.

        Args:
            actions: float32 (N, act), not clipped.
            log_probs: float32 (N,).
        """
        for acted, action, log_prob in zip(self._acted, actions, log_probs, strict=True):
            acted.append(np.append(action, log_prob))

    def observe(self, transitions: Transitions) -> None:
        """Add transitions, those of each environment in order.

        Raises:
            RunError: one that was not acted by this agent, or of an unknown environment.
        """
        ends = transitions.terminations | transitions.truncations
        for row, env in enumerate(self._environments(transitions)):
            acted = self._acted[env].popleft() if self._acted[env] else None
            if acted is None or not np.array_equal(np.clip(acted[:-1], -1, 1), transitions.actions[row]):
                raise RunError(
                    f"ppo was given a transition of environment {env} that it did not act",
                    "it learns only from its own actions, in order: give every action of act(explore=True) to observe",
                )
            self._known[env].append(
                np.concatenate(
                    [
                        transitions.observations[row],
                        acted,
                        transitions.rewards[row : row + 1],
                        transitions.next_observations[row],
                        np.array([transitions.terminations[row], ends[row]]),
                    ],
                    dtype=np.float32,
                )
            )

    def _environments(self, transitions: Transitions) -> list[int]:
        if transitions.envs is not None:
            envs: list[int] = transitions.envs.tolist()
            return envs
        if self._spec.num_envs > 1:
            raise RunError(
                "ppo was given transitions of several environments without saying which", "fill Transitions.envs"
            )
        return [0] * len(transitions)

    def ready(self, steps: int) -> bool:
        """Whether ``steps`` transitions of every environment are known."""
        return min(map(len, self._known)) >= steps

    def take(self, steps: int, device: torch.device) -> Rollout:
        """Remove the first ``steps`` transitions of every environment."""
        rows = torch.from_numpy(np.stack([known[:steps] for known in self._known], axis=1)).to(device)
        for known in self._known:
            del known[:steps]
        parts = torch.split(rows, list(self._widths), -1)
        observations, actions, log_probs, rewards, next_observations, terminated, ended = parts
        return Rollout(
            observations=observations,
            actions=actions,
            log_probs=log_probs.squeeze(-1),
            rewards=rewards.squeeze(-1),
            next_observations=next_observations,
            terminated=terminated.squeeze(-1),
            ended=ended.squeeze(-1),
        )

    def save(self, path: Path, **others: Tensor) -> None:
        """Write everything to a safetensors file.

        Args:
            path: of the file.
            others: further tensors by name, which :meth:`load` gives back.
        """
        tensors = {"num_envs": torch.tensor(self._spec.num_envs), **others}
        for name, columns, queues in (
            ("acted", self._spec.action_size + 1, self._acted),
            ("known", sum(self._widths), self._known),
        ):
            rows = [row for queue in queues for row in queue]
            tensors[name] = torch.from_numpy(np.array(rows, np.float32).reshape(len(rows), columns))
            tensors[f"{name}_counts"] = torch.tensor([len(queue) for queue in queues])
        save_file(tensors, path)

    def load(self, path: Path, *others: str) -> dict[str, Tensor] | None:
        """Restore what :meth:`save` wrote.

        Args:
            path: of the file.
            others: names of its further tensors.

        Returns:
            the further tensors; None where the file is that of another number of environments: nothing is restored, as
            an evaluation only acts.

        Raises:
            RunError: the file is damaged, or has other sizes.
        """
        names = {"num_envs", "acted", "acted_counts", "known", "known_counts", *others}
        tensors = read_tensors(path, names)
        if int(tensors["num_envs"]) != self._spec.num_envs:
            return None
        if tensors["acted"].shape[1:] != (self._spec.action_size + 1,) or tensors["known"].shape[1:] != (
            sum(self._widths),
        ):
            raise RunError(f"{path} has other sizes than this run's", "Resume with the robot of the saved run.")
        acted, known = (
            [list(rows.numpy()) for rows in torch.split(tensors[name], tensors[f"{name}_counts"].tolist())]
            for name in ("acted", "known")
        )
        self._acted, self._known = [deque(rows) for rows in acted], known
        return {name: tensors[name] for name in others}


def advantages(rollout: Rollout, values: Tensor, next_values: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Generalized advantage estimates (Schulman et al. 2016, equation 16), (T, N).

    The value beyond a fall is 0; beyond a time limit, and beyond the rollout, it is that of the next observation.

    Args:
        rollout: T transitions of N environments.
        values, next_values: (T, N), of its observations and next observations.
        gamma, gae_lambda: discount factor and lambda.
    """
    errors = rollout.rewards + gamma * next_values * (1 - rollout.terminated) - values
    decays = gamma * gae_lambda * (1 - rollout.ended)
    estimates = torch.empty_like(errors)
    following = torch.zeros_like(errors[0])
    for t in reversed(range(len(errors))):
        following = errors[t] + decays[t] * following
        estimates[t] = following
    return estimates
