"""Behavioral cloning from observation (Torabi et al. 2018, arXiv 1805.01954): BCO(alpha)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from nil_agent_bco import EXPLORATION_STEPS, BcoOptions
from nil_agent_bco.demonstrated import demonstrated, state_columns
from nil_core.api import AgentSpec, Floats, Transitions
from nil_core.learning import (
    ActionModel,
    FlatAdam,
    Part,
    ReplayBuffer,
    checked_metrics,
    cpu_threads,
    integers,
    load_state,
    save_state,
)

REPLAY = "replay.safetensors"


class StatePolicy(nn.Module):
    """Observations (B, obs) to actions (B, act): the mean of a policy that sees the state alone.

    Args:
        policy: of states.
        columns: int64 (s,), the entries of an observation that are the state.
    """

    columns: Tensor

    def __init__(self, policy: nn.Module, columns: Tensor) -> None:
        super().__init__()
        self.policy = policy
        self.register_buffer("columns", columns)

    def forward(self, observations: Tensor) -> Tensor:
        actions: Tensor = self.policy(observations.index_select(-1, self.columns))
        return actions


class CloningFromObservation:
    """The agent ``bco``; see :class:`nil_core.api.Agent` for its methods.

    In a round, the inverse dynamics, the distribution of the action given a state and the next one, are fitted to all
    own transitions; they label the demonstrated transitions; and the policy is fitted to the labels. Both networks go
    on from the round before.

    A state is what the observation says of positions and velocities. The policy sees nothing else: a recording does not
    tell the phase, the preview or the last action of this environment.
    """

    def __init__(self, options: BcoOptions, spec: AgentSpec) -> None:
        self.options, self.spec = options, spec
        self.device = torch.device(spec.device)
        self.generator = torch.Generator(self.device).manual_seed(spec.seed)
        self._columns = state_columns(spec)
        size = len(self._columns)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(spec.seed)
            policy = ActionModel(size, options.hidden, spec.action_size, options.loss)
            inverse = ActionModel(2 * size, options.hidden, spec.action_size, options.loss)
        self.policy, self.inverse = policy.to(self.device), inverse.to(self.device)
        self.policy_optimizer = FlatAdam(self.policy.parameters(), options.learning_rate)
        self.inverse_optimizer = FlatAdam(self.inverse.parameters(), options.learning_rate)
        self.replay = ReplayBuffer(options.buffer_size, size, spec.action_size, 0.0, self.device)
        self.exploration_steps = options.exploration_steps or max(1, min(EXPLORATION_STEPS, spec.total_steps // 10))
        self.rounds = 0
        self.steps = 0  # environment steps since the last round

    @cached_property
    def demonstrations(self) -> tuple[Tensor, Tensor]:
        """Demonstrated states (B, s) and the next ones; the first access sets the normalization of states."""
        found = demonstrated(self.options.demonstrations.expanduser(), self.spec)
        states, following = (torch.from_numpy(rows).to(self.device) for rows in found)
        if not self.policy.normalizer.count:
            self.policy.normalizer.update(states)
        return states, following

    @property
    def random_share(self) -> float:
        """Probability of a random action in the running round."""
        return 1.0 if not self.rounds else self.options.random_share * self.options.random_decay ** (self.rounds - 1)

    def act(self, observations: Floats, explore: bool) -> Floats:
        """The mean of the policy; if exploring, its samples or, with probability ``random_share``, uniform actions."""
        if explore:
            _ = self.demonstrations  # refused before the first step, if bad
        with torch.inference_mode(), cpu_threads(self.options.threads):
            states = torch.from_numpy(observations[:, self._columns]).to(self.device)
            actions: Tensor = self.policy(states)
            if explore:
                uniform = torch.rand(actions.shape, generator=self.generator, device=self.device) * 2 - 1
                noise = torch.randn(actions.shape, generator=self.generator, device=self.device)
                is_random = torch.rand((len(actions), 1), generator=self.generator, device=self.device)
                actions = self.policy.sample(states, noise)
                actions = torch.where(is_random < self.random_share, uniform, actions)
        return actions.numpy(force=True)

    def network(self) -> nn.Module:
        """Network from observations to the mean of the policy."""
        return StatePolicy(self.policy, torch.from_numpy(self._columns).to(self.device))

    def observe(self, transitions: Transitions) -> None:
        """Remember the states and actions, for the inverse dynamics."""
        before, after = (rows[:, self._columns] for rows in (transitions.observations, transitions.next_observations))
        self.replay.add(replace(transitions, observations=before, next_observations=after))
        self.steps += len(transitions)

    def update(self, steps: int) -> Mapping[str, float]:
        """Learn, if the steps of a round have gone by.

        Returns:
            ``inverse_loss`` and ``policy_loss``, means over the gradient steps, and ``random_share`` of the
            round that begins; empty if there was none.

        Raises:
            DataError: the demonstrations cannot be read or do not fit.
            NumericalError: a loss is not finite.
        """
        if not self._round_is_over():
            return {}
        with cpu_threads(self.options.threads):
            losses = {"inverse_loss": self._learn_inverse(), "policy_loss": self._learn_policy()}
        self.rounds, self.steps = self.rounds + 1, 0
        return checked_metrics("bco", losses | {"random_share": self.random_share})

    def _round_is_over(self) -> bool:
        if not self.rounds:
            return self.steps >= self.exploration_steps
        return self.options.alpha > 0 and self.steps >= self.options.alpha * self.exploration_steps

    def _learn_inverse(self) -> float:
        batch_size = self.options.batch_size

        def draw() -> tuple[Tensor, Tensor]:
            (batch,) = self.replay.sample(1, batch_size, self.generator)
            return changes(batch.observations, batch.next_observations), batch.actions

        if not self.rounds:
            (many,) = self.replay.sample(1, max(batch_size, len(self.replay)), self.generator)
            self.inverse.normalizer.update(changes(many.observations, many.next_observations))
        return self._fit(self.inverse, self.inverse_optimizer, draw)

    def _learn_policy(self) -> float:
        states, following = self.demonstrations
        with torch.no_grad():
            labels = self.inverse(changes(states, following))

        def draw() -> tuple[Tensor, Tensor]:
            rows = torch.randint(len(labels), (self.options.batch_size,), generator=self.generator, device=self.device)
            return states[rows], labels[rows]

        return self._fit(self.policy, self.policy_optimizer, draw)

    def _fit(self, model: ActionModel, optimizer: FlatAdam, draw: Callable[[], tuple[Tensor, Tensor]]) -> float:
        """Take the gradient steps of a round on batches of inputs and actions; the mean loss."""
        losses = []
        for _ in range(self.options.gradient_steps):
            loss = model.loss(*draw())
            optimizer.minimize(loss)
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def save(self, folder: Path) -> None:
        """Write networks, optimizers, random state, counters and own transitions."""
        save_state(folder, self._parts(), {"rounds": self.rounds, "steps": self.steps})
        self.replay.save(folder / REPLAY)

    def load(self, folder: Path) -> None:
        """Restore what :meth:`save` wrote, so that acting and learning continue bit for bit.

        Without the file of own transitions, only acting can continue.

        Raises:
            RunError: the folder holds something else, or sizes differ.
        """
        counters = load_state(folder, self._parts())
        if (folder / REPLAY).exists():
            self.replay.load(folder / REPLAY)
        self.rounds, self.steps = integers(folder, counters, "rounds", "steps")

    def _parts(self) -> dict[str, Part]:
        return {
            "policy": self.policy,
            "inverse": self.inverse,
            "policy_optimizer": self.policy_optimizer,
            "inverse_optimizer": self.inverse_optimizer,
            "generator": self.generator,
        }


def changes(states: Tensor, following: Tensor) -> Tensor:
    """Input of the inverse dynamics (B, 2 s): a state, and how it changes until the next one."""
    return torch.cat((states, following - states), dim=-1)
