"""Behavioral cloning from observation (Torabi et al. 2018, arXiv 1805.01954): BCO(alpha)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
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

    The inverse dynamics, the distribution of the action given a state and the next one, are fitted to own transitions.
    They label the demonstrated transitions, and the policy is fitted to the labels. Gradient steps are spread evenly
    over the environment steps, and labels are those of the newest inverse dynamics.

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
        self.steps = 0  # of the environments

    @cached_property
    def demonstrations(self) -> tuple[Tensor, Tensor]:
        """Demonstrated states (B, s) and the next ones; the first access sets the normalization of states."""
        found = demonstrated(self.options.demonstrations.expanduser(), self.spec)
        states, following = (torch.from_numpy(rows).to(self.device) for rows in found)
        if not self.policy.normalizer.count:
            self.policy.normalizer.update(states)
        return states, following

    @property
    def is_exploring(self) -> bool:
        """Whether all actions are random."""
        return self.steps < self.exploration_steps

    @property
    def random_share(self) -> float:
        """Probability of a random action in the running round; 0 after the only round of alpha 0."""
        options, later = self.options, self.steps - self.exploration_steps
        if self.is_exploring:
            return 1.0
        if not options.alpha:
            return 0.0
        rounds = later // max(1, round(options.alpha * self.exploration_steps))
        return float(options.random_share * options.random_decay**rounds)

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
        """Remember the states and actions, for the inverse dynamics; with alpha 0 those of the exploration only."""
        if not (self.is_exploring or self.options.alpha):
            return
        before, after = (rows[:, self._columns] for rows in (transitions.observations, transitions.next_observations))
        self.replay.add(replace(transitions, observations=before, next_observations=after))
        if self.is_exploring:
            change = changes(torch.from_numpy(before), torch.from_numpy(after))
            self.inverse.normalizer.update(change.to(self.device))

    def update(self, steps: int) -> Mapping[str, float]:
        """Make ``replay_ratio`` gradient steps per environment step on the inverse dynamics, then on the policy.

        The policy learns as soon as the exploration is over.

        Returns:
            ``inverse_loss`` and ``policy_loss``, means over the gradient steps, and ``random_share``; empty if there
            were none.

        Raises:
            DataError: the demonstrations cannot be read or do not fit.
            NumericalError: a loss is not finite.
        """
        ratio, before = Fraction(str(self.options.replay_ratio)), self.steps
        self.steps += steps
        due = int(ratio * self.steps) - int(ratio * before)
        if not due or not len(self.replay):
            return {}
        with cpu_threads(self.options.threads):
            losses = {"inverse_loss": self._learn_inverse(due)}
            if not self.is_exploring:
                losses["policy_loss"] = self._learn_policy(due)
        return checked_metrics("bco", losses | {"random_share": self.random_share})

    def _learn_inverse(self, count: int) -> float:
        """Take gradient steps on own transitions; the mean loss."""
        losses = []
        for batch in self.replay.sample(count, self.options.batch_size, self.generator):
            loss = self.inverse.loss(changes(batch.observations, batch.next_observations), batch.actions)
            self.inverse_optimizer.minimize(loss)
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def _learn_policy(self, count: int) -> float:
        """Take gradient steps on demonstrated states and inferred actions; the mean loss."""
        states, following = self.demonstrations
        size = count, self.options.batch_size
        losses = []
        for rows in torch.randint(len(states), size, generator=self.generator, device=self.device):
            with torch.no_grad():
                labels = self.inverse(changes(states[rows], following[rows]))
            loss = self.policy.loss(states[rows], labels)
            self.policy_optimizer.minimize(loss)
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def save(self, folder: Path) -> None:
        """Write networks, optimizers, random state, counters and own transitions."""
        save_state(folder, self._parts(), {"steps": self.steps})
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
        (self.steps,) = integers(folder, counters, "steps")

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
