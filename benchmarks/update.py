"""Milliseconds per gradient step of ``sac`` and ``bro``, compared with plain implementations of the same algorithms.

Plain: two critics of ``nn.Sequential`` run one after the other, ``Adam`` (torch's default), one replay draw, one loop
over the targets and five ``.item()`` per step; for BRO also every pair of quantiles as a table. Stable-Baselines3's SAC
is included if it is installed (its networks have no layer normalization, so it computes less). Rounds alternate, so
that other load on the machine affects all alike. CPU seconds are those of this process.

    python benchmarks/update.py --threads 0 1 2 --rounds 5

With 0 threads each uses its own default: the plain implementations torch's, one for each core.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Mapping
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nil_core import registry
from nil_core.api import AgentSpec, Transitions
from nil_core.testing import random_transitions

STORED = 20_000
NUM_ENVS = 2  # of the default run
SIZES = ((70, 12), (100, 29))  # of observations and actions


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers of 128 with layer normalization."""
    return nn.Sequential(
        *(nn.Linear(inputs, 128), nn.LayerNorm(128), nn.ReLU()),
        *(nn.Linear(128, 128), nn.LayerNorm(128), nn.ReLU()),
        nn.Linear(128, outputs),
    )


class PlainSac:
    """Soft actor-critic as in most tutorials, with the agent's default options."""

    def __init__(self, data: Transitions) -> None:
        observation_size, action_size = data.observations.shape[1], data.actions.shape[1]
        self.data, self.rng = data, np.random.default_rng(0)
        self.actor = mlp(observation_size, 2 * action_size)
        self.critics = [mlp(observation_size + action_size, 1) for _ in range(2)]
        self.targets = deepcopy(self.critics)
        self.log_temperature = torch.tensor(np.log(0.02), dtype=torch.float32, requires_grad=True)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), 1e-3)
        self.critic_optimizer = torch.optim.Adam([p for critic in self.critics for p in critic.parameters()], 1e-3)
        self.temperature_optimizer = torch.optim.Adam([self.log_temperature], 1e-3)
        self.target_entropy = -0.3 * action_size

    def sample(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and their log densities."""
        mean, log_std = self.actor(observations).chunk(2, dim=-1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-5, 2).exp())
        u = normal.rsample()
        log_prob = normal.log_prob(u) - 2 * (np.log(2) - u - functional.softplus(-2 * u))
        return torch.tanh(u), log_prob.sum(-1, keepdim=True)

    def update(self, steps: int) -> None:
        """``steps`` gradient steps."""
        for _ in range(steps):
            self.step()

    def step(self) -> dict[str, float]:
        """One gradient step."""
        data, rows = self.data, self.rng.integers(STORED, size=128)
        observations = torch.from_numpy(data.observations[rows])
        actions = torch.from_numpy(data.actions[rows])
        rewards = torch.from_numpy(data.rewards[rows])[:, None]
        next_observations = torch.from_numpy(data.next_observations[rows])
        not_terminated = torch.from_numpy(~data.terminations[rows])[:, None].float()

        temperature = self.log_temperature.exp().detach()
        with torch.no_grad():
            next_actions, next_log_prob = self.sample(next_observations)
            inputs = torch.cat([next_observations, next_actions], -1)
            value = torch.min(*(target(inputs) for target in self.targets)) - temperature * next_log_prob
            td_target = rewards + 0.9 * not_terminated * value
        inputs = torch.cat([observations, actions], -1)
        values = [critic(inputs) for critic in self.critics]
        critic_loss = sum(functional.mse_loss(value, td_target) for value in values) / 2
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()

        new_actions, log_prob = self.sample(observations)
        inputs = torch.cat([observations, new_actions], -1)
        actor_loss = (temperature * log_prob - torch.min(*(critic(inputs) for critic in self.critics))).mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()

        temperature_loss = -(self.log_temperature * (log_prob + self.target_entropy).detach()).mean()
        self.temperature_optimizer.zero_grad()
        temperature_loss.backward()
        self.temperature_optimizer.step()

        for critic, target in zip(self.critics, self.targets, strict=True):
            for new, old in zip(critic.parameters(), target.parameters(), strict=True):
                old.data.copy_(0.005 * new.data + 0.995 * old.data)
        return {
            "critic_loss": critic_loss.item(),
            "actor_loss": actor_loss.item(),
            "temperature": temperature.item(),
            "entropy": -log_prob.mean().item(),
            "q_mean": values[0].mean().item(),
        }


class PlainBroNet(nn.Module):
    """Stem, residual blocks and a head."""

    def __init__(self, inputs: int, width: int, blocks: int, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width, 1e-6), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.Linear(width, width), nn.LayerNorm(width, 1e-6), nn.ReLU()),
                *(nn.Linear(width, width), nn.LayerNorm(width, 1e-6)),
            )
            for _ in range(blocks)
        )
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


class PlainBro:
    """BRO implemented directly from the equations of its paper."""

    def __init__(self, data: Transitions) -> None:
        observation_size, action_size = data.observations.shape[1], data.actions.shape[1]
        self.data, self.rng, self.action_size = data, np.random.default_rng(0), action_size
        self.actor = PlainBroNet(observation_size, 256, 1, 2 * action_size)
        self.optimistic_actor = PlainBroNet(observation_size + action_size, 256, 1, action_size)
        self.critics = [PlainBroNet(observation_size + action_size, 512, 2, 100) for _ in range(2)]
        self.targets = deepcopy(self.critics)
        self.fractions = (torch.arange(100) + 0.5) / 100
        self.temperature, self.optimism, self.kl_weight = (
            torch.tensor(x, requires_grad=True) for x in (0.0, 0.14384, -0.015578)
        )
        critics = [p for critic in self.critics for p in critic.parameters()]
        self.critic_optimizer = torch.optim.AdamW(critics, 3e-4, weight_decay=1e-4)
        self.actor_optimizer = torch.optim.AdamW(self.actor.parameters(), 3e-4, weight_decay=1e-4)
        self.optimistic_optimizer = torch.optim.AdamW(self.optimistic_actor.parameters(), 3e-4, weight_decay=1e-4)
        self.scalar_optimizers = [
            torch.optim.Adam([scalar], rate, betas=(0.5, 0.999))
            for scalar, rate in ((self.temperature, 3e-4), (self.optimism, 3e-5), (self.kl_weight, 3e-5))
        ]

    def normal(self, observations: Tensor) -> torch.distributions.Normal:
        """Distribution of the actor before the tanh."""
        mean, raw_log_std = self.actor(observations).chunk(2, -1)
        return torch.distributions.Normal(mean, torch.exp(-10 + 6 * (1 + torch.tanh(raw_log_std))))

    @staticmethod
    def sample(normal: torch.distributions.Normal) -> tuple[Tensor, Tensor]:
        """Actions and their log densities."""
        u = normal.rsample()
        log_prob = normal.log_prob(u) - 2 * (np.log(2) - u - functional.softplus(-2 * u))
        return torch.tanh(u), log_prob.sum(-1, keepdim=True)

    def quantile_huber(self, quantiles: Tensor, td_target: Tensor) -> Tensor:
        """Quantile Huber loss over all pairs of quantiles."""
        errors = td_target[:, None, :] - quantiles[:, :, None]
        huber = torch.where(errors.abs() <= 1, 0.5 * errors**2, errors.abs() - 0.5)
        weights = (self.fractions[None, :, None] - (errors.detach() < 0).float()).abs()
        return (weights * huber).sum(1).mean()

    def update(self, steps: int) -> None:
        """``steps`` gradient steps."""
        for _ in range(steps):
            self.step()

    @staticmethod
    def minimize(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """One optimizer step."""
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def step(self) -> dict[str, float]:
        """One gradient step."""
        data, rows = self.data, self.rng.integers(STORED, size=128)
        observations = torch.from_numpy(data.observations[rows])
        actions = torch.from_numpy(data.actions[rows])
        rewards = torch.from_numpy(data.rewards[rows])[:, None]
        next_observations = torch.from_numpy(data.next_observations[rows])
        not_terminated = torch.from_numpy(~data.terminations[rows])[:, None].float()

        with torch.no_grad():
            next_actions, next_log_prob = self.sample(self.normal(next_observations))
            inputs = torch.cat([next_observations, next_actions], -1)
            value = (self.targets[0](inputs) + self.targets[1](inputs)) / 2
            td_target = rewards + 0.99 * not_terminated * (value - self.temperature.exp() * next_log_prob)
        inputs = torch.cat([observations, actions], -1)
        quantiles = [critic(inputs) for critic in self.critics]
        critic_loss = self.quantile_huber(quantiles[0], td_target) + self.quantile_huber(quantiles[1], td_target)
        self.minimize(self.critic_optimizer, critic_loss)
        for critic, target in zip(self.critics, self.targets, strict=True):
            for new, old in zip(critic.parameters(), target.parameters(), strict=True):
                old.data.copy_(0.005 * new.data + 0.995 * old.data)

        new_actions, log_prob = self.sample(self.normal(observations))
        inputs = torch.cat([observations, new_actions], -1)
        value = (self.critics[0](inputs) + self.critics[1](inputs)) / 2
        actor_loss = (self.temperature.exp().detach() * log_prob - value.mean(-1, keepdim=True)).mean()
        self.minimize(self.actor_optimizer, actor_loss)

        with torch.no_grad():
            normal = self.normal(observations)
        mean = normal.mean + self.optimistic_actor(torch.cat([observations, normal.mean], -1))
        optimistic = torch.distributions.Normal(mean, 0.75 * normal.stddev)
        kl = torch.distributions.kl_divergence(torch.distributions.Normal(mean, normal.stddev), normal).sum(-1).mean()
        inputs = torch.cat([observations, self.sample(optimistic)[0]], -1)
        one, other = (critic(inputs) for critic in self.critics)
        optimism, kl_weight = (torch.exp(-10 + 8.75 * (1 + torch.tanh(x))) for x in (self.optimism, self.kl_weight))
        value = ((one + other) / 2 + optimism.detach() * (one - other).abs() / 2).mean()
        self.minimize(self.optimistic_optimizer, kl_weight.detach() * kl - value)

        entropy, excess = -log_prob.mean().detach(), kl.detach() / self.action_size - 0.05
        losses = (self.temperature.exp() * (entropy + self.action_size / 2), optimism * excess, -kl_weight * excess)
        for optimizer, loss in zip(self.scalar_optimizers, losses, strict=True):
            self.minimize(optimizer, loss)
        return {
            "critic_loss": critic_loss.item(),
            "actor_loss": actor_loss.item(),
            "temperature": self.temperature.exp().item(),
            "entropy": entropy.item(),
            "q_mean": quantiles[0].mean().item(),
        }


def nil_agent(data: Transitions, name: str, steps: int, **options: object) -> Callable[[int], object]:
    """The agent of nil, called as the training loop calls it: ``steps`` environment steps at a time."""
    spec = AgentSpec(data.observations.shape[1], data.actions.shape[1], steps, 62, 50_000, seed=0)
    agent = registry.build("agent", name, {"learning_starts": 0, "buffer_size": STORED, **options}, spec)
    agent.observe(data)
    ratio = round(float(options["replay_ratio"]))  # type: ignore[arg-type]
    return lambda count: [agent.update(steps) for _ in range(math.ceil(count / steps / ratio))]


def stable_baselines3(data: Transitions) -> Callable[[int], object] | None:
    """Its SAC, or None if it is not installed."""
    try:
        import gymnasium
        from stable_baselines3 import SAC
        from stable_baselines3.common.logger import Logger
    except ImportError:
        return None

    class Spaces(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, data.observations.shape[1:], np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, data.actions.shape[1:], np.float32)

    model = SAC("MlpPolicy", Spaces(), batch_size=128, policy_kwargs={"net_arch": [128, 128]}, device="cpu")
    model.set_logger(Logger(None, []))
    columns = (data.observations, data.next_observations, data.actions, data.rewards, data.terminations)
    for observation, next_observation, action, reward, termination in zip(*columns, strict=True):
        model.replay_buffer.add(observation, next_observation, action, reward, termination, [{}])
    return lambda steps: model.train(gradient_steps=steps, batch_size=128)


def milliseconds(
    candidates: Mapping[str, Callable[[int], object]], steps: int, rounds: int
) -> dict[str, tuple[float, float]]:
    """Minimum wall and CPU time per gradient step of each, over alternating rounds."""
    best = dict.fromkeys(candidates, (math.inf, math.inf))
    for _ in range(rounds):
        for name, update in candidates.items():
            wall, cpu = time.perf_counter(), time.process_time()
            update(steps)
            elapsed = time.perf_counter() - wall, time.process_time() - cpu
            minimum = (min(old, new / steps * 1e3) for old, new in zip(best[name], elapsed, strict=True))
            best[name] = next(minimum), next(minimum)
    return best


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    columns = ["threads", "observation, action", "implementation", "wall ms", "speedup", "CPU ms", "speedup"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    for threads in given.threads:
        torch.set_num_threads(threads or os.cpu_count() or 1)
        thread_options = {"threads": threads} if threads else {}
        for observation_size, action_size in SIZES:
            data = random_transitions(STORED, observation_size, action_size)
            sac = nil_agent(data, "sac", NUM_ENVS, replay_ratio=1.0, **thread_options)
            torch_sac = nil_agent(data, "sac", NUM_ENVS, replay_ratio=1.0, compiled=False, **thread_options)
            candidates = {"sac, plain": PlainSac(data).update, "sac": sac, "sac, not compiled": torch_sac}
            if (sb3 := stable_baselines3(data)) is not None:
                candidates["sac, stable-baselines3 (no layer norm)"] = sb3
            bro = nil_agent(data, "bro", NUM_ENVS, replay_ratio=10.0, **thread_options)
            for group, steps in ((candidates, 100), ({"bro, plain": PlainBro(data).update, "bro": bro}, 20)):
                best = milliseconds(group, steps, given.rounds)
                first = next(iter(best.values()))
                for name, (wall, cpu) in best.items():
                    cells = [
                        threads or "default",
                        f"{observation_size}, {action_size}",
                        name,
                        f"{wall:.2f}",
                        f"{first[0] / wall:.2f}",
                    ]
                    cells += [f"{cpu:.2f}", f"{first[1] / cpu:.2f}"]
                    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
