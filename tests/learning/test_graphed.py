"""Gradient steps as CUDA graphs, whose capture a CPU emulates by calling the function again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from nil_core import registry
from nil_core.api import AgentSpec, Transitions
from nil_core.learning import OffPolicyAgent
from nil_core.learning.graphed import WARMUP_CALLS, GraphedCallable, Outputs, Replay
from nil_core.testing import random_transitions

OBSERVATION, ACTION = 6, 2
OPTIONS: dict[str, dict[str, Any]] = {
    "sac": {"compiled": False},
    "bro": {"learning_starts": 0, "critic_width": 16, "actor_width": 8, "quantiles": 5, "resets": [50]},
}


def make_agent(name: str) -> OffPolicyAgent:
    options = {**OPTIONS[name], "replay_ratio": 2.0, "batch_size": 16, "buffer_size": 500}
    agent = registry.build("agent", name, options, AgentSpec(OBSERVATION, ACTION, 1, 9, 99, 0))
    assert isinstance(agent, OffPolicyAgent)
    return agent


def transitions(count: int) -> Transitions:
    return random_transitions(count, OBSERVATION, ACTION, seed=count)


class Recorder:
    """As CUDA, a capture does not run the function, and every replay writes its outputs to the same tensors."""

    def __init__(self, outputs: int) -> None:
        self.captures, self.replays, self._outputs = 0, 0, outputs

    def __call__(self, function: Callable[[], Outputs]) -> tuple[Outputs, Replay]:
        self.captures += 1
        static_outputs = tuple(torch.full((), torch.nan) for _ in range(self._outputs))

        def replay() -> None:
            self.replays += 1
            for static, output in zip(static_outputs, function(), strict=True):
                static.copy_(output)

        return static_outputs, replay


@pytest.mark.parametrize(("name", "captures"), [("sac", 1), ("bro", 2)])  # bro's reset creates new tensors
def test_a_captured_agent_learns_the_same(name: str, captures: int) -> None:
    plain, captured = make_agent(name), make_agent(name)
    recorder = captured.capture = Recorder(len(captured.metrics))
    for agent in (plain, captured):
        agent.observe(transitions(30))
    for step in range(1, 12):
        reports = []
        for agent in (plain, captured):
            agent.observe(transitions(5))
            reports.append(agent.update(5))
        assert reports[0] == reports[1], step
    assert recorder.captures == captures
    assert recorder.replays == 11 * 10 - captures * WARMUP_CALLS
    for part, same in zip(plain.parts().values(), captured.parts().values(), strict=True):
        for one, other in zip(part.state_dict().values(), same.state_dict().values(), strict=True):  # type: ignore[union-attr]
            assert torch.equal(one, other)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_gradient_step_never_reads_back_from_the_device(name: str) -> None:
    """Reading the value of a fake tensor is an error, as it is in a CUDA graph."""
    agent = make_agent(name)
    agent.observe(transitions(200))
    batch = agent.replay.sample(1, 16, agent.generator)[0]
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        noise = torch.randn(agent.noise_draws, 16, ACTION)
        reports = agent.gradient_step(agent.replay.batch(fake.from_tensor(batch.rows)), noise)
    assert [report.shape for report in reports] == [()] * len(agent.metrics)


def test_a_failed_capture_is_logged_once_and_the_function_called(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(function: Callable[[], Outputs]) -> tuple[Outputs, Replay]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    def double(x: Tensor) -> Outputs:
        return (2 * x,)

    graphed = GraphedCallable(double, refuse)
    with caplog.at_level(logging.WARNING):
        assert [graphed(torch.tensor(float(x)))[0].item() for x in range(6)] == [0, 2, 4, 6, 8, 10]
    assert caplog.messages == [
        "gradient steps are slower: the CUDA graph could not be captured: "
        "operation not permitted when stream is capturing"
    ]
