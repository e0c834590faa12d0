"""Milliseconds per gradient step of the agent ``sac``, beside the same algorithm written the ordinary way.

The ordinary way: two critics of ``nn.Sequential`` run one after the other, plain ``Adam`` (torch's default), one
replay draw, one target loop and five ``.item()`` per step. Stable-Baselines3's SAC joins if it is installed (its
networks have no layer normalisation, so it computes less). One thread; best of several rounds that take turns, so
that a busy machine slows all alike.

    python benchmarks/sac_update.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nil_agent_sac import SacOptions
from nil_agent_sac.soft_actor_critic import SoftActorCritic
from nil_core.api import AgentSetting, Transitions

ROUNDS, STEPS, STORED = 10, 100, 20_000
ROBOTS = {"a1": (85, 12), "g1": (100, 29)}


def random_transitions(observation_size: int, action_size: int) -> Transitions:
    """As many as the replay buffers hold, all normal noise."""
    rng = np.random.default_rng(0)
    return Transitions(
        observations=rng.standard_normal((STORED, observation_size), np.float32),
        actions=rng.uniform(-1, 1, (STORED, action_size)).astype(np.float32),
        rewards=rng.standard_normal(STORED, np.float32),
        next_observations=rng.standard_normal((STORED, observation_size), np.float32),
        terminations=rng.random(STORED) < 0.02,
        truncations=np.zeros(STORED, np.bool_),
    )


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """Two hidden layers of 128 with layer normalisation."""
    return nn.Sequential(
        *(nn.Linear(inputs, 128), nn.LayerNorm(128), nn.ReLU()),
        *(nn.Linear(128, 128), nn.LayerNorm(128), nn.ReLU()),
        nn.Linear(128, outputs),
    )


class OrdinarySac:
    """Soft actor-critic as most tutorials write it, with the options of the agent's defaults."""

    def __init__(self, data: Transitions) -> None:
        observation_size, action_size = data.observations.shape[1], data.actions.shape[1]
        self.data, self.rng = data, np.random.default_rng(0)
        self.actor = perceptron(observation_size, 2 * action_size)
        self.critics = [perceptron(observation_size + action_size, 1) for _ in range(2)]
        self.targets = deepcopy(self.critics)
        self.log_temperature = torch.tensor(np.log(0.02), dtype=torch.float32, requires_grad=True)
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), 1e-3)
        self.critic_optimiser = torch.optim.Adam([p for critic in self.critics for p in critic.parameters()], 1e-3)
        self.temperature_optimiser = torch.optim.Adam([self.log_temperature], 1e-3)
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
        going_on = torch.from_numpy(~data.terminations[rows])[:, None].float()

        temperature = self.log_temperature.exp().detach()
        with torch.no_grad():
            next_actions, next_log_prob = self.sample(next_observations)
            inputs = torch.cat([next_observations, next_actions], -1)
            value = torch.min(*(target(inputs) for target in self.targets)) - temperature * next_log_prob
            goal = rewards + 0.9 * going_on * value
        inputs = torch.cat([observations, actions], -1)
        values = [critic(inputs) for critic in self.critics]
        critic_loss = sum(functional.mse_loss(value, goal) for value in values) / 2
        self.critic_optimiser.zero_grad()
        critic_loss.backward()
        self.critic_optimiser.step()

        new_actions, log_prob = self.sample(observations)
        inputs = torch.cat([observations, new_actions], -1)
        actor_loss = (temperature * log_prob - torch.min(*(critic(inputs) for critic in self.critics))).mean()
        self.actor_optimiser.zero_grad()
        actor_loss.backward()
        self.actor_optimiser.step()

        temperature_loss = -(self.log_temperature * (log_prob + self.target_entropy).detach()).mean()
        self.temperature_optimiser.zero_grad()
        temperature_loss.backward()
        self.temperature_optimiser.step()

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


def ours(data: Transitions) -> Callable[[int], object]:
    """The agent, called as the loop calls it with four environments."""
    setting = AgentSetting(data.observations.shape[1], data.actions.shape[1], 4, 62, 50_000, seed=0)
    agent = SoftActorCritic(SacOptions(), setting)
    agent.observe(data)
    return lambda steps: [agent.update(4) for _ in range(steps // 4)]


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


def milliseconds(candidates: dict[str, Callable[[int], object]]) -> dict[str, float]:
    """Best time per gradient step of each, over rounds that take turns."""
    best = dict.fromkeys(candidates, float("inf"))
    for _ in range(ROUNDS):
        for name, update in candidates.items():
            start = time.perf_counter()
            update(STEPS)
            best[name] = min(best[name], (time.perf_counter() - start) / STEPS * 1e3)
    return best


def main() -> None:
    """Print a markdown table."""
    torch.set_num_threads(1)
    print("| observation, action | implementation | ms per gradient step | speed-up |\n|---|---|---|---|")
    for observation_size, action_size in ROBOTS.values():
        data = random_transitions(observation_size, action_size)
        candidates = {"ordinary": OrdinarySac(data).update, "sac": ours(data)}
        if (baselines := stable_baselines3(data)) is not None:
            candidates["stable-baselines3 (no layer norm)"] = baselines
        best = milliseconds(candidates)
        for name, cost in best.items():
            ratio = f"{best['ordinary'] / cost:.2f}"
            print(f"| {observation_size}, {action_size} | {name} | {cost:.2f} | {ratio} |")


if __name__ == "__main__":
    main()
