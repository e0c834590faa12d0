"""The training loop: act, simulate, score, learn, log, evaluate, save.

While worker processes simulate a step, this process encodes and scores the step before it and lets the agent learn.
The order of things depends on step counts alone, never on the clock, so equal runs give equal numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nil_core import time_shares
from nil_core.config import RunConfig
from nil_core.errors import NumericalError, RunError
from nil_core.hooks import Hooks
from nil_core.interfaces import Agent
from nil_core.reporting import Reporter
from nil_core.reward.imitation import RewardSource
from nil_core.sim.vector_env import State, StepBuffers, VectorEnv
from nil_core.storage import log
from nil_core.storage.run_folder import RunFolder
from nil_core.train import checkpoint
from nil_core.train.checkpoint import LoopState, prefixed, under
from nil_core.train.interrupts import catch_interrupts
from nil_core.train.metric_accumulator import MetricAccumulator
from nil_core.train.pending import PendingTransitions
from nil_core.train.stopwatch import Stopwatch
from nil_core.types import Floats

REPORT_SECONDS = 1.0
CHECKPOINT_SECONDS = 180.0  # at most so much work is lost to a crash


@dataclass(frozen=True)
class Parts:
    """What a loop works with.

    Attributes:
        evaluate: scores the agent's mode, gives the row for ``metrics.jsonl``.
    """

    agent: Agent
    simulation: VectorEnv
    source: RewardSource
    evaluate: Callable[[], Mapping[str, float]]
    hooks: Hooks
    reporter: Reporter


class TrainingLoop:
    """One agent learning in one simulation; the state between two steps can be saved and restored exactly.

    Args:
        folder: of the run.
        config: of the run.
        parts: agent, simulation, reward source, evaluation, hooks, reporter.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, parts: Parts) -> None:
        self.folder = folder
        self.config = config
        self.step = 0
        self._parts = parts
        self._pending = PendingTransitions()
        self._tally = MetricAccumulator(parts.simulation.num_envs)
        self._best = -np.inf
        self._watch = Stopwatch()
        self._observations: Floats = np.empty((0, 0), np.float32)
        self._shown: dict[str, float] = {}
        self._shares: dict[str, float] = {}  # of the time since the line before, by part
        self._last_report = (time.perf_counter(), 0)
        self._saved = (time.monotonic(), -1)  # when, and at which step
        self._stopping = False

    def start(self) -> None:
        """Begin the first episodes."""
        buffers = self._parts.simulation.reset()
        self._parts.source.reset(buffers)
        self._observations = buffers.observations.copy()

    def resume(self) -> None:
        """Go on from the newest checkpoint; from the beginning, if the run ended before its first.

        Raises:
            RunError: it is damaged, of another format, or of other environments than the config's.
        """
        checkpoint.tidy(self.folder.checkpoints)
        if not checkpoint.steps(self.folder.checkpoints):
            log.cut_back(self.folder.metrics, 0)
            log.cut_back(self.folder.timing, 0)
            self.start()
            return
        path = checkpoint.newest(self.folder.checkpoints)
        state = checkpoint.load(path, self._parts.agent)
        self.step = state.step
        self._best = state.values["best"]
        self._tally.restore(state.values["tally"])
        self._parts.simulation.restore(self._fitting(state.arrays["environments"], path))
        self._parts.source.restore(under("reward", state.arrays))
        self._pending.restore(under("pending", state.arrays))
        self._observations = state.arrays["observations"].astype(np.float32)
        self._saved = (time.monotonic(), self.step)
        log.cut_back(self.folder.metrics, self.step)
        log.cut_back(self.folder.timing, self.step)

    def _fitting(self, saved: State, path: Path) -> State:
        ours = self._parts.simulation.state()
        if (saved.shape, saved.dtype) != (ours.shape, ours.dtype):
            raise RunError(
                f"{path} is of {len(saved)} environments of {saved.itemsize} bytes, "
                f"the config's are {len(ours)} of {ours.itemsize}",
                "resume with the robot and simulation.num_envs that the run began with",
            )
        return saved

    def run(self) -> bool:
        """Learn until ``config.total_steps``, or until Ctrl-C.

        Returns:
            whether it got to the end; if not, everything is saved.

        Raises:
            NumericalError: NaN in a reward or loss; the state that led to it is saved.
        """
        self._last_report = (time.perf_counter(), self.step)
        with catch_interrupts(self._stop):
            try:
                while self.step < self.config.total_steps and not self._stopping:
                    self._one_step()
                    self._look_around()
            except NumericalError as error:
                path = self.folder.checkpoints / checkpoint.FAILED
                checkpoint.write(path, self._parts.agent, self._state())
                self.folder.write_status("failed", self.step)
                raise NumericalError(error.message, f"the state that led to it is in {path}") from None
        finished = self.step >= self.config.total_steps
        if not finished:
            self._report()
        self._save("finished" if finished else "interrupted")
        return finished

    def _stop(self) -> None:
        self._stopping = True

    def _one_step(self) -> None:
        parts, watch = self._parts, self._watch
        with watch.timing("act"):
            actions = parts.agent.act(self._observations, explore=True)
        with watch.timing("wait"):  # where cores are few, a worker that is woken takes this process's
            parts.simulation.send(actions)
        try:
            self._learn()
        finally:  # whatever learning met, the simulation's answer must not be taken for that to a later question
            with watch.timing("wait"):
                buffers = parts.simulation.receive()
        self._take_in(actions, buffers)

    def _learn(self) -> None:
        """Score what waits, and learn from it: in the shadow of the running simulation."""
        parts, config = self._parts, self.config
        enough = config.training.encode_ticks * parts.simulation.num_envs
        if parts.source.waiting < enough:
            return
        with self._watch.timing("encode"):
            before = parts.source.state()
            scored = parts.source.rewards()
        if not np.isfinite(scored.total).all():
            parts.source.restore(before)
            bad = [name for name, values in scored.parts.items() if not np.isfinite(values).all()]
            raise NumericalError(f"the reward is not a number ({', '.join(bad) or 'total'})")
        self._tally.add_rewards(scored)
        transitions = self._pending.settle(scored.total, config.environment.terminal_value)
        if transitions is None:
            return
        with self._watch.timing("update"):
            parts.agent.observe(transitions)
            losses = parts.agent.update(len(transitions))
        self._tally.add_losses(losses)

    def _take_in(self, actions: Floats, buffers: StepBuffers) -> None:
        self._pending.add(self._observations, np.asarray(actions, np.float32).copy(), buffers)
        self._parts.source.observe(buffers)
        self._tally.add_step(buffers)
        self._observations = buffers.observations.copy()
        self.step += len(actions)
        physics, render = buffers.busy.sum(axis=0)
        self._watch.add("physics", physics)
        self._watch.add("render", render)

    def _look_around(self) -> None:
        training = self.config.training
        self._report()
        if self._due(training.log_every):
            self._log()
        if self._due(training.eval_every):
            self._evaluate()
        if self.step < self.config.total_steps and self._checkpoint_is_due():
            with self._watch.timing("save"):
                self._save("learning")
        if self._due(training.log_every):
            self._note_time()

    def _checkpoint_is_due(self) -> bool:
        """By steps, and where those are slow by time: a checkpoint changes nothing in the run."""
        overdue = time.monotonic() - self._saved[0] > CHECKPOINT_SECONDS
        return self._due(self.config.training.checkpoint_every) or overdue

    def _due(self, every: int) -> bool:
        before = self.step - self._parts.simulation.num_envs
        return every > 0 and self.step // every > before // every

    def _log(self) -> None:
        values = self._tally.take()
        log.append(self.folder.metrics, {"step": self.step, "kind": "train", **values})
        self._parts.hooks.fire("metrics", step=self.step, values=values)
        self._shown = values

    def _note_time(self) -> None:
        seconds, parts = self._watch.look()
        row = {"step": self.step, "seconds": seconds, **parts}
        log.append(self.folder.timing, row)
        self._shares = time_shares.shares([row])

    def _evaluate(self) -> None:
        began = time.perf_counter()
        values = dict(self._parts.evaluate())
        log.append(self.folder.metrics, {"step": self.step, "kind": "eval", **values})
        self._parts.hooks.fire("metrics", step=self.step, values={f"eval.{k}": v for k, v in values.items()})
        if values["return"] > self._best:
            self._best = values["return"]
            checkpoint.save_policy(self.folder.checkpoints, self._parts.agent)
        self._watch.add("evaluate", time.perf_counter() - began)

    def _save(self, state: str) -> None:
        """Write a checkpoint, unless that of this very step is there, and say in what ``state`` the run is."""
        path = None
        if self._saved[1] != self.step:
            keep = self.config.training.keep
            path = checkpoint.save(self.folder.checkpoints, self._parts.agent, self._state(), keep)
            self._saved = (time.monotonic(), self.step)
        self.folder.write_status(state, self.step)
        if path is not None:
            self._parts.hooks.fire("checkpoint_saved", folder=path, step=self.step)

    def _state(self) -> LoopState:
        values = {"best": self._best, "tally": self._tally.state()}
        arrays = prefixed("reward", self._parts.source.state()) | prefixed("pending", self._pending.state())
        arrays |= {"environments": self._parts.simulation.state(), "observations": self._observations}
        return LoopState(self.step, values, arrays)

    def _report(self) -> None:
        (then, before), now = self._last_report, time.perf_counter()
        last = self._stopping or self.step >= self.config.total_steps
        if self.step == before or (now - then < REPORT_SECONDS and not last):
            return
        rate = (self.step - before) / max(now - then, 1e-9)
        rates = {"steps_per_second": rate, "seconds_left": (self.config.total_steps - self.step) / max(rate, 1e-9)}
        self._parts.reporter.learning(self.step, self.config.total_steps, self._shown, rates | self._shares)
        self._last_report = (now, self.step)
