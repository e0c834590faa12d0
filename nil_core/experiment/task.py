"""Training of nil's agents on any dm_env or gymnasium task, with the reward of the task and without video.

::

    from dm_control import suite
    from nil_core import TaskSettings, registry, train_on_task

    curve = train_on_task(
        lambda spec: registry.build("agent", "bro-fast", {}, spec),
        lambda seed: suite.load("pendulum", "swingup", task_kwargs={"random": seed}),
        Path("runs/pendulum"),
        TaskSettings(steps=100_000),
    )
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nil_core.config import RunConfig, TrainingSettings
from nil_core.errors import RunError
from nil_core.evaluation.rollout import Episode, rollout
from nil_core.experiment.evaluator import deterministic_policy
from nil_core.hooks import Hooks
from nil_core.interfaces import Agent
from nil_core.reporting import Lines, Reporter
from nil_core.reward.cards import EnvironmentOptions
from nil_core.reward.environment import EnvironmentReward
from nil_core.storage import log
from nil_core.storage.atomic import write_json
from nil_core.storage.lock import run_lock
from nil_core.storage.run_folder import RunFolder
from nil_core.train.loop import LoopComponents, TrainingLoop
from nil_core.train.task_env import MakeEnvironment, TaskEnv
from nil_core.types import AgentSpec

TRAINING, EVALUATION = 0, 1  # seed streams
MAX_EVALUATION_STEPS = 1_000_000  # control steps after which an evaluation episode is truncated

MakeAgent = Callable[[AgentSpec], Agent]


@dataclass(frozen=True)
class TaskSettings:
    """Settings for training on a task.

    Attributes:
        steps: environment steps.
        seed: of agent and environments.
        horizon: control steps of a full episode, for agents that use it.
        device: ``cpu``, ``cuda`` ...
        log_every: environment steps between training lines of ``metrics.jsonl``.
        eval_every: environment steps between evaluations of the deterministic policy.
        eval_episodes: episodes of each evaluation, always from the same starts.
        checkpoint_every: environment steps between checkpoints.
        keep: number of newest checkpoints to keep.
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


def train_on_task(
    make_agent: MakeAgent,
    make_environment: MakeEnvironment,
    folder: Path,
    settings: TaskSettings,
    reporter: Reporter | None = None,
) -> list[dict[str, Any]]:
    """Train an agent, or resume from the newest checkpoint of the folder: bitwise exact, if the agent supports it.

    Ctrl-C saves a checkpoint and returns.

    Args:
        make_agent: constructs the agent.
        make_environment: constructs an environment from a seed.
        folder: for ``task.json``, ``metrics.jsonl`` (without times), ``timing.jsonl``, ``checkpoints/``.
        settings: of the training. A later call may increase ``steps``.
        reporter: receives messages; default: plain lines.

    Returns:
        the evaluations so far: ``step``, ``return`` (mean over the episodes), ``return_std``, ``episode_length``.

    Raises:
        RunError: the folder contains a run with other settings, or another process trains in it.
        DataError: an environment with unsupported spaces, or one that is not reproducible.
        NumericalError: a reward or a loss that is not finite; the state that led to it is in ``checkpoints/failed``.
    """
    reporter = reporter or Lines()
    run = RunFolder(folder)
    with run_lock(folder):
        _claim(folder, settings)
        env = TaskEnv(make_environment, settings.seed, TRAINING)
        agent = make_agent(_agent_spec(env, settings))

        def evaluate() -> Mapping[str, float]:
            values = _scores(_evaluation(make_environment, agent, settings))
            reporter.say(f"step {loop.step}: return {values['return']:.1f} ± {values['return_std']:.1f}")
            return values

        reward = EnvironmentReward(EnvironmentOptions())
        loop = TrainingLoop(run, _config(settings), LoopComponents(agent, env, reward, evaluate, Hooks(), reporter))
        loop.resume()
        loop.run(evaluate_first=not log.read(run.metrics))
    return [row for row in log.read(run.metrics) if row["kind"] == "eval"]


def _agent_spec(env: TaskEnv, settings: TaskSettings) -> AgentSpec:
    return AgentSpec(
        observation_size=env.observation_size,
        action_size=env.action_size,
        num_envs=env.num_envs,
        horizon=settings.horizon,
        total_steps=settings.steps,
        seed=settings.seed,
        device=settings.device,
        layout=env.layout,
    )


def _config(settings: TaskSettings) -> RunConfig:
    """A run config with the settings that the training loop uses."""
    training = TrainingSettings(
        log_every=settings.log_every,
        eval_every=settings.eval_every,
        eval_episodes=settings.eval_episodes,
        checkpoint_every=settings.checkpoint_every,
        keep=settings.keep,
    )
    return RunConfig(steps=settings.steps, seed=settings.seed, training=training)


def _evaluation(make: MakeEnvironment, agent: Agent, settings: TaskSettings) -> list[Episode]:
    """Episodes of the deterministic policy, each with its own seed."""
    episodes = []
    for number in range(settings.eval_episodes):
        env = TaskEnv(make, settings.seed, EVALUATION + number)
        reward = EnvironmentReward(EnvironmentOptions())
        episodes += rollout(env, env.state(), reward, deterministic_policy(agent), MAX_EVALUATION_STEPS)
    return episodes


def _scores(episodes: list[Episode]) -> dict[str, float]:
    returns = [float(episode.environment_reward.sum()) for episode in episodes]
    return {
        "return": float(np.mean(returns)),
        "return_std": float(np.std(returns)),
        "episode_length": float(np.mean([len(episode.rewards) for episode in episodes])),
    }


def _claim(folder: Path, settings: TaskSettings) -> None:
    """Write the settings, or check that they match those of the run in the folder."""
    path = folder / "task.json"
    if before := RunFolder(folder).read(path):
        changed = [k for k, v in asdict(settings).items() if before.get(k) != v and k not in ("steps", "keep")]
        if changed:
            raise RunError(f"{folder} contains a run with another {', '.join(changed)}", "choose another folder")
    write_json(path, asdict(settings))
