"""Training loop: collect, learn, log, evaluate, save."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nil_core import time_shares
from nil_core.config import RunConfig
from nil_core.errors import NumericalError, RunError
from nil_core.hooks import Hooks
from nil_core.interfaces import Agent, LearnedReward, Reward
from nil_core.reporting import Reporter
from nil_core.storage import log
from nil_core.storage.array_names import prefixed, under
from nil_core.storage.run_folder import RunFolder
from nil_core.tick import Arrays, Tick, transitions
from nil_core.train import checkpoint
from nil_core.train.checkpoint import LoopState
from nil_core.train.collect import Collector, VectorEnvLike
from nil_core.train.interrupts import catch_interrupts
from nil_core.train.metric_accumulator import MetricAccumulator
from nil_core.train.stopwatch import Stopwatch

REPORT_SECONDS = 1.0
CHECKPOINT_SECONDS = 180.0  # a crash loses at most this much work


@dataclass(frozen=True)
class LoopComponents:
    """Components of a training loop.

    Attributes:
        evaluate: scores the agent's deterministic policy, returns the row for ``metrics.jsonl``.
    """

    agent: Agent
    env: VectorEnvLike
    reward: Reward
    evaluate: Callable[[], Mapping[str, float]]
    hooks: Hooks
    reporter: Reporter


class TrainingLoop:
    """Trains one agent; the state between two steps can be saved and restored exactly.

    Args:
        folder: of the run.
        config: of the run: steps, and its section ``training``.
        components: agent, environments, reward, evaluation, hooks, reporter.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, components: LoopComponents) -> None:
        self.folder = folder
        self.config = config
        self.step = 0
        self._components = components
        self._learned_reward = components.reward if isinstance(components.reward, LearnedReward) else None
        self._metrics = MetricAccumulator(components.env.num_envs)
        self._best = -np.inf
        self._watch = Stopwatch()
        score_ticks = config.training.encode_ticks * components.env.num_envs
        self._collector = Collector(components.env, components.reward, score_ticks, self._watch)
        self._shown: dict[str, float] = {}
        self._shares: dict[str, float] = {}  # of the time since the previous line, by part
        self._last_report = (time.perf_counter(), 0)
        self._saved = (time.monotonic(), -1)  # time and step of the last checkpoint
        self._stopping = False

    def start(self) -> None:
        """Begin the first episodes."""
        self._collector.start()

    def resume(self) -> None:
        """Continue from the newest checkpoint, or start from the beginning if there is none.

        Raises:
            RunError: it is damaged, has another format, or has other environments than the config's.
        """
        checkpoint.tidy(self.folder.checkpoints)
        if not checkpoint.steps(self.folder.checkpoints):
            log.cut_back(self.folder.metrics, 0)
            log.cut_back(self.folder.timing, 0)
            self.start()
            return
        path = checkpoint.newest(self.folder.checkpoints)
        state = checkpoint.load(path, self._components.agent)
        self.step = state.step
        self._best = state.values["best"]
        self._metrics.restore(state.values["metrics"])
        try:
            self._components.env.restore(state.arrays["environments"])
        except ValueError as error:
            hint = "resume with the robot and simulation.num_envs of the saved run"
            raise RunError(f"{path} has other environments than the config's: {error}", hint) from None
        self._components.reward.restore(under("reward", state.arrays))
        self._collector.restore(under("collector", state.arrays))
        self._saved = (time.monotonic(), self.step)
        # the process that wrote the newest may have been killed before it removed the others
        checkpoint.remove_old(self.folder.checkpoints, self.config.training.keep)
        log.cut_back(self.folder.metrics, self.step)
        log.cut_back(self.folder.timing, self.step)

    def run(self, evaluate_first: bool = False) -> bool:
        """Train until ``config.total_steps``, or until Ctrl-C.

        Args:
            evaluate_first: evaluate before the first step, too.

        Returns:
            whether it finished; if not, everything is saved.

        Raises:
            NumericalError: NaN in a reward or loss; the state that led to it is saved.
        """
        self._last_report = (time.perf_counter(), self.step)
        with catch_interrupts(self.stop):
            try:
                if evaluate_first:
                    self.evaluate()
                while self.step < self.config.total_steps and not self._stopping:
                    self._step()
                    self._run_periodic_tasks()
            except NumericalError as error:
                path = self.folder.checkpoints / checkpoint.FAILED
                checkpoint.write(path, self._components.agent, self._state())
                self.folder.write_status("failed", self.step)
                raise NumericalError(error.message, f"the state that led to it is in {path}") from None
        finished = self.step >= self.config.total_steps
        if not finished:
            self._report()
        self._save("finished" if finished else "interrupted")
        return finished

    def stop(self) -> None:
        """Stop after the current step."""
        self._stopping = True

    def _step(self) -> None:
        self._collector.step(lambda observations: self._components.agent.act(observations, explore=True), self._learn)
        self.step += self._components.env.num_envs

    def _learn(self, ticks: Sequence[Tick]) -> None:
        ended = [tick for tick in ticks if not tick.begins]
        agent, batch = self._components.agent, transitions(ended)
        with self._watch.timing("update"):
            agent.observe(batch)
            losses = agent.update(len(batch))
        self._metrics.add_ticks(ended)
        self._metrics.add_losses(losses)
        if self._learned_reward is not None:
            with self._watch.timing("reward"):
                self._metrics.add_losses(self._learned_reward.learn(ticks))

    def _run_periodic_tasks(self) -> None:
        training = self.config.training
        self._report()
        if self._due(training.log_every):
            self._log()
        if self._due(training.eval_every):
            self.evaluate()
        if self.step < self.config.total_steps and self._checkpoint_is_due():
            with self._watch.timing("save"):
                self._save("learning")
        if self._due(training.log_every):
            self._log_timing()

    def _checkpoint_is_due(self) -> bool:
        """By steps, or by time if these are slow: checkpoints do not change the run."""
        overdue = time.monotonic() - self._saved[0] > CHECKPOINT_SECONDS
        return self._due(self.config.training.checkpoint_every) or overdue

    def _due(self, every: int) -> bool:
        before = self.step - self._components.env.num_envs
        return every > 0 and self.step // every > before // every

    def _log(self) -> None:
        values = self._metrics.take()
        log.append(self.folder.metrics, {"step": self.step, "kind": "train", **values})
        self._components.hooks.fire("metrics", step=self.step, values=values)
        self._shown = values

    def _log_timing(self) -> None:
        seconds, spent = self._watch.take()
        row = {"step": self.step, "seconds": seconds, **spent}
        log.append(self.folder.timing, row)
        self._shares = time_shares.shares([row])

    def evaluate(self) -> None:
        """Score the deterministic policy, and save it if it is the best."""
        began = time.perf_counter()
        values = dict(self._components.evaluate())
        log.append(self.folder.metrics, {"step": self.step, "kind": "eval", **values})
        self._components.hooks.fire("metrics", step=self.step, values={f"eval.{k}": v for k, v in values.items()})
        if values["return"] > self._best:
            self._best = values["return"]
            checkpoint.save_policy(self.folder.checkpoints, self._components.agent, self._learned())
        self._watch.add("evaluate", time.perf_counter() - began)

    def _save(self, state: str) -> None:
        """Write a checkpoint, unless that of this step exists, and set the run's status to ``state``."""
        path = None
        if self._saved[1] != self.step:
            keep = self.config.training.keep
            path = checkpoint.save(self.folder.checkpoints, self._components.agent, self._state(), keep)
            self._saved = (time.monotonic(), self.step)
        self.folder.write_status(state, self.step)
        if path is not None:
            self._components.hooks.fire("checkpoint_saved", folder=path, step=self.step)

    def _state(self) -> LoopState:
        values = {"best": self._best, "metrics": self._metrics.state()}
        arrays = prefixed("reward", self._components.reward.state()) | prefixed("collector", self._collector.state())
        arrays |= {"environments": self._components.env.state()}
        return LoopState(self.step, values, arrays, self._learned())

    def _learned(self) -> Arrays | None:
        return None if self._learned_reward is None else self._learned_reward.learned()

    def _report(self) -> None:
        (then, before), now = self._last_report, time.perf_counter()
        last = self._stopping or self.step >= self.config.total_steps
        if self.step == before or (now - then < REPORT_SECONDS and not last):
            return
        rate = (self.step - before) / max(now - then, 1e-9)
        rates = {"steps_per_second": rate, "seconds_left": (self.config.total_steps - self.step) / max(rate, 1e-9)}
        self._components.reporter.learning(self.step, self.config.total_steps, self._shown, rates | self._shares)
        self._last_report = (now, self.step)
