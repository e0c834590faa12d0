"""n-step returns of the replay buffer against their definition, on interleaved episodes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nil_core.errors import RunError
from nil_core.learning import ReplayBuffer
from nil_core.types import Transitions

GAMMA = 0.9


@dataclass(frozen=True)
class Step:
    """One transition; its observations are numbers that occur nowhere else."""

    env: int
    observation: float
    next_observation: float
    reward: float
    terminated: bool
    truncated: bool


class Envs:
    """Environments whose steps come in any order, each with its own episodes."""

    def __init__(self, num_envs: int, rng: np.random.Generator) -> None:
        self.rng, self.numbers = rng, iter(range(1, 10**6))
        self.observations = [float(next(self.numbers)) for _ in range(num_envs)]

    def step(self) -> Step:
        env = int(self.rng.integers(len(self.observations)))
        terminated, truncated = bool(self.rng.random() < 0.1), bool(self.rng.random() < 0.1)
        next_observation = float(next(self.numbers))
        step = Step(
            env, self.observations[env], next_observation, float(self.rng.standard_normal()), terminated, truncated
        )
        self.observations[env] = float(next(self.numbers)) if terminated or truncated else next_observation
        return step


def transitions(steps: list[Step]) -> Transitions:
    def column(name: str) -> np.ndarray:
        return np.array([getattr(step, name) for step in steps])

    return Transitions(
        observations=column("observation").astype(np.float32).reshape(-1, 1),
        actions=np.zeros((len(steps), 1), np.float32),
        rewards=column("reward").astype(np.float32),
        next_observations=column("next_observation").astype(np.float32).reshape(-1, 1),
        terminations=column("terminated").astype(bool),
        truncations=column("truncated").astype(bool),
    )


def by_definition(stored: list[Step], n_step: int) -> dict[float, tuple[float, float, float]]:
    """For each stored transition, by observation: return, next observation and discount."""
    expected = {}
    for i, first in enumerate(stored):
        total, discount, last = 0.0, 1.0, first
        following = [first, *(step for step in stored[i + 1 :] if step.env == first.env)]
        for step in following[:n_step]:
            total += discount * step.reward
            discount, last = discount * GAMMA, step
            if step.terminated or step.truncated:
                break
        expected[first.observation] = total, last.next_observation, 0.0 if last.terminated else discount
    return expected


def check(buffer: ReplayBuffer, stored: list[Step], n_step: int) -> None:
    expected = by_definition(stored, n_step)
    batch = buffer.sample(1, 40 * len(stored), torch.Generator().manual_seed(0))[0]
    columns = batch.observations[:, 0], batch.rewards, batch.next_observations[:, 0], batch.discounts
    found = {row[0]: row[1:] for row in zip(*(column.tolist() for column in columns), strict=True)}
    assert found.keys() <= expected.keys()
    assert len(found) >= 0.9 * len(expected)
    for observation, values in found.items():
        assert values == pytest.approx(expected[observation], rel=1e-5, abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    buffer_size=st.integers(1, 40),
    num_envs=st.integers(1, 4),
    n_step=st.integers(1, 6),
    counts=st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any),
    save_after=st.integers(0, 6),
    seed=st.integers(0, 999),
)
def test_returns_are_those_of_the_definition(
    buffer_size: int, num_envs: int, n_step: int, counts: list[int], save_after: int, seed: int
) -> None:
    envs, steps = Envs(num_envs, np.random.default_rng(seed)), []
    buffer = ReplayBuffer(buffer_size, 1, 1, GAMMA, "cpu", n_step=n_step)
    for i, count in enumerate(counts):
        new = [envs.step() for _ in range(count)]
        buffer.add(transitions(new))
        steps += new
        if i == save_after:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "replay.safetensors")
                buffer.save(path)
                buffer = ReplayBuffer(buffer_size, 1, 1, GAMMA, "cpu", n_step=n_step)
                buffer.load(path)
    check(buffer, steps[-buffer_size:], n_step)


def test_transitions_of_equal_observations_get_shorter_returns() -> None:
    """Two transitions lead to the same observation: the one added last gets the successor, before and after loading."""
    buffer = ReplayBuffer(10, 1, 1, GAMMA, "cpu", n_step=3)
    buffer.add(transitions([Step(0, 1.0, 3.0, 1.0, False, False), Step(1, 2.0, 3.0, 10.0, False, False)]))
    buffer.add(transitions([Step(1, 3.0, 4.0, 100.0, False, False)]))
    batch = buffer.sample(1, 100, torch.Generator().manual_seed(0))[0]
    returns = dict(zip(batch.observations[:, 0].tolist(), batch.rewards.tolist(), strict=True))
    assert returns == pytest.approx({1.0: 1.0, 2.0: 100.0, 3.0: 100.0})


def test_a_buffer_of_another_n_step_is_refused(tmp_path: Path) -> None:
    one, three = (ReplayBuffer(10, 1, 1, GAMMA, "cpu", n_step=n_step) for n_step in (1, 3))
    for saved, other in ((one, three), (three, one)):
        saved.add(transitions([Step(0, 1.0, 2.0, 1.0, False, False)]))
        saved.save(tmp_path / "replay.safetensors")
        with pytest.raises(RunError, match="successors"):
            other.load(tmp_path / "replay.safetensors")
