"""Gradient steps as graphs: what the learners do around a capture, which a CPU plays by calling the function again."""

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
from nil_core.learning import ReplayLearner
from nil_core.learning.graphed import WARM_UPS, Graphed, Outputs, Replay
from nil_core.testing import random_transitions

OBSERVATION, ACTION = 6, 2
OPTIONS: dict[str, dict[str, Any]] = {
    "sac": {"compiled": False},
    "bro": {"warmup": 0, "critic_width": 16, "actor_width": 8, "quantiles": 5, "resets": [50]},
}


def learner(name: str) -> ReplayLearner:
    options = {**OPTIONS[name], "replay_ratio": 2.0, "batch": 16, "capacity": 500}
    agent = registry.build("agent", name, options, AgentSpec(OBSERVATION, ACTION, 1, 9, 99, 0))
    assert isinstance(agent, ReplayLearner)
    return agent


def noise(count: int) -> Transitions:
    return random_transitions(count, OBSERVATION, ACTION, seed=count)


class Recorder:
    """A capture that, like CUDA's, does not run what it records, and writes every replay's outputs to one place."""

    def __init__(self, outputs: int) -> None:
        self.captures, self.replays, self._outputs = 0, 0, outputs

    def __call__(self, function: Callable[[], Outputs]) -> tuple[Outputs, Replay]:
        self.captures += 1
        places = tuple(torch.full((), torch.nan) for _ in range(self._outputs))

        def replay() -> None:
            self.replays += 1
            for place, output in zip(places, function(), strict=True):
                place.copy_(output)

        return places, replay


@pytest.mark.parametrize(("name", "captures"), [("sac", 1), ("bro", 2)])  # bro's reset brings other tensors
def test_a_captured_learner_learns_what_a_plain_one_does(name: str, captures: int) -> None:
    plain, captured = learner(name), learner(name)
    recorder = captured.capture = Recorder(len(captured.metrics))
    for agent in (plain, captured):
        agent.observe(noise(30))
    for step in range(1, 12):
        reports = []
        for agent in (plain, captured):
            agent.observe(noise(5))
            reports.append(agent.update(5))
        assert reports[0] == reports[1], step
    assert recorder.captures == captures
    assert recorder.replays == 11 * 10 - captures * WARM_UPS
    for part, same in zip(plain.parts().values(), captured.parts().values(), strict=True):
        for one, other in zip(part.state_dict().values(), same.state_dict().values(), strict=True):  # type: ignore[union-attr]
            assert torch.equal(one, other)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_gradient_step_never_reads_back_from_the_device(name: str) -> None:
    """Of a fake tensor no value can be read: neither a graph nor a GPU that is to run ahead allows it."""
    agent = learner(name)
    agent.observe(noise(200))
    batch = agent.replay.sample(1, 16, agent.generator)[0]
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        noises = torch.randn(agent.draws, 16, ACTION)
        reports = agent.gradient_step(agent.replay.batch(fake.from_tensor(batch.rows)), noises)
    assert [report.shape for report in reports] == [()] * len(agent.metrics)


def test_what_cannot_be_captured_is_called_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(function: Callable[[], Outputs]) -> tuple[Outputs, Replay]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    def double(x: Tensor) -> Outputs:
        return (2 * x,)

    graphed = Graphed(double, refuse)
    with caplog.at_level(logging.WARNING):
        assert [graphed(torch.tensor(float(x)))[0].item() for x in range(6)] == [0, 2, 4, 6, 8, 10]
    assert caplog.messages == [
        "gradient steps are slower than they need be: no CUDA graph: operation not permitted when stream is capturing"
    ]
