"""nil's agents on any task: training in a plain ``dm_env.Environment`` with a reward of its own, no video.

::

    from dm_control import suite
    from nil_core import Plan, learn, registry

    curve = learn(
        lambda setting: registry.build("agent", "bro-fast", {}, setting),
        lambda seed: suite.load("pendulum", "swingup", task_kwargs={"random": seed}),
        Path("runs/pendulum"),
        Plan(steps=100_000),
    )
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dm_env
import numpy as np

from nil_core.errors import DataError, NumericalError, RunError
from nil_core.interfaces import Agent
from nil_core.reporting import Lines, Reporter
from nil_core.storage import log
from nil_core.storage.atomic import write_json
from nil_core.storage.lock import run_lock
from nil_core.train import checkpoint
from nil_core.train.checkpoint import LoopState
from nil_core.train.interrupts import catch_interrupts
from nil_core.train.stopwatch import Stopwatch
from nil_core.types import AgentSpec, Floats, Transitions

REPORT_SECONDS = 1.0
TRAINING, EVALUATION = 0, 1  # streams of seeds

MakeEnvironment = Callable[[int], dm_env.Environment]
"""A seed to an environment whose every episode that seed alone determines."""

MakeAgent = Callable[[AgentSpec], Agent]


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        steps: environment steps.
        seed: of agent and environments.
        horizon: control steps in a full episode, for the agents that ask.
        device: ``cpu``, ``cuda`` ...
        log_every: environment steps between training lines of ``metrics.jsonl``.
        eval_every: environment steps between evaluations of the agent's mode.
        eval_episodes: episodes of each; always from the same starts.
        checkpoint_every: environment steps between checkpoints.
        keep: newest checkpoints that are kept.
    """

    steps: int
    seed: int = 0
    horizon: int = 1000
    device: str = "cpu"
    log_every: int = 1000
    eval_every: int = 5000
    eval_episodes: int = 5
    checkpoint_every: int = 5000
    keep: int = 1


class FlatEnvironment:
    """A ``dm_env.Environment`` as agents see it: one float32 vector in, one out, actions in [-1, 1].

    Args:
        environment: observations are numbers or arrays by name, or one array; the action is one bounded array.

    Attributes:
        observation_size, action_size: lengths of the vectors.

    Raises:
        DataError: an action without finite bounds.
    """

    def __init__(self, environment: dm_env.Environment) -> None:
        self._environment = environment
        spec = environment.action_spec()
        shape = spec.shape
        self._low = np.broadcast_to(getattr(spec, "minimum", -np.inf), shape).ravel().astype(np.float64)
        self._high = np.broadcast_to(getattr(spec, "maximum", np.inf), shape).ravel().astype(np.float64)
        if not (np.isfinite(self._low).all() and np.isfinite(self._high).all()):
            raise DataError(
                f"the environment's action {spec} is not bounded, and agents act in [-1, 1]",
                "wrap the environment so that its action_spec() is a dm_env.specs.BoundedArray",
            )
        self._spec = spec
        self.action_size = len(self._low)
        self.observation_size = len(_flat(environment.reset().observation))

    def reset(self) -> Floats:
        """Begin an episode: its first observation (obs,)."""
        return _flat(self._environment.reset().observation)

    def step(self, action: Floats) -> tuple[Floats, float, bool, bool]:
        """Act (act,) in [-1, 1].

        Returns:
            the observation (obs,); the reward; whether the episode terminated, so that nothing beyond counts (its last
            discount is 0); whether it was cut off.
        """
        scaled = self._low + (np.asarray(action, np.float64) + 1) / 2 * (self._high - self._low)
        now = self._environment.step(scaled.reshape(self._spec.shape).astype(self._spec.dtype))
        ended = now.last()
        terminated = ended and now.discount == 0
        return _flat(now.observation), float(now.reward or 0.0), terminated, ended and not terminated


def learn(
    make_agent: MakeAgent, make_environment: MakeEnvironment, folder: Path, plan: Plan, reporter: Reporter | None = None
) -> list[dict[str, Any]]:
    """Train an agent, or go on where the newest checkpoint of the folder stands: to the byte, if the agent can.

    Ctrl-C saves and returns. An environment's state need not be saved: each episode is made from a seed of its own, and
    the actions of the running one are taken again.

    Args:
        make_agent: constructs the agent.
        make_environment: constructs an environment from a seed.
        folder: gets ``plan.json``, ``metrics.jsonl`` (by step, no clock), ``timing.jsonl``, ``checkpoints/``.
        plan: how. A later call may raise ``steps``.
        reporter: who to tell; plain lines by default.

    Returns:
        the evaluations so far: ``step``, ``return`` (mean over the episodes), ``return_std``, ``episode_length``.

    Raises:
        RunError: the folder holds a run of another plan, or another process learns in it.
        DataError: an environment that no agent can act in, or that is not the same again.
        NumericalError: a reward or a loss that is not finite; the state that led to it is in ``checkpoints/failed``.
    """
    with run_lock(folder):
        loop = _Loop(make_agent, make_environment, folder, plan, reporter or Lines())
        with catch_interrupts(loop.stop):
            loop.run()
    return [row for row in log.read(loop.metrics) if row["kind"] == "eval"]


class _Loop:
    def __init__(
        self, make_agent: MakeAgent, make_environment: MakeEnvironment, folder: Path, plan: Plan, reporter: Reporter
    ) -> None:
        _claim(folder, plan)
        self.plan = plan
        self.metrics, self.timing = folder / "metrics.jsonl", folder / "timing.jsonl"
        self._checkpoints = folder / "checkpoints"
        self._make = make_environment
        self._reporter = reporter
        self._watch = Stopwatch()
        self._sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        self._shown: dict[str, float] = {}
        self._stopping = False
        self.step = 0
        self._episode, self._return = 0, 0.0
        self._actions: list[Floats] = []  # of the running episode
        self._environment = self._fresh(TRAINING, 0)
        self._observation = self._environment.reset()
        sizes = self._environment.observation_size, self._environment.action_size
        self._agent = make_agent(AgentSpec(*sizes, 1, plan.horizon, plan.steps, plan.seed, plan.device))
        if checkpoint.steps(self._checkpoints):
            self._resume()
        for file in (self.metrics, self.timing):
            log.cut_back(file, self.step)

    def stop(self) -> None:
        self._stopping = True

    def run(self) -> None:
        then, before = time.perf_counter(), self.step
        if not log.read(self.metrics):
            self._evaluate()
        try:
            while self.step < self.plan.steps and not self._stopping:
                self._one_step()
                if self._due(self.plan.log_every):
                    self._log()
                if self._due(self.plan.eval_every):
                    self._evaluate()
                if self._due(self.plan.checkpoint_every) and self.step < self.plan.steps:
                    self._save()
                if (elapsed := time.perf_counter() - then) > REPORT_SECONDS:
                    rate = (self.step - before) / elapsed
                    rates = {"steps_per_second": rate, "seconds_left": (self.plan.steps - self.step) / rate}
                    self._reporter.learning(self.step, self.plan.steps, self._shown, rates)
                    then, before = time.perf_counter(), self.step
        except NumericalError as error:
            path = self._checkpoints / checkpoint.FAILED
            checkpoint.write(path, self._agent, self._state())
            raise NumericalError(error.message, f"the state that led to it is in {path}") from None
        self._save()

    def _one_step(self) -> None:
        with self._watch.timing("act"):
            action = self._agent.act(self._observation[None], explore=True)[0].copy()
        with self._watch.timing("simulate"):
            following, reward, terminated, truncated = self._environment.step(action)
        if not np.isfinite(reward):
            raise NumericalError(f"the reward is not a number at step {self.step}")
        self._actions.append(action)
        self._return += reward
        with self._watch.timing("update"):
            self._agent.observe(
                Transitions(
                    self._observation[None],
                    action[None],
                    np.array([reward], np.float32),
                    following[None],
                    np.array([terminated]),
                    np.array([truncated]),
                )
            )
            for name, value in self._agent.update(1).items():
                self._add(name, value)
        self._observation = following
        self.step += 1
        if terminated or truncated:
            self._next_episode()

    def _next_episode(self) -> None:
        self._add("return", self._return)
        self._add("episode_length", len(self._actions))
        self._episode += 1
        self._return = 0.0
        self._actions = []
        with self._watch.timing("simulate"):
            self._environment = self._fresh(TRAINING, self._episode)
            self._observation = self._environment.reset()

    def _evaluate(self) -> None:
        returns, lengths = [], []
        with self._watch.timing("evaluate"):
            for episode in range(self.plan.eval_episodes):
                environment = self._fresh(EVALUATION, episode)
                observation, over, total, length = environment.reset(), False, 0.0, 0
                while not over:
                    action = self._agent.act(observation[None], explore=False)[0]
                    observation, reward, terminated, truncated = environment.step(action)
                    total, length, over = total + reward, length + 1, terminated or truncated
                returns.append(total)
                lengths.append(length)
        values = {
            "return": float(np.mean(returns)),
            "return_std": float(np.std(returns)),
            "episode_length": float(np.mean(lengths)),
        }
        log.append(self.metrics, {"step": self.step, "kind": "eval", **values})
        self._reporter.say(f"step {self.step}: return {values['return']:.1f} ± {values['return_std']:.1f}")

    def _log(self) -> None:
        self._shown = {name: total / count for name, (total, count) in self._sums.items()}
        self._sums.clear()
        log.append(self.metrics, {"step": self.step, "kind": "train", **self._shown})
        seconds, parts = self._watch.look()
        log.append(self.timing, {"step": self.step, "seconds": seconds, **parts})

    def _add(self, name: str, value: float) -> None:
        entry = self._sums[name]
        entry[0] += value
        entry[1] += 1

    def _due(self, every: int) -> bool:
        return every > 0 and self.step % every == 0

    def _fresh(self, stream: int, episode: int) -> FlatEnvironment:
        seed = np.random.SeedSequence((self.plan.seed, stream, episode)).generate_state(1)[0]
        return FlatEnvironment(self._make(int(seed)))

    def _save(self) -> None:
        checkpoint.save(self._checkpoints, self._agent, self._state(), self.plan.keep)

    def _state(self) -> LoopState:
        width = self._environment.action_size
        actions = np.array(self._actions, np.float32).reshape(len(self._actions), width)
        arrays = {"actions": actions, "observation": self._observation}
        return LoopState(self.step, {"episode": self._episode, "sums": dict(self._sums)}, arrays)

    def _resume(self) -> None:
        state = checkpoint.load(checkpoint.newest(self._checkpoints), self._agent)
        self.step, self._episode = state.step, state.values["episode"]
        self._sums.update({name: list(entry) for name, entry in state.values["sums"].items()})
        self._environment = self._fresh(TRAINING, self._episode)
        self._observation = self._environment.reset()
        for action in state.arrays["actions"]:
            self._observation, reward, _, _ = self._environment.step(action)
            self._actions.append(action)
            self._return += reward
        if not np.array_equal(self._observation, state.arrays["observation"]):
            raise DataError(
                "the environment does not come again to where the run stood, so it cannot be gone on exactly",
                "make_environment(seed) must give the same episode for the same seed and actions",
            )
        self._reporter.say(f"going on from step {self.step}")


def _claim(folder: Path, plan: Plan) -> None:
    """Write down the plan, or find that the folder's run may be gone on with."""
    path = folder / "plan.json"
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [k for k, v in asdict(plan).items() if before.get(k) != v and k not in ("steps", "keep")]
        if changed:
            raise RunError(f"{folder} holds a run with another {', '.join(changed)}", "choose another folder")
    write_json(path, asdict(plan))


def _flat(observation: Any) -> Floats:
    """Numbers and arrays, by name in the environment's order or alone, as one float32 vector."""
    parts = list(observation.values()) if hasattr(observation, "values") else [observation]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)
