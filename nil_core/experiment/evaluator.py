"""Evaluation of the trained policy and the baselines from the same start states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nil_core.components import choose
from nil_core.evaluation.metrics import Scoring, summarize, summarize_with_spread
from nil_core.evaluation.rollout import Episode, rollout
from nil_core.evaluation.step_records import Recorder
from nil_core.experiment.experiment import Experiment
from nil_core.experiment.scoring import main_scoring
from nil_core.interfaces import Agent, LearnedReward, Reward
from nil_core.reporting import Reporter
from nil_core.sim.environment import State
from nil_core.sim.vector_env import VectorEnv
from nil_core.train.collect import Policy
from nil_core.types import Floats

EVALUATION_SEED = 1_000_003  # offset: differs from the seeds of training environments

FINAL_SEED = 0
"""Of the start states at the end of every run, whatever its own seed, and of ``nil eval``: runs are comparable."""

DO_NOTHING = {"standing": "standing still", "zero": "zero torque"}
"""Baselines that the trained return is compared with: action 0 relative to the standing pose, or no torque at all."""


class Evaluator:
    """Evaluates policies, always from the same start states.

    Args:
        experiment: defines environments and reward.
        episodes: number of environments; each runs one episode.
        seed: of the start states.

    Attributes:
        reward: scores the episodes, and learns from none.
    """

    def __init__(self, experiment: Experiment, episodes: int, seed: int) -> None:
        self._experiment = experiment
        self.seed = seed
        self.reward, self._metrics = experiment.reward(episodes), experiment.metrics(episodes)
        self._recorder = Recorder(experiment.scene)
        terms = self._recorder.terms
        self.env = experiment.evaluation_env(self.reward, episodes, EVALUATION_SEED + seed, terms)
        self._start: State = self.env.state()

    def adopt(self, reward: Reward) -> None:
        """Score as another reward does now, if it is one that learns."""
        if isinstance(self.reward, LearnedReward) and isinstance(reward, LearnedReward):
            self.reward.adopt(reward.learned())

    def episodes(self, policy: Policy, record: bool = False) -> list[Episode]:
        """Run one episode per environment."""
        horizon, recorded = self._experiment.env_spec.control_steps, record and self.env.buffers.drawn
        return rollout(self.env, self._start, self.reward, policy, horizon, recorded, self._metrics, self._recorder)

    def score(self, episodes: list[Episode]) -> Mapping[str, float]:
        """Main metrics of the episodes, see :data:`nil_core.evaluation.columns.COLUMNS`."""
        return summarize(episodes, main_scoring(self._experiment))

    def close(self) -> None:
        """Close the environments."""
        self.env.close()


def deterministic_policy(agent: Agent) -> Policy:
    """The policy of an agent without exploration."""

    def act(observations: Floats) -> Floats:
        return agent.act(observations, explore=False)

    return act


def evaluate_beside_baselines(
    experiment: Experiment, evaluator: Evaluator, agent: Agent, scoring: Scoring, reporter: Reporter
) -> tuple[dict[str, Any], Episode]:
    """Rows of the trained policy and of the baselines, and the recorded first episode of the trained one.

    A row has the means of all columns, their spread, and what they depend on: the seed of the start states, and the
    reference's own speed.
    """
    conditions: dict[str, Any] = {"seed": evaluator.seed}
    if experiment.reference_speed is not None:
        conditions["locomujoco_own_speed"] = experiment.reference_speed
    rows: dict[str, Any] = {}
    names = ("trained", *baselines(experiment))
    recorded: Episode | None = None
    for number, name in enumerate(names):
        reporter.progress(number, len(names), "policies evaluated")
        with _evaluator_for(name, experiment, evaluator) as chosen:
            policy = agent if name == "trained" else _baseline(experiment, chosen.env, name)
            episodes = chosen.episodes(deterministic_policy(policy), record=name == "trained")
            recorded = recorded or episodes[0]
            rows[name] = summarize_with_spread(episodes, scoring) | conditions
    reporter.progress(len(names), len(names), "policies evaluated")
    assert recorded is not None
    return rows, recorded


def baselines(experiment: Experiment) -> tuple[str, ...]:
    """Names of the baselines; the first is one of :data:`DO_NOTHING`.

    ``standing`` is action 0 relative to the standing pose, under torque control ``zero`` instead; ``random`` is random
    actions. If actions are relative to the reference's motion, ``base`` is action 0 relative to it.
    """
    if experiment.has_base:
        return ("standing", "base", "random")
    return ("standing" if experiment.config.environment.control == "pd" else "zero", "random")


def results(experiment: Experiment, rows: Mapping[str, Any], scoring: Scoring) -> dict[str, Any]:
    """What an evaluation found, as JSON values.

    Args:
        experiment: that was evaluated.
        rows: of :func:`evaluate_beside_baselines`.
        scoring: with which.

    Returns:
        ``policies``, the rows, and what belongs to all of them.
    """
    idle = rows[baselines(experiment)[0]]["return"]
    return {
        "policies": rows,
        "return_over_zero": rows["trained"]["return"] / idle - 1 if idle > 0 else None,
        "target_speed": experiment.target_speed,
        "reference_speed": experiment.reference_speed,
        **({"recording_sha256": scoring.recording} if scoring.recording else {}),
    }


@contextmanager
def _evaluator_for(name: str, experiment: Experiment, evaluator: Evaluator) -> Iterator[Evaluator]:
    """The given evaluator; for ``standing`` one with the same starts and actions relative to the standing pose."""
    if name != "standing" or not experiment.has_base:
        yield evaluator
        return
    standing = Evaluator(experiment.without_base, evaluator.env.num_envs, evaluator.seed)
    standing.adopt(evaluator.reward)
    try:
        yield standing
    finally:
        standing.close()


def _baseline(experiment: Experiment, env: VectorEnv, name: str) -> Agent:
    config = experiment.config
    component = type(config.agent)(name="random" if name == "random" else "zero")
    return experiment.agent(choose(config.model_copy(update={"agent": component}))["agent"], env)
