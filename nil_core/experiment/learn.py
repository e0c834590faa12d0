"""Stage 2: train an agent, then evaluate it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nil_core import time_shares
from nil_core.errors import NilError
from nil_core.evaluation.artifacts import write_comparison, write_curve
from nil_core.evaluation.metrics import Scoring
from nil_core.experiment.evaluator import (
    DO_NOTHING,
    FINAL_SEED,
    Evaluator,
    baselines,
    deterministic_policy,
    evaluate_beside_baselines,
    results,
)
from nil_core.experiment.experiment import Experiment
from nil_core.experiment.manifest import random_mark
from nil_core.experiment.messages import (
    describe_inexact_resume,
    describe_use_of_motion,
    motion_used,
    warn_of_blind_encoder,
)
from nil_core.experiment.scoring import full_scoring
from nil_core.hooks import Hooks
from nil_core.interfaces import Agent, Reward
from nil_core.reporting import Reporter
from nil_core.storage import log
from nil_core.storage.atomic import write_json
from nil_core.storage.os_errors import unforeseen
from nil_core.storage.run_folder import RunFolder
from nil_core.train.loop import LoopComponents, TrainingLoop


@dataclass(frozen=True)
class Result:
    """Result of a run.

    Attributes:
        folder: the run's folder.
        finished: False after Ctrl-C: a checkpoint is saved, and :func:`resume` continues.
        summary: content of ``summary.json``; empty if not finished.
    """

    folder: Path
    finished: bool
    summary: Mapping[str, Any]


def learn(folder: RunFolder, experiment: Experiment, reporter: Reporter, hooks: Hooks, resuming: bool) -> Result:
    """Train to the end or until Ctrl-C, then evaluate."""
    config = experiment.config
    with _hints_naming(folder), _run_finished_hook(folder, hooks) as ending:
        scoring = full_scoring(experiment)  # first, so that a recording that cannot be read fails before training
        reward = experiment.reward(config.simulation.num_envs)
        reporter.reward(reward.rows())
        describe_use_of_motion(experiment, reporter)
        if not resuming:
            warn_of_blind_encoder(experiment, reporter)
        env = experiment.training_env(reward)
        evaluators: list[Evaluator] = []
        try:
            agent = experiment.agent(experiment.choice["agent"], env)

            def evaluate() -> Mapping[str, float]:
                if not evaluators:
                    evaluators.append(Evaluator(experiment, config.training.eval_episodes, config.seed))
                evaluators[0].adopt(reward)
                return evaluators[0].score(evaluators[0].episodes(deterministic_policy(agent)))

            loop = TrainingLoop(folder, config, LoopComponents(agent, env, reward, evaluate, hooks, reporter))
            if resuming:
                loop.resume()
                folder.write_config(config)
                folder.summary.unlink(missing_ok=True)
                folder.evaluation.unlink(missing_ok=True)  # it is of an earlier step
                reporter.say(f"resuming from step {loop.step}")
            else:
                loop.start()
            describe_inexact_resume(experiment, loop.step, reporter)
            folder.write_status("learning", loop.step)
            finished = loop.run()
            if parts := time_shares.shares(log.read(folder.timing)):
                reporter.say(f"time: {time_shares.in_words(parts)}")
        finally:
            env.close()
            for evaluator in evaluators:
                evaluator.close()
        summary = _conclude(folder, experiment, agent, reward, scoring, reporter, hooks) if finished else {}
        ending.update(summary or {"finished": False, "state": "interrupted"})
    if not finished:
        reporter.say(f"saved at step {loop.step}; resume with: {folder.resume_command()}")
    return Result(folder.path, finished, summary)


@contextmanager
def _hints_naming(folder: RunFolder) -> Iterator[None]:
    """Name the folder where the hint of an error says how to resume, so that the command can be pasted."""
    try:
        yield
    except NilError as error:
        error.hint = _naming(folder, error.hint)
        raise
    except OSError as error:
        if (explained := unforeseen(error)) is None:
            raise
        raise type(explained)(explained.message, _naming(folder, explained.hint)) from error


def _naming(folder: RunFolder, hint: str) -> str:
    return hint.replace("nil run --resume FOLDER", folder.resume_command())


@contextmanager
def _run_finished_hook(folder: RunFolder, hooks: Hooks) -> Iterator[dict[str, Any]]:
    """Fire ``run_finished`` once, with the summary set in the block, or with the state after an exception."""
    summary: dict[str, Any] = {}
    try:
        yield summary
    except BaseException as error:
        state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        hooks.fire("run_finished", folder=folder.path, summary={"finished": False, "state": state})
        raise
    hooks.fire("run_finished", folder=folder.path, summary=summary)


def _conclude(
    folder: RunFolder,
    experiment: Experiment,
    agent: Agent,
    reward: Reward,
    scoring: Scoring,
    reporter: Reporter,
    hooks: Hooks,
) -> dict[str, Any]:
    """Evaluate, with the same start states in every run, and write the video, the curve and ``summary.json``."""
    began = time.perf_counter()
    evaluator = Evaluator(experiment, experiment.config.evaluation.episodes, FINAL_SEED)
    evaluator.adopt(reward)
    try:
        rows, recorded = evaluate_beside_baselines(experiment, evaluator, agent, scoring, reporter)
    finally:
        evaluator.close()
    if len(recorded.frames):
        video = write_comparison(folder.videos, experiment.reference, recorded)
        hooks.fire("video_written", path=video, kind="comparison")
    write_curve(folder.curve, log.read(folder.metrics), {name: rows[name] for name in baselines(experiment)})
    timings = log.read(folder.timing)
    summary = {
        **random_mark(experiment.choice),
        "finished": True,
        "steps": experiment.config.total_steps,
        **results(experiment, rows, scoring),
        "motion": motion_used(experiment),
        "learning_seconds": sum(row["seconds"] for row in timings),
        "evaluation_seconds": time.perf_counter() - began,
    }
    write_json(folder.summary, summary)
    reporter.evaluation(rows)
    gain = summary["return_over_zero"]
    if gain is not None:
        compared_with = DO_NOTHING[baselines(experiment)[0]]
        reporter.say(f"return {gain:+.0%} relative to {compared_with}, after {experiment.config.total_steps} steps")
    if len(recorded.frames):
        reporter.say(f"video: {video}")
    else:
        reporter.say(f"no frames were rendered; to watch the policy: nil play {shlex.quote(str(folder.path))}")
    if folder.curve.exists():
        reporter.say(f"curve: {folder.curve}")
    return summary
